"""Tables and styles on the terminal; text in them cannot steer it and holds no secrets, as in `core.terminal`."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import rich.text
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.style import Style

from htr_exp.core.secrets import hidden
from htr_exp.core.terminal import unguarded
from htr_exp.core.text import printable, printable_lines


class Text(rich.text.Text):
    """Styled text of one line: a newline in it is shown as an escape, like all that could steer a terminal."""

    def __init__(self, text: str = "", *args: Any, **options: Any) -> None:
        super().__init__(printable(hidden(text)), *args, **options)

    def append(self, text: rich.text.Text | str, style: str | Style | None = None) -> rich.text.Text:
        """Add text; a string is made printable first."""
        return super().append(printable(hidden(text)) if isinstance(text, str) else text, style)

    @classmethod
    def assemble(cls, *parts: Any, **options: Any) -> Text:
        """One text of several, each a string, a text, or a string and its style."""
        text = cls(**options)
        for part in parts:
            text.append(*(part if isinstance(part, tuple) else (part,)))
        return text


class _PlainConsole(Console):
    """A console to which strings are lines of plain text: no markup, no emoji codes, nothing that steers the terminal."""

    def print(self, *objects: Any, **options: Any) -> None:
        super().print(*(Text(one) if isinstance(one, str) else one for one in objects), **options)

    def render_str(self, text: str, **options: Any) -> rich.text.Text:
        """Make a text of a string, such as a cell or a heading; secrets are left out before it is broken into lines."""
        return super().render_str(hidden(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render; what came in as strings, such as headings of tables, is made printable here."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=printable_lines(segment.text))


def console(*, stderr: bool = False) -> Console:
    """A console that never breaks words where there is no terminal."""
    stream = unguarded(sys.stderr if stderr else sys.stdout)
    width = None if stream.isatty() else 240
    return _PlainConsole(file=stream, stderr=stderr, highlight=False, markup=False, emoji=False, width=width)


def stacked(lines: Sequence[Text]) -> rich.text.Text:
    """Lines as one text that is broken nowhere else."""
    return rich.text.Text("\n", no_wrap=True).join(lines)


def aligned(columns: Mapping[str, Sequence[str]], right: Collection[str], width: int) -> rich.text.Text | None:
    """A table as one text, which rich would lay out cell by cell; None where it has no room and cells must be broken.

    Args:
        columns: heading -> cells.
        right: the headings of the columns that are aligned on the right.
        width: of the terminal.
    """
    lines: list[list[str]] = [[] for _ in range(1 + max(map(len, columns.values())))]
    used = -len(GAP)
    for heading, cells in columns.items():
        texts = {cell: printable(hidden(cell)) for cell in {heading, *cells}}  # most cells of a column are the same
        widths = {cell: cell_len(text) for cell, text in texts.items()}
        widest = max(widths.values())
        used += len(GAP) + widest
        blanks = {cell: " " * (widest - own) for cell, own in widths.items()}
        for line, cell in zip(lines, (heading, *cells)):
            line.append(blanks[cell] + texts[cell] if heading in right else texts[cell] + blanks[cell])
    if used > width:
        return None
    headings, *rows = map(GAP.join, lines)
    # each text is made printable already; only our newlines stay
    return rich.text.Text("\n", no_wrap=True).join(
        [rich.text.Text(headings, style="table.header"), *map(rich.text.Text, rows)]
    )


GAP = "  "
"""Between two columns."""


def show_block(out: Console, text: str) -> None:
    """Print text that has lines of its own, such as a script; they stay whole."""
    for line in text.split("\n"):
        out.print(line, soft_wrap=True)


def show_warnings(out: Console, warnings: Sequence[str]) -> None:
    """Print each warning once."""
    for warning in dict.fromkeys(warnings):
        out.print(Text(f"warning: {warning}", style="yellow"))
