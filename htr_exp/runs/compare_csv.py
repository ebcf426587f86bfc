"""Runs side by side as a table for spreadsheets: every figure, every setting in which they differ, and their experiment's table."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from htr_exp.core.text import printable

NESTED = ("gain", "scores", "end_to_end", "settings", "condition", "forecast", "cost")
"""What a cell cannot hold: `--json` has it."""


def write_csv(file: TextIO, rows: Sequence[Mapping[str, Any]], varied: Sequence[str]) -> None:
    """Write a line for each run; lists are joined by "; ", what is not known is empty.

    Args:
        file: where to.
        rows: as `--json` has them.
        varied: the settings in which they differ.
    """
    keys = [key for key in rows[0] if key not in NESTED] if rows else ["run"]
    of_conditions = dict.fromkeys(key for row in rows for key in row.get("condition") or ())
    conditions = [f"condition_{key}" for key in of_conditions if key not in NESTED]
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([*keys, *varied, *conditions])
    for row in rows:
        condition = {f"condition_{key}": value for key, value in (row.get("condition") or {}).items()}
        values = {**row, **row["settings"], **condition}
        writer.writerow([_cell(values.get(key)) for key in (*keys, *varied, *conditions)])


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return printable("; ".join(map(str, value)))
    return "" if value is None else printable(str(value))
