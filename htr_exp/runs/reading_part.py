"""The part of reading of CERs (`scores.convention_share`) of runs side by side: its figures, and what must be said of them.

A run that did not divide its CER has no such part. Its CER never stands in for it.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from typing import Any

from htr_exp.core.text import counted, first_of
from htr_exp.runs.rows import ComparedRow, RunRow, number_of, shown_figures
from htr_exp.scoring.intervals import Interval

HEADING, BASE_HEADING = "reading", "base reading"
"""Of its columns, beside those of the test CER and of the base model's."""

INTERVAL_HEADING = f"{HEADING}, 95 %"

SAID = (
    "reading: the errors of the CER that are left where the reference follows the convention of the model; the rest of the CER "
    "is convention"
)
"""What stands below a table with the part of reading."""

LIMITS = ("scores.convention_share", "scores.convention_pages")
"""The settings that decide what is convention."""


def of_model(row: RunRow, side: str, model: str) -> float | None:
    """The part of reading of one model on one side of the split, as a share."""
    return number_of(row["scores"][side].get(model), "cer_reading")


def mean(rows: Sequence[RunRow], side: str, model: str) -> float | None:
    """The mean of runs; None where one of them has none: the mean of the others would stand beside a CER of all."""
    parts = [of_model(row, side, model) for row in rows]
    known = [one for one in parts if one is not None]
    return statistics.fmean(known) if known and len(known) == len(parts) else None


def interval_of(row: RunRow, side: str) -> Interval | None:
    """The 95 % interval over pages of the part of reading that stands for a run; None where it has none."""
    shown = shown_figures(row["scores"][side])
    low, high = (number_of(shown, f"cer_reading_{end}") for end in ("low", "high"))
    return None if low is None or high is None else Interval(low, high)


def sentences(rows: Sequence[ComparedRow], side: str = "test") -> Iterator[str]:
    """Yield what a reader of a table with the part of reading must know; nothing where no run has it.

    Args:
        rows: of the table.
        side: of the split, of which the figures are.
    """
    shown = [(row, figures) for row in rows if (figures := shown_figures(row["scores"][side]))]
    having = [(row, figures) for row, figures in shown if number_of(figures, "cer_reading") is not None]
    if not having:
        return
    yield SAID
    names = [row["run"] for row, _ in having]
    if without := [row["run"] for row, _ in shown if row["run"] not in names]:
        yield (
            f"{len(without)} of {counted(len(shown), 'run')} did not divide the CER, so that {'its' if len(without) == 1 else 'their'} "
            f"part of reading is empty and no 0: {first_of(without, 3)}; scores.convention_share=0.4 divides it"
        )
    limits = {tuple(row["settings"].get(key) for key in LIMITS) for row, _ in having}
    if len(limits) > 1:
        yield (
            "these runs differ in scores.convention_share or scores.convention_pages, which decide what is convention: compare parts "
            "of reading within one value"
        )
    if few := [row["run"] for row, figures in having if _is_too_few(row, figures)]:
        yield (
            f"no replacement can recur on enough other pages (scores.convention_pages), so that all of the CER is called reading: "
            f"{first_of(few, 3)}"
        )


def _is_too_few(row: ComparedRow, figures: dict[str, Any]) -> bool:
    """Whether there are not as many other pages as a convention must recur on."""
    pages, wanted = number_of(figures, "pages"), number_of(row["settings"], "scores.convention_pages")
    return pages is not None and wanted is not None and pages <= wanted
