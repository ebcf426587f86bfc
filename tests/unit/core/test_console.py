"""Tables that need no layout look as rich would lay them out."""

from __future__ import annotations

import io

from rich.table import Table

from htr_exp.core.console import Text, _PlainConsole, aligned

COLUMNS = {
    "run": ["odalricus", "\u5199\u672c", "cod\u0305ex", "a\x1b[31m\nb", "[bold]plain[/bold] :smile:"],
    "CER": ["5.00 %", "", "10.25 %", "-", "1 %"],
    "token": ["ghp_0123456789abcdefghij", "", "", "", ""],
}


def printed(renderable: object, width: int = 200) -> str:
    file = io.StringIO()
    _PlainConsole(file=file, width=width, highlight=False, markup=False, emoji=False).print(renderable)
    return file.getvalue()


def test_an_aligned_table_is_what_rich_would_print() -> None:
    table = Table(box=None, pad_edge=False)
    for name in COLUMNS:
        table.add_column(name, justify="right" if name == "CER" else "left")
    for row in zip(*COLUMNS.values()):
        table.add_row(*map(Text, row))
    text = aligned(COLUMNS, {"CER"}, 200)
    assert printed(text) == printed(table)
    assert "ghp_" not in printed(text)
    assert "\x1b" not in printed(text)


def test_a_table_that_has_no_room_is_none() -> None:
    used = len(printed(aligned(COLUMNS, (), 200)).split("\n")[0])
    assert aligned(COLUMNS, (), used) is not None
    assert aligned(COLUMNS, (), used - 1) is None
