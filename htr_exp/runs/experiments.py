"""The table that a paper prints of an experiment: runs that differ in their seed alone are one row, with two kinds of spread.

Other seeds give another model, other pages another score. The first is the spread of the runs, the second the interval over
pages. They answer different questions, and are never added or mixed.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

from htr_exp.core.text import counted, first_of, percent
from htr_exp.runs.rows import ComparedRow, RunRow, counted_figures, figure
from htr_exp.runs.sweep_points import described, differing
from htr_exp.scoring.intervals import Count, Interval, by_unit, of_rate

Side = Literal["test", "validation"]

TRAIN_PAGES = "split.train_pages"

_SAID_OTHERWISE = ("model.", "dataset.", "architecture.", "split.fold", "scores.test", "training.leg_epochs")
"""Settings that model, dataset and fold say, or that change no result."""


@dataclass(frozen=True)
class Condition:
    """Runs that differ in their seed alone.

    Attributes:
        name: what sets them apart from the others: `lrate=0.003`.
        runs: how many there are.
        scored: how many of them have scores.
        zero_shot: the score of the base model, as a share.
        mean: of the runs' scores.
        spread: their standard deviation; None with fewer than two.
        interval: of the mean, over pages; None where pages were not counted.
        folders: of the runs.
    """

    name: str
    runs: int
    scored: int
    zero_shot: float | None
    mean: float | None
    spread: float | None
    interval: Interval | None
    folders: tuple[str, ...] = ()


class ConditionRecord(TypedDict):
    """The row of an experiment's table that a run is part of, for programs; shares, not percent."""

    question: str
    name: str
    side: Side
    runs: int
    scored: int
    mean: float | None
    sd: float | None  # over seeds
    low: float | None  # of the mean: the 95 % interval over pages
    high: float | None
    zero_shot: float | None
    zero_shot_low: float | None  # of a learning curve, whose first row the base model is
    zero_shot_high: float | None
    notes: list[str]  # below the table


@dataclass(frozen=True)
class Experiment:
    """What the runs of a question found.

    Attributes:
        question: its name.
        task: of the runs.
        side: of the split that the scores are of: validation as long as a test is sealed.
        conditions: in the order of their settings.
        curve: the conditions are numbers of training pages, and the first one is the base model.
        sentences: what a reader must know.
    """

    question: str
    task: str
    side: Side
    conditions: tuple[Condition, ...]
    curve: bool
    sentences: tuple[str, ...]

    @property
    def has_seeds(self) -> bool:
        """Whether a condition has runs with several seeds."""
        return any(one.spread is not None for one in self.conditions)


def experiments(rows: Sequence[ComparedRow]) -> Iterator[Experiment]:
    """The experiments among trainings of one task that have a table of their own; those without a name if they are one sweep."""
    questions: dict[str, list[ComparedRow]] = {}
    for row in rows:
        questions.setdefault(str(row["settings"].get("question", "default")), []).append(row)
    for question, alike in questions.items():
        if question == "default" and not set.intersection(*(set(row["sweeps"]) for row in alike)):
            continue
        if found := _experiment(question, alike):
            yield found


def condition_records(rows: Sequence[ComparedRow]) -> dict[str, ConditionRecord]:
    """The condition of each run that an experiment's table has, by the folder of the run; figures as people see them there."""
    tasks: dict[str, list[ComparedRow]] = {}
    for row in rows:
        if row["verb"] != "evaluate":
            tasks.setdefault(row["task"], []).append(row)
    return {
        folder: record for alike in tasks.values() for found in experiments(alike) for folder, record in _records(found)
    }


def _records(found: Experiment) -> Iterator[tuple[str, ConditionRecord]]:
    base = next((one for one in found.conditions if not one.runs), None)
    for one in found.conditions:
        record: ConditionRecord = {
            "question": found.question,
            "name": one.name,
            "side": found.side,
            "runs": one.runs,
            "scored": one.scored,
            "mean": one.mean,
            "sd": one.spread,
            "low": one.interval.low if one.interval else None,
            "high": one.interval.high if one.interval else None,
            "zero_shot": base.zero_shot if base else one.zero_shot,
            "zero_shot_low": base.interval.low if base and base.interval else None,
            "zero_shot_high": base.interval.high if base and base.interval else None,
            "notes": list(found.sentences),
        }
        yield from ((folder, record) for folder in one.folders)


