"""The cells of an experiment's table: what the runs of one condition have on one test."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

from htr_exp.runs import reading_part, told_apart
from htr_exp.runs.rows import ComparedRow, RunRow, compared_on, figure
from htr_exp.scoring.intervals import Count, Interval, by_unit, of_rate

Side = Literal["test", "validation"]
"""Of the split: which pages the scores are of."""


@dataclass(frozen=True)
class Measured:
    """What the runs of one condition have on one test.

    Attributes:
        runs: how many there are.
        scored: how many of them have scores.
        zero_shot: the score of the base model, as a share.
        mean: of the runs' scores.
        spread: their standard deviation; None with fewer than two, and of evaluations, which have no seed.
        interval: of the mean, over pages; None where pages were not counted.
        folders: of the runs.
        kinds: insertions, deletions and substitutions of one run; None where it is not one, or they were not counted.
        reading: the mean part of reading; None where one of the scored runs did not divide its CER.
        reading_interval: the same of one run, over pages; None where it is not one.
        zero_shot_reading: of the base model.
        group: of one run among those on the same test: the pages cannot tell it apart from the best of its group.
    """

    runs: int
    scored: int
    zero_shot: float | None
    mean: float | None
    spread: float | None
    interval: Interval | None
    folders: tuple[str, ...] = ()
    kinds: tuple[int, int, int] | None = None
    reading: float | None = None
    reading_interval: Interval | None = None
    zero_shot_reading: float | None = None
    group: int | None = None


def is_scored(row: RunRow) -> bool:
    """Whether a run has scores of one side at least: kraken's figure while it trains is none."""
    return row["val_source"] == "rescored" or row["test"] is not None


def measured(rows: Sequence[ComparedRow], side: Side, test: str | None, told: Mapping[str, int]) -> Measured | None:
    """What runs of one condition have: on one of several tests, or where there is one test alone."""
    rows = [row for row in rows if test is None or compared_on(row) == test]
    if not rows:
        return None
    scored = [row for row in rows if is_scored(row)]
    values = [value for row in scored if (value := figure(row, key_of(side))) is not None]
    bases = [value for row in scored if (value := base_of(row, side)) is not None]
    counts = by_unit(page for row in scored for page in pages_of(row, side, shown_model(row)))
    alone = scored[0] if len(scored) == 1 else None
    return Measured(
        runs=len(rows),
        scored=len(values),
        zero_shot=statistics.fmean(bases) if bases else None,
        mean=statistics.fmean(values) if values else None,
        spread=statistics.stdev(values) if len(values) > 1 and rows[0]["verb"] != "evaluate" else None,
        interval=of_rate(counts),
        folders=tuple(row["folder"] for row in rows),
        reading=reading_part.mean(scored, side, shown_model(scored[0])) if scored else None,
        reading_interval=reading_part.interval_of(alone, side) if alone else None,
        zero_shot_reading=reading_part.mean(scored, side, "base") if bases else None,
        kinds=_kinds(alone) if alone and test is not None else None,
        group=told.get(alone["folder"]) if alone else None,
    )


def shown_model(row: RunRow) -> str:
    """The model whose scores stand for a run."""
    return "model" if row["verb"] == "evaluate" else "best"


def _kinds(row: RunRow) -> tuple[int, int, int] | None:
    found = row["test_insertions"], row["test_deletions"], row["test_substitutions"]
    return None if None in found else cast("tuple[int, int, int]", found)


def key_of(side: Side) -> str:
    """What rows call the score of a side."""
    return "test" if side == "test" else "val"


def base_of(row: RunRow, side: Side) -> float | None:
    """The score of a run's base model."""
    return figure(row, f"base_{key_of(side)}")


def pages_of(row: RunRow, side: Side, model: str) -> list[tuple[str, Count]]:
    """The counts of a model's pages on one side of the split, each with its unit; none where they were not counted so."""
    return told_apart.pages_of({model: row["scores"][side].get(model)})
