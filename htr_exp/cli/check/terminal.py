"""A check on the terminal, for people: a summary, then each kind of problem once with what to do."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from htr_exp.cli.check.junit import where
from htr_exp.cli.check.result import Checked, KindFound, Section
from htr_exp.core.console import Text
from htr_exp.core.text import and_more, counted, printable

EXAMPLES = 3
"""Problems of a kind that are shown."""

ROWS = 20
"""Rows of a table that are shown."""

_STYLES = {"error": "bold red", "dropped": "yellow", "warning": "cyan"}
_REST_S = 0.1  # between two movements of the bar


@contextmanager
def progress(out: Console, what: str) -> Iterator[Callable[[int, int], None] | None]:
    """Show on a terminal how many files are done; elsewhere show nothing."""
    if not out.is_terminal:
        yield None
        return
    columns = (
        TextColumn(what, markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("files"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=out, transient=True) as bar:
        task = bar.add_task("", total=None)
        last = 0.0

        def tell(done: int, total: int) -> None:
            nonlocal last
            now = time.monotonic()
            if now - last > _REST_S or done >= total:
                last = now
                bar.update(task, completed=done, total=total)

        yield tell


def show(out: Console, checked: Checked) -> None:
    """Print a check."""
    dataset = checked.dataset
    out.print(
        Text.assemble(
            (f"{checked.name}: ", "bold"),
            f"{counted(len(dataset.pages), 'page')}, {counted(dataset.lines, 'line')}, {counted(dataset.characters, 'character')} can be used "
            f"(of {counted(dataset.read['pages'], 'page')}, {counted(dataset.read['lines'], 'line')} read)",
        ),
        soft_wrap=not out.is_terminal,
    )
    out.print(Text(f"digest {dataset.digest}", style="dim"), soft_wrap=True)
    for section in checked.sections:
        if not section.last:
            _section(out, section)
    for kind in checked.kinds:
        _kind(out, kind)
    out.print()
    out.print(Text(checked.verdict, style="bold red" if checked.refused else "bold"), soft_wrap=not out.is_terminal)
    for section in checked.sections:
        if section.last:
            _section(out, section)


def _kind(out: Console, kind: KindFound) -> None:
    out.print()
    head = Text.assemble((f"{kind.severity}: ", _STYLES[kind.severity]), (kind.title, "bold"), f" ({kind.extent})")
    out.print(head, soft_wrap=not out.is_terminal)
    for problem in kind.problems[:EXAMPLES]:
        _indented(
            out, Text.assemble((where(problem), "bold" if kind.severity == "error" else ""), f": {problem.message}")
        )
    if more := and_more(len(kind.problems) - EXAMPLES):
        _indented(out, Text(more))
    _indented(out, Text.assemble(("-> ", "green"), kind.remedy))


def _section(out: Console, section: Section) -> None:
    out.print()
    out.print(Text(section.title, style="bold"))
    for sentence in section.sentences:
        _indented(out, Text(sentence))
    if not section.rows:
        return
    table = [[printable(cell) for cell in row] for row in (section.columns, *section.rows[-ROWS:])]
    rooms = [max(map(cell_len, cells)) for cells in zip(*table)]
    for number, (name, *figures) in enumerate(table):
        padded = [cell.rjust(room) for cell, room in zip(figures, rooms[1:])]
        line = "  ".join([name + " " * (rooms[0] - cell_len(name)), *padded])
        out.print(Text(f"  {line}".rstrip(), style="" if number else "dim"), soft_wrap=True)
    if more := and_more(len(section.rows) - ROWS):
        _indented(out, Text(f"{more}; --json and --html have all"))


def _indented(out: Console, text: Text) -> None:
    """Print below a headline; on a terminal broken between words, elsewhere on one line."""
    if out.is_terminal:
        out.print(Padding(text, (0, 0, 0, 2)))
    else:
        out.print(Text("  ") + text, soft_wrap=True)
