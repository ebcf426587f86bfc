"""The table that a paper prints of an experiment: runs that differ in their seed alone are one row, with two kinds of spread.

Rows are what was tried, columns are what it was tested on: one test for trainings, several where models are only scored.

Other seeds give another model, other pages another score. The first is the spread of the runs, the second the interval over
pages. They answer different questions, and are never added or mixed.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from htr_exp.core.task import task_of
from htr_exp.core.text import counted, first_of, percent
from htr_exp.runs import forecasts, reading_part, told_apart
from htr_exp.runs.experiment_cells import Measured, Side, base_of, is_scored, key_of, measured, pages_of, shown_model
from htr_exp.runs.rows import ComparedRow, RunRow, compared_on, figure
from htr_exp.runs.sweep_points import described, differing
from htr_exp.scoring.forecast import Forecast
from htr_exp.scoring.intervals import by_unit, of_rate

TRAIN_PAGES = "split.train_pages"

_SAID_OTHERWISE = ("model.", "dataset.", "architecture.", "split.fold", "scores.test", "training.leg_epochs")
"""Settings that model, dataset, architecture and fold say, or that change no result."""

_OF_TABLES = {TRAIN_PAGES, "model", "fold", "architecture"}
"""What has a table also where nobody gave the question a name."""


class ConditionRecord(TypedDict):
    """The row of an experiment's table that a run is part of, for programs; shares, not percent."""

    question: str
    name: str
    test: str  # of a matrix: the name of its column; "" where there is one test
    side: Side
    runs: int
    scored: int
    mean: float | None
    sd: float | None  # over seeds
    low: float | None  # of the mean: the 95 % interval over pages
    high: float | None
    reading: float | None  # of the mean, with scores.convention_share
    reading_low: float | None  # of a single run
    reading_high: float | None
    zero_shot: float | None
    zero_shot_reading: float | None
    zero_shot_low: float | None  # of a learning curve, whose first row the base model is
    zero_shot_high: float | None
    forecast: dict[str, Any] | None  # of a learning curve, with more pages
    notes: list[str]  # below the table


@dataclass(frozen=True)
class Condition:
    """Runs that differ in their seed alone, and in what they are tested on.

    Attributes:
        name: what sets them apart from the others: `lrate=0.003`.
        on: what they have on each test of the experiment; None where there is no run.
    """

    name: str
    on: tuple[Measured | None, ...]

    @property
    def only(self) -> Measured:
        """What they have, where there is one test."""
        return next(one for one in self.on if one is not None)


@dataclass(frozen=True)
class Experiment:
    """What the runs of a question found.

    Attributes:
        question: its name.
        task: of the runs.
        evaluated: models are only scored, and nothing has a seed.
        side: of the split that the scores are of: validation as long as a test is sealed.
        tests: the names of what was tested on; "" of a single one.
        conditions: in the order of their settings; each with its figures on each test.
        curve: the conditions are numbers of training pages, and the first one is the base model.
        forecast: of a curve, with more pages; none where it cannot be made.
        sentences: what a reader must know; of a curve the last one says its forecast, or why there is none.
    """

    question: str
    task: str
    evaluated: bool
    side: Side
    tests: tuple[str, ...]
    conditions: tuple[Condition, ...]
    curve: bool
    forecast: tuple[Forecast, ...]
    sentences: tuple[str, ...]

    @property
    def is_matrix(self) -> bool:
        """Whether there are several tests."""
        return len(self.tests) > 1

    @property
    def measured(self) -> list[Measured]:
        """All cells that have runs."""
        return [cell for one in self.conditions for cell in one.on if cell is not None]

    @property
    def has_seeds(self) -> bool:
        """Whether a condition has runs with several seeds."""
        return any(one.spread is not None for one in self.measured)


def experiments(rows: Sequence[ComparedRow]) -> Iterator[Experiment]:
    """The experiments among runs of one task that have a table of their own; those without a name if they are one sweep."""
    questions: dict[tuple[str, bool], list[ComparedRow]] = {}
    for row in rows:
        evaluated = row["verb"] == "evaluate"
        questions.setdefault((str(row["settings"].get("question", "default")), evaluated), []).append(row)
    for (question, _), alike in questions.items():
        if question == "default" and not set.intersection(*(set(row["sweeps"]) for row in alike)):
            continue
        if found := _experiment(question, alike):
            yield found


def condition_records(rows: Sequence[ComparedRow]) -> dict[str, ConditionRecord]:
    """The condition of each run that an experiment's table has, by the folder of the run; figures as people see them there."""
    tasks: dict[str, list[ComparedRow]] = {}
    for row in rows:
        tasks.setdefault(row["task"], []).append(row)
    return {
        folder: record for alike in tasks.values() for found in experiments(alike) for folder, record in _records(found)
    }


