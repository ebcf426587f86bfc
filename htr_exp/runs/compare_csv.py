"""Runs side by side as a table for spreadsheets: every figure, and every setting in which they differ."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import Any, TextIO

from htr_exp.core.text import printable
from htr_exp.runs.rows import ComparedRow

NESTED = ("gain", "scores", "end_to_end", "settings")
"""What a cell cannot hold: `--json` has it."""


def write_csv(file: TextIO, rows: Sequence[ComparedRow], varied: Sequence[str]) -> None:
    """Write a line for each run; lists are joined by "; ", what is not known is empty."""
    keys = [key for key in rows[0] if key not in NESTED] if rows else ["run"]
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([*keys, *varied])
    for row in rows:
        values: dict[str, Any] = {**row, **row["settings"]}
        writer.writerow([_cell(values.get(key)) for key in (*keys, *varied)])


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return printable("; ".join(map(str, value)))
    return "" if value is None else printable(str(value))
