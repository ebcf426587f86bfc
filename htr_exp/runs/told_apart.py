"""Which runs the test pages can tell apart: runs of one group are as good as each other, as far as anybody can know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from htr_exp.core.task import RECOGNITION
from htr_exp.core.text import counted, percent
from htr_exp.runs.records import Figures
from htr_exp.runs.rows import RunRow, compared_on, counted_figures
from htr_exp.scoring.intervals import LEVEL, Count, by_unit, holm, of_difference

SAID = (
    "group: the test pages cannot tell the runs of one group apart from its best one (95 %, paired over pages, "
    "corrected for {runs} by Holm)"
)
"""What stands below a table with groups."""

SAID_NO_WORSE = (
    "no worse: certainly not by more than {margin} points of test CER than the best one (95 %, paired over pages); "
    "where it says `?`, the pages leave it open"
)
"""What stands below a table that was asked for a margin."""


def groups(rows: Sequence[RunRow]) -> dict[str, int]:
    """The group of each run, by the folder of the run; on each test set from 1, which is that of the best test CER.

    The best run of those that have no group yet is compared with each of the others, on the same lines, by the paired jackknife
    over pages; those that it is not told apart from are of its group. Runs whose predictions were not counted page by page, and
    those that are alone on their test pages, have none.

    Args:
        rows: the runs, in any order.
    """
    group_of: dict[str, int] = {}
    for left in _sets(rows):
        number = 0
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


def said(rows: Sequence[RunRow], grouped: Collection[str]) -> str:
    """What stands below a table with groups: the correction is for the runs of one test, the largest number where there are several.

    Args:
        rows: of the table.
        grouped: the folders of those that have a group.
    """
    sizes = Counter(compared_on(row) for row in rows if row["folder"] in grouped).values()
    each = "; each test has groups of its own" if len(sizes) > 1 else ""
    return SAID.format(runs=counted(max(sizes), "run")) + each


def no_worse(rows: Sequence[RunRow], margin: float) -> dict[str, bool]:
    """Whether runs are certainly no worse than the best one by more than a margin, by the folder of the run.

    The upper end of the interval of the difference decides, on the same lines (Schuirmann's two one-sided tests, 1987, of which
    one is asked). A run of which it cannot be said is not worse for that.

    Args:
        rows: the runs, in any order; those without a group have no answer.
        margin: of the test CER, as a share.
    """
    found: dict[str, bool] = {}
    for (_, leader, best), *others in _sets(rows):
        found[leader["folder"]] = True
        for _, row, counts in others:
            compared = of_difference(best, counts, signs=False)
            found[row["folder"]] = compared is not None and compared.interval.high <= margin
    return found


@dataclass(frozen=True)
class Placebo:
    """How often runs are called different that differ in their seed alone.

    Attributes:
        called: the pairs of which the interval of the difference does not hold 0.
        pairs: of all runs.
    """

    called: int
    pairs: int

    def __str__(self) -> str:
        by_chance = 1 - LEVEL
        said = (
            f"{self.called} of {counted(self.pairs, 'pair')} of runs that differ in their seed alone are told apart by these pages "
            f"({percent(self.called / self.pairs)}; chance alone would give {percent(by_chance)})"
        )
        if self.called > by_chance * self.pairs:
            said += ": a difference between two single runs may be that of their seeds, so compare means over seeds"
        return said


def placebo(runs: Sequence[Sequence[Count]]) -> Placebo | None:
    """Compare runs of one recipe with each other as if they were of two; None where no two can be compared.

    Args:
        runs: the counts of each, by unit.
    """
    compared = [
        of_difference(one, other, signs=False)
        for one, other in combinations(runs, 2)
        if [of.units for of in one] == [of.units for of in other]
    ]
    known = [one for one in compared if one is not None]
    return Placebo(sum(one.p < 1 - LEVEL for one in known), len(known)) if known else None


def _sets(rows: Sequence[RunRow]) -> Iterator[list[tuple[float, RunRow, list[Count]]]]:
    """Yield the runs on the same test pages that can be compared page by page: test CER, row and counts, the best first."""
    sets: dict[str, list[tuple[float, RunRow, list[Count]]]] = {}
    for row in rows:
        if (
            row["task"] == RECOGNITION.name
            and row["test"] is not None
            and (found := by_unit(pages_of(row["scores"]["test"])))
        ):
            sets.setdefault(compared_on(row), []).append((row["test"], row, found))
    for alike in sets.values():
        if len(alike) > 1 and len({tuple(one.units for one in found) for _, _, found in alike}) == 1:
            yield sorted(alike, key=lambda one: (one[0], one[1]["run"]))


def pages_of(scores: Mapping[str, Figures | None]) -> list[tuple[str, Count]]:
    """The counts of each page with its unit, of the model that scores stand for; empty where they were not counted so."""
    shown = counted_figures(scores)
    return [
        (page.get("unit", page["page"]), Count(page["errors"], page["characters"]))
        for page in (shown["per_page"] if shown else ())
        if page.keys() >= {"page", "errors", "characters"}
    ]
