"""What an examination found, on the terminal."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from typing import TYPE_CHECKING

from rich.console import Console

from htr_exp.core.console import Text
from htr_exp.core.text import counted, printable

if TYPE_CHECKING:  # `status` prints on login nodes and needs neither Hydra nor the readers of ground truth
    from htr_exp.cli.doctor.finding import Finding


FINDING_STYLES = {"ok": "green", "note": "cyan", "warning": "yellow", "error": "bold red"}


FINDING_NAME = 22
"""Characters that the name of a finding takes at least."""


FINDING_ROOM = 2 + 9 + FINDING_NAME + 1
"""Characters before what was found."""


def show_findings(out: Console, sections: Iterable[tuple[str, Iterable[Finding]]]) -> list[Finding]:
    """Print what an examination finds, as it goes on, and the sum; return all of it.

    Args:
        out: where it is shown.
        sections: titles and findings, which may take their time.
    """
    told: list[Finding] = []
    for title, findings in sections:
        if told:
            out.print()
        out.print(Text(title, style="bold"))
        for finding in _while_waiting(out, title, findings):
            told.append(finding)
            mark = (f"{finding.state:9}", FINDING_STYLES[finding.state])
            _hanging(out, Text.assemble("  ", mark, f"{finding.name:{FINDING_NAME}} "), finding.found, FINDING_ROOM)
            if finding.remedy:
                arrow = Text("-> ".rjust(FINDING_ROOM + 3))
                _hanging(out, arrow, finding.remedy, FINDING_ROOM + 3, "" if finding.state == "note" else "bold")
    counts = Counter(finding.state for finding in told)
    words = [counted(counts[state], state) for state in ("error", "warning", "note")]
    out.print()
    out.print(f"{', '.join(words)}, {counts['ok']} ok")
    return told


def _hanging(out: Console, begin: Text, words: str, indent: int, style: str = "") -> None:
    """Print a line, broken between words where the terminal ends, each part below the first; paths stay whole."""
    room = max(out.width, indent + 20) if out.is_terminal else 10**6
    whole = textwrap.wrap(
        printable(words),
        room,
        initial_indent=begin.plain,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    for number, line in enumerate(whole):
        skip = indent if number else len(begin.plain)
        out.print((Text(line[:skip]) if number else begin) + Text(line[skip:], style=style), soft_wrap=True)


def _while_waiting(out: Console, title: str, findings: Iterable[Finding]) -> Iterator[Finding]:
    """Yield findings; on a terminal a last line says where it looks meanwhile."""
    waiting = iter(findings)
    while True:
        with out.status(Text(f"looks at: {title}")) if out.is_terminal else nullcontext():
            finding = next(waiting, None)
        if finding is None:
            return
        yield finding
