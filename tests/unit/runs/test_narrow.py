from __future__ import annotations

import io

import pytest
from rich.console import Console

from htr_exp.runs.narrow import blocks, fits

CELLS = {
    "run": ["summa_elegantius-catmus_medieval-0a1b2c3d", "b\x1b[2J"],
    "state": ["done", "failed"],
    "val CER": ["20.00 %", "-"],
    "test CER": ["12.00 %", ""],
    "trained on": ["unknown", ""],
}


def test_a_table_fits_where_only_names_have_to_be_broken() -> None:
    # 12 of a name, 6, 7, 7 or 8 of figures, 7, and 2 between columns
    assert fits(CELLS, 47, ["run"])
    assert not fits(CELLS, 46, ["run"])
    assert not fits(CELLS, 47, ["run"], whole=True)
    assert fits(CELLS, 51, ["run"], whole=True)


@pytest.mark.parametrize("width", [20, 40, 80])
def test_else_each_row_has_lines_of_its_own_and_no_figure_is_broken(width: int) -> None:
    stream = io.StringIO()
    Console(file=stream, width=width).print(blocks(CELLS, width))
    said = stream.getvalue()
    assert max(map(len, map(str.rstrip, said.splitlines()))) <= width
    for piece in (
        "state done",
        "val CER 20.00 %",
        "test CER 12.00 %",
        "trained on unknown",
        "state failed",
        "val CER -",
    ):
        assert piece in said
    assert said.count("test CER") == 1  # an empty cell says nothing
    assert "\x1b" not in said