def _records(found: Experiment) -> Iterator[tuple[str, ConditionRecord]]:
    base = next((one for one in found.measured if not one.runs), None)
    for condition in found.conditions:
        for test, one in zip(found.tests, condition.on):
            if one is None:
                continue
            record: ConditionRecord = {
                "question": found.question,
                "name": condition.name,
                "test": test,
                "side": found.side,
                "runs": one.runs,
                "scored": one.scored,
                "mean": one.mean,
                "sd": one.spread,
                "low": one.interval.low if one.interval else None,
                "high": one.interval.high if one.interval else None,
                "reading": one.reading,
                "reading_low": one.reading_interval.low if one.reading_interval else None,
                "reading_high": one.reading_interval.high if one.reading_interval else None,
                "zero_shot_reading": base.reading if base else one.zero_shot_reading,
                "zero_shot": base.zero_shot if base else one.zero_shot,
                "zero_shot_low": base.interval.low if base and base.interval else None,
                "zero_shot_high": base.interval.high if base and base.interval else None,
                "forecast": forecasts.as_record(found.forecast, found.sentences[-1]) if found.curve else None,
                "notes": list(found.sentences),
            }
            yield from ((folder, record) for folder in one.folders)


def _experiment(question: str, rows: Sequence[ComparedRow]) -> Experiment | None:
    """The table of a question; None where it would say nothing that runs side by side do not say."""
    evaluated = rows[0]["verb"] == "evaluate"
    settings = {row["folder"]: _settings(row, evaluated=evaluated) for row in rows}
    keys = [key for key in differing(list(settings.values())) if key != "seed"]
    tests = _tests(rows) if evaluated else {}
    groups: dict[str, list[ComparedRow]] = {}
    for row in sorted(rows, key=lambda row: [_order(settings[row["folder"]].get(key)) for key in keys]):
        groups.setdefault(described(settings[row["folder"]], keys), []).append(row)
    one_each = len(rows) == len(groups) and not (question != "default" and len(rows) > 1)
    if len(tests) < 2 and one_each and not _OF_TABLES.intersection(keys):
        return None
    scored = [row for row in rows if is_scored(row)]
    side: Side = "test" if scored and all(row["test"] is not None for row in scored) else "validation"
    told = told_apart.groups(rows) if len(tests) > 1 else {}
    columns = list(tests) if len(tests) > 1 else [None]
    conditions = [
        Condition(name or "all runs", tuple(measured(of, side, test, told) for test in columns))
        for name, of in groups.items()
    ]
    curve = keys == [TRAIN_PAGES]
    rates = _rates(groups.values(), conditions) if curve else {}
    if curve and (base := next((row for row in scored if base_of(row, side) is not None), None)):
        interval = of_rate(by_unit(pages_of(base, side, "base")))
        zero_shot = base_of(base, side)
        reading = reading_part.of_model(base, side, "base")
        zero = Measured(0, 0, zero_shot, zero_shot, None, interval, reading=reading)
        conditions.insert(0, Condition("zero-shot", (zero,)))
    said = list(_sentences(rows, scored, side, keys))
    said += _evaluated_again(conditions) if evaluated else [ONE_SEED] * _has_one_seed_each(conditions, keys)
    if told:
        said.append(told_apart.said(rows, told))
    names = tuple(tests.values()) if len(tests) > 1 else ("",)
    promised: list[Forecast] = []
    if curve:
        promised, of_more = forecasts.forecast(task_of(rows[0]["task"]), rates)
        said.append(of_more)
    return Experiment(
        question, rows[0]["task"], evaluated, side, names, tuple(conditions), curve, tuple(promised), tuple(said)
    )


def _rates(groups: Iterable[Sequence[ComparedRow]], conditions: Iterable[Condition]) -> dict[int, float]:
    """Pages to train on -> the mean score; runs on all pages are left out, since their settings do not say how many these are."""
    found: dict[int, float] = {}
    for rows, condition in zip(groups, conditions):
        pages, mean = rows[0]["settings"].get(TRAIN_PAGES), condition.only.mean
        if isinstance(pages, int) and mean is not None:
            found[pages] = mean
    return found


def _tests(rows: Sequence[ComparedRow]) -> dict[str, str]:
    """What evaluations were scored on -> how a table calls it: the dataset, with the digest of the pages where others share its name."""
    datasets = {compared_on(row): row["dataset"] for row in rows}
    shared = [name for name, times in Counter(datasets.values()).items() if times > 1]
    named = {test: f"{name} ({test[:8]})" if name in shared else name for test, name in datasets.items()}
    return dict(sorted(named.items(), key=lambda one: one[1]))


def _settings(row: ComparedRow, *, evaluated: bool) -> dict[str, Any]:
    """What can set a run apart, with model, data, network and fold as tables call them; what an evaluation is scored on is a column."""
    kept = {key: value for key, value in row["settings"].items() if not key.startswith(_SAID_OTHERWISE)}
    if evaluated:
        return {key: value for key, value in kept.items() if key != "seed"} | {"model": _model(row)}
    used = {"dataset": row["dataset"], "model": row["base_model"] or "none", "fold": row["fold"]}
    if row["base_model"] is None:
        used["architecture"] = row["settings"].get("architecture.name") or row["settings"].get("architecture.spec")
    return kept | used


