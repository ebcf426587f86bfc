"""Which runs the test pages can tell apart: runs of one group are as good as each other, as far as anybody can know."""

from __future__ import annotations

from collections.abc import Sequence

from htr_exp.core.task import RECOGNITION
from htr_exp.runs.rows import RunRow, compared_on, counted_figures
from htr_exp.scoring.intervals import LEVEL, Count, by_unit, holm, of_difference

SAID = (
    "group: the test pages cannot tell the runs of one group apart from its best one (95 %, paired over pages, "
    "corrected for {runs} by Holm)"
)
"""What stands below a table with groups."""


def groups(rows: Sequence[RunRow]) -> dict[str, int]:
    """The group of each run, by the folder of the run; on each test set from 1, which is that of the best test CER.

    The best run of those that have no group yet is compared with each of the others, on the same lines, by the paired jackknife
    over pages; those that it is not told apart from are of its group. Runs whose predictions were not counted page by page, and
    those that are alone on their test pages, have none.

    Args:
        rows: the runs, in any order.
    """
    sets: dict[str, list[tuple[float, RunRow, list[Count]]]] = {}
    for row in rows:
        if row["task"] == RECOGNITION.name and row["test"] is not None and (found := _counts(row)):
            sets.setdefault(compared_on(row), []).append((row["test"], row, found))
    group_of: dict[str, int] = {}
    for alike in sets.values():
        left, number = sorted(alike, key=lambda one: (one[0], one[1]["run"])), 0
        if len(left) < 2 or len({tuple(one.units for one in found) for _, _, found in left}) > 1:
            continue
        while left:
            number += 1
            (_, leader, best), *others = left
            compared = [of_difference(best, found, signs=False) for _, _, found in others]
            adjusted = holm([one.p if one else 1.0 for one in compared])
            group_of[leader["folder"]] = number
            left = []
            for other, p in zip(others, adjusted):
                if p > 1 - LEVEL:
                    group_of[other[1]["folder"]] = number
                else:
                    left.append(other)
    return group_of


def _counts(row: RunRow) -> list[Count]:
    """The counts of a run's test pages by unit; empty where they were not counted so."""
    scores = counted_figures(row["scores"]["test"])
    return by_unit(
        (page.get("unit", page["page"]), Count(page["errors"], page["characters"]))
        for page in (scores["per_page"] if scores else ())
        if page.keys() >= {"page", "errors", "characters"}
    )