def _experiment(question: str, rows: Sequence[ComparedRow]) -> Experiment | None:
    """The table of a question; None where it would say nothing that runs side by side do not say."""
    settings = {row["folder"]: _settings(row) for row in rows}
    keys = [key for key in differing(list(settings.values())) if key != "seed"]
    groups: dict[str, list[ComparedRow]] = {}
    for row in sorted(rows, key=lambda row: [_order(settings[row["folder"]].get(key)) for key in keys]):
        groups.setdefault(described(settings[row["folder"]], keys), []).append(row)
    if len(rows) == len(groups) and not {TRAIN_PAGES, "model", "fold"}.intersection(keys):
        return None
    scored = [row for row in rows if _is_scored(row)]
    side: Side = "test" if scored and all(row["test"] is not None for row in scored) else "validation"
    conditions = [_condition(name or "all runs", of, side) for name, of in groups.items()]
    curve = keys == [TRAIN_PAGES]
    if curve and (base := next((row for row in scored if _base(row, side) is not None), None)):
        interval = of_rate(by_unit(_pages(base, side, "base")))
        conditions.insert(0, Condition("zero-shot", 0, 0, _base(base, side), _base(base, side), None, interval))
    return Experiment(
        question, rows[0]["task"], side, tuple(conditions), curve, tuple(_sentences(rows, scored, side, keys))
    )


def _settings(row: ComparedRow) -> dict[str, Any]:
    """What can set a run apart, with model, data and fold as tables call them."""
    kept = {key: value for key, value in row["settings"].items() if not key.startswith(_SAID_OTHERWISE)}
    return kept | {"dataset": row["dataset"], "model": row["base_model"] or "none", "fold": row["fold"]}


def _order(value: Any) -> tuple[float, str]:
    """Numbers by their size, then words; nothing said comes last: it means all pages."""
    if isinstance(value, int | float):
        return float(value), ""
    return math.inf, "\U0010ffff" if value is None else str(value)


def _is_scored(row: RunRow) -> bool:
    return row["val_source"] == "rescored" or row["test"] is not None


def _condition(name: str, rows: Sequence[ComparedRow], side: Side) -> Condition:
    scored = [row for row in rows if _is_scored(row)]
    values = [value for row in scored if (value := figure(row, _key(side))) is not None]
    bases = [value for row in scored if (value := _base(row, side)) is not None]
    counts = by_unit(page for row in scored for page in _pages(row, side, "best"))
    return Condition(
        name=name,
        runs=len(rows),
        scored=len(values),
        zero_shot=statistics.fmean(bases) if bases else None,
        mean=statistics.fmean(values) if values else None,
        spread=statistics.stdev(values) if len(values) > 1 else None,
        interval=of_rate(counts),
        folders=tuple(row["folder"] for row in rows),
    )


def _key(side: Side) -> str:
    return "test" if side == "test" else "val"


def _base(row: RunRow, side: Side) -> float | None:
    return figure(row, f"base_{_key(side)}")


def _pages(row: RunRow, side: Side, model: str) -> list[tuple[str, Count]]:
    """The counts of a model's pages on one side of the split, each with its unit; none where they were not counted so."""
    scores = counted_figures({model: row["scores"][side].get(model)})
    return [
        (page.get("unit", page["page"]), Count(page["errors"], page["characters"]))
        for page in (scores["per_page"] if scores else ())
        if page.keys() >= {"page", "errors", "characters"}
    ]


def _sentences(
    rows: Sequence[ComparedRow], scored: Sequence[ComparedRow], side: Side, keys: Sequence[str]
) -> Iterator[str]:
    if missing := [f"{row['run']} ({row['state']})" for row in rows if not _is_scored(row)]:
        have = "has" if len(missing) == 1 else "have"
        yield f"{len(missing)} of {counted(len(rows), 'run')} {have} no scores: {first_of(missing, 3)}"
    if side == "validation" and scored:
        yield "these are validation scores: choose by them, and do not report them"
    if "fold" not in keys and len({row["test_digest"] for row in scored}) > 1:
        yield OTHER_TESTS
    if "fold" in keys:
        yield from _over_folds(scored, side)


OTHER_TESTS = (
    "these runs were scored on different test pages: figures of different pages do not compare, and a mean mixes them; "
    "`split=of_run split.run=RUN` keeps the pages of a run"
)
"""What stands below a table whose runs were not scored on the same pages, although no fold asked for that."""


def _over_folds(scored: Sequence[ComparedRow], side: Side) -> Iterator[str]:
    """The figure of all folds: each page is tested once, by a model that has not seen it."""
    of_fold: dict[str | None, list[float]] = {}
    for row in scored:
        if (value := figure(row, _key(side))) is not None:
            of_fold.setdefault(row["fold"], []).append(value)
    if len(of_fold) < 2:
        return
    means = [statistics.fmean(values) for values in of_fold.values()]
    counts = by_unit((f"{row['fold']}/{unit}", one) for row in scored for unit, one in _pages(row, side, "best"))
    interval = of_rate(counts)
    errors, units = sum(one.errors for one in counts), sum(one.units for one in counts)
    said = f"mean of {len(means)} folds {percent(statistics.fmean(means))}, standard deviation {percent(statistics.stdev(means))} from fold to fold"
    if units and interval:
        said += f"; of all their pages together {percent(errors / units)}, 95 % over pages {percent(interval.low)} to {percent(interval.high)}"
    yield said