def _model(row: ComparedRow) -> str:
    """The evaluated model: by its file where it has no name but the one that each run gives its model."""
    path = row["settings"].get("model.path")
    return str(path) if path and row["base_model"] == "best" else str(row["base_model"])


def _order(value: Any) -> tuple[float, str]:
    """Numbers by their size, then words; nothing said comes last: it means all pages."""
    if isinstance(value, int | float):
        return float(value), ""
    return math.inf, "\U0010ffff" if value is None else str(value)


def _sentences(
    rows: Sequence[ComparedRow], scored: Sequence[ComparedRow], side: Side, keys: Sequence[str]
) -> Iterator[str]:
    if missing := [f"{row['run']} ({_why_not_scored(row)})" for row in rows if not is_scored(row)]:
        yield f"{len(missing)} of {counted(len(rows), 'run')} {_have(missing)} no scores: {first_of(missing, 3)}"
    if leaky := [f"{row['run']} ({', '.join(row['leakage'])})" for row in scored if row["leakage"]]:
        yield f"with accepted leaks: {first_of(leaky, 3)}"
    if side == "validation" and scored:
        lacking = [f"{row['run']} ({_why_no_test(row)})" for row in scored if row["test"] is None]
        if len(lacking) < len(scored):
            yield (
                f"{len(lacking)} of {counted(len(scored), 'run')} {_have(lacking)} no test score, so that all figures are of "
                f"the validation pages: {first_of(lacking, 3)}"
            )
        yield "these are validation scores: choose by them, and do not report them"
    yield from reading_part.sentences(scored, side)
    if rows[0]["verb"] == "evaluate":
        return  # each test has rows of its own, and nothing has a seed
    if "fold" in keys:
        yield from _over_folds(scored, side)
    elif len({row["test_digest"] for row in scored}) > 1:
        yield OTHER_TESTS
    if not keys and (placebo := told_apart.placebo([by_unit(pages_of(row, side, shown_model(row))) for row in scored])):
        yield str(placebo)


def _have(runs: Sequence[str]) -> str:
    return "has" if len(runs) == 1 else "have"


def _why_not_scored(row: RunRow) -> str:
    return "no number in its results.json" if row["state"].has_scores else str(row["state"])


def _why_no_test(row: RunRow) -> str:
    if row["test_sealed"]:
        return "its test is sealed"
    return "no number in its results.json" if row["test_digest"] else "it has no test pages"


def _has_one_seed_each(conditions: Sequence[Condition], keys: Sequence[str]) -> bool:
    trained = [one.only for one in conditions if one.only.runs]
    return len(trained) > 1 and "fold" not in keys and all(one.scored < 2 for one in trained)


ONE_SEED = "one seed each: how far runs of other seeds lie apart is not known, and a difference between two rows may be as small as that"
"""What stands below a table of trainings each of which was done once."""


def _evaluated_again(conditions: Iterable[Condition]) -> Iterator[str]:
    """That a cell is a mean: of evaluations of one model on one test, as of corrected predictions of a system."""
    for cell in (cell for condition in conditions for cell in condition.on if cell is not None and cell.scored > 1):
        runs = first_of([Path(folder).name for folder in cell.folders], 3)
        yield f"{counted(cell.scored, 'evaluation')} of one model on one test are one cell, their mean: {runs}"


OTHER_TESTS = (
    "these runs were scored on different test pages: figures of different pages do not compare, and a mean mixes them; "
    "`split=of_run split.run=RUN` keeps the pages of a run"
)
"""What stands below a table whose runs were not scored on the same pages, although no fold asked for that."""


def _over_folds(scored: Sequence[ComparedRow], side: Side) -> Iterator[str]:
    """The figure of all folds: each page is tested once, by a model that has not seen it."""
    of_fold: dict[str | None, list[float]] = {}
    for row in scored:
        if (value := figure(row, key_of(side))) is not None:
            of_fold.setdefault(row["fold"], []).append(value)
    if len(of_fold) < 2:
        return
    means = [statistics.fmean(values) for values in of_fold.values()]
    counts = by_unit((f"{row['fold']}/{unit}", one) for row in scored for unit, one in pages_of(row, side, "best"))
    interval = of_rate(counts)
    errors, units = sum(one.errors for one in counts), sum(one.units for one in counts)
    said = f"mean of {len(means)} folds {percent(statistics.fmean(means))}, standard deviation {percent(statistics.stdev(means))} from fold to fold"
    if units and interval:
        said += f"; of all their pages together {percent(errors / units)}, 95 % over pages {percent(interval.low)} to {percent(interval.high)}"
    yield said
