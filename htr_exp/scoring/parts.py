"""The figures of parts of the pages: of each folder, hand, century, or whatever a table says of pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from htr_exp.scoring.lines import Score, together
from htr_exp.scoring.score_intervals import bounds

FOLDER = "folder"
"""The column that every page has: where its file lies in the dataset, as the split has it."""


def by_column(score: Score, columns: Mapping[str, Mapping[str, str]], unit_of: Mapping[str, str]) -> dict[str, Any]:
    """The figures of the pages of each value, as they stand in results.json: column -> list of them.

    A column in which all pages say the same, or each page something of its own, has none: they are those of all, or of pages.

    Args:
        score: with its pages.
        columns: column -> page -> value; "" where nobody knows.
        unit_of: page -> unit (`intervals.units`).
    """
    found = {}
    for column, value_of in columns.items():
        values = {value_of.get(page, "") for page, _ in score.per_page}
        if 1 < len(values) < score.pages:
            found[column] = list(_figures(score, value_of, sorted(values), unit_of))
    return found


def _figures(
    score: Score, value_of: Mapping[str, str], values: list[str], unit_of: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    for value in values:
        part = together([one for one in score.per_page if value_of.get(one[0], "") == value])
        yield {"value": value, **part.to_json(), **bounds(part, unit_of)}
