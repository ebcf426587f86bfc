"""Rows of a table on a terminal that is too narrow for its columns: a few lines for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Group
from rich.padding import Padding

from htr_exp.core.console import Text

NAME_WIDTH = 12
"""What is left for the names of runs in a table before it is given up."""

INDENT = 2
"""Of what belongs to a name."""


def fits(cells: Mapping[str, Sequence[str]], width: int, folded: Sequence[str], *, whole: bool = False) -> bool:
    """Whether a table has room.

    Args:
        cells: headings and the cells below them; a cell may not be broken.
        width: of the terminal.
        folded: headings of columns whose cells may be broken.
        whole: a heading may not be broken, not even between words.
    """
    widths: dict[str, int] = {
        name: max(
            [*map(len, [name] if whole else name.split()), *([NAME_WIDTH] if name in folded else map(len, column)), 0]
        )
        for name, column in cells.items()
    }
    return sum(widths.values()) + 2 * (len(widths) - 1) <= width


def blocks(cells: Mapping[str, Sequence[str]], width: int, styles: Sequence[str] = ()) -> Group:
    """Each row as its first cell, and below it the others that hold something, with their headings.

    Args:
        cells: headings and the cells below them.
        width: of the terminal; a line ends between two cells, so that no figure is broken.
        styles: of each row's first cell.
    """
    first, *others = cells
    lines: list[Text | Padding] = []
    for number, name in enumerate(cells[first]):
        lines.append(Text(name, style=styles[number] if styles else "bold"))
        said = ""
        for heading in others:
            piece = f"{heading} {cells[heading][number]}" if cells[heading][number] else ""
            if said and piece and len(f"{said}, {piece}") >= width - INDENT:
                lines.append(Padding(Text(f"{said},"), (0, 0, 0, INDENT)))
                said = piece
            else:
                said = ", ".join(filter(None, (said, piece)))
        lines.append(Padding(Text(said), (0, 0, 0, INDENT)))
    return Group(*lines)
