"""All that the report of a run shows, read from its folder alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from htr_exp.core.errors import HtrExpError
from htr_exp.core.html_page import jpeg_uri
from htr_exp.core.run_state import RunState
from htr_exp.core.task import END_TO_END, END_TO_END_COLUMNS, Task, task_of
from htr_exp.core.text import counted, percent, thousands
from htr_exp.report import figures
from htr_exp.report.curve import Curve, curve_of
from htr_exp.report.figures import Gain, Model, Part, Scores, number
from htr_exp.report.lines import (
    Confusion,
    Kind,
    ScoredLine,
    Stretch,
    kinds_of_errors,
    most_confused,
    reference_of,
    scored_lines,
    stretches,
    worst,
)
from htr_exp.report.measures import Measure, measures
from htr_exp.report.pictures import Key, Shown, kept_pictures
from htr_exp.report.record_table import record_table
from htr_exp.runs import resumptions
from htr_exp.runs.records import Provenance, Results, TestScored
from htr_exp.runs.remarks import Remark, remarks
from htr_exp.runs.rows import RunRow, row_of
from htr_exp.runs.run_dir import RunDir, StateRecord
from htr_exp.runs.status import RunStatus

SIDES = ("train", "validation", "test")
SCORED = ("test", "validation")
THUMBNAILS = 8
"""Pages of each side of the split that are shown."""
_OVERLAY = re.compile(r"\d+-(.*)-[a-z]+")
"""The name of such a picture's file: its place among the worst, the page, and which model found the lines."""
OVERLAY_BYTES = 2_600_000
"""Of the pictures of a segmentation that are shown, all together: the page is to be mailed."""

WHICH = {
    "test": "The test pages were not used to train or to choose the model: publish these scores, with their intervals.",
    "validation": "The validation pages chose the epoch that was kept: their scores are too good.",
}
SEALED = "The test is sealed: these are the scores of the validation pages, which chose the epoch that was kept. They are too good."
ONLY_VALIDATION = "There are no test pages: these are the scores of the validation pages, which chose the epoch that was kept. They are too good."
EVALUATED = "Nothing was trained: what was read on these pages was scored."

ENDED_BY = {
    "early": "it did not get better any more",
    "epochs": "all epochs were trained",
    "time_budget": "the time for it was over",
    "user": "it was stopped by its user",
}
"""A word of results.json -> why the training ended."""


class NoScoresError(HtrExpError):
    """A run of which there is nothing to show yet."""


@dataclass(frozen=True)
class Reading:
    """What a model read in a line."""

    word: str
    stretches: tuple[Stretch, ...]
    errors: int


@dataclass(frozen=True)
class LineShown:
    """One of the worst lines."""

    line: ScoredLine
    picture: Shown
    reference: tuple[Any, ...]
    readings: tuple[Reading, ...]


@dataclass(frozen=True)
class Lines:
    """What a recognition shows of its lines.

    Attributes:
        shown: the worst ones.
        wrong, total: lines with an error, and all.
        kinds: how many characters of each kind of error.
        confused: the confusions that were made most often, by model.
        cut: lines that are compared in part only.
    """

    shown: tuple[LineShown, ...]
    wrong: int
    total: int
    kinds: Mapping[Kind, int]
    confused: tuple[tuple[Model, tuple[Confusion, ...]], ...]
    cut: int


@dataclass(frozen=True)
class Overlay:
    """A picture of a page with what a segmentation found."""

    name: str
    uri: str


@dataclass(frozen=True)
class Side:
    """One side of the split.

    Attributes:
        shown: some of its pages with their thumbnails.
    """

    name: str
    pages: int
    lines: int
    shown: tuple[tuple[str, Shown], ...]


@dataclass(frozen=True)
class SideScores:
    """The scores of one side of the split."""

    side: str
    which: str
    models: tuple[Model, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Contents:
    """What is shown, from top to bottom."""

    name: str
    task: Task
    lead: str
    side: str
    which: str
    models: tuple[Model, ...]
    gains: tuple[Gain, ...]
    sizes: tuple[tuple[str, str], ...]
    columns: tuple[str, ...]
    scores: tuple[SideScores, ...]
    measures: tuple[Measure, ...]
    end_to_end: tuple[tuple[str, ...], ...]
    remarks: tuple[Remark, ...]
    curve: Curve | None
    ended: str
    documents: tuple[Part, ...]
    columns_of_table: tuple[tuple[str, list[Part]], ...]
    pages: tuple[Part, ...]
    lines: Lines | None
    overlays: tuple[Overlay, ...]
    overlays_left: int
    sides: tuple[Side, ...]
    has_pictures: bool
    facts: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]


def wanted_pictures(run: RunDir) -> list[Key]:
    """The pictures that a report shows, in the order of their pages; once there is results.json, sealed or not yet.

    Raises:
        BrokenRunError: the records of the run cannot be read.
    """
    results, facts, split = run.result() or Results(), run.facts(), _split(run)
    found: list[Key] = [(page["page"], None) for side in SIDES for page in split[side][:THUMBNAILS]]
    if task_of(facts["run"]["task"]).reads_text:
        side, models = _side_shown(
            {"test": results.get("test") or {}, "validation": results.get("validation") or {}}, facts["model"]
        )
        if models:
            name = models[-1].name
            found += [(one.page, one.line) for one in worst(scored_lines(run, side, [name]), name)]
    return sorted(set(found), key=lambda key: (key[0], key[1] or ""))


def contents(run: RunDir) -> Contents:
    """Read what the report of a run shows.

    Raises:
        NoScoresError: it has no scores yet.
        BrokenRunError: its records cannot be read.
    """
    results, facts = run.final_result(), run.facts()
    if results is None:
        raise NoScoresError(f"{run.name} has no scores yet ({run.state().state}), so there is nothing to show")
    row, task, split = _row(run, results), task_of(facts["run"]["task"]), _split(run)
    side, models = _side_shown(row["scores"], row["base_model"])
    pictures = kept_pictures(run)
    overlays, left = _overlays(run) if task.learns_layout else ((), 0)
    evaluates = row["verb"] == "evaluate"
    return Contents(
        name=str(facts["run"].get("name") or run.name),
        task=task,
        lead=_lead(row, facts, evaluates),
        side=side,
        which=EVALUATED if evaluates else WHICH["test"] if side == "test" else _no_test(row),
        models=tuple(models),
        gains=tuple(figures.gains(task, row["scores"][side], models)),
        sizes=_sizes(row, side, models),
        columns=tuple(column.heading for column in (*task.result_columns, *figures.DETAILS[task])),
        scores=tuple(_side_scores(task, row, one) for one in SCORED if any(row["scores"][one].values())),
        measures=measures(task, row["scores"][side], models),
        end_to_end=tuple(_end_to_end(results)),
        remarks=tuple(_remarks(row, results)),
        curve=None if evaluates else curve_of(task, run.epochs(), results.get("best_epoch"), row["resumed_at"]),
        ended=_ended(results, row),
        documents=tuple(figures.by_document(task, row["scores"][side], models)) if models else (),
        columns_of_table=tuple(figures.by_column(task, row["scores"][side], models)) if models else (),
        pages=tuple(figures.by_page(task, row["scores"][side], models)) if models else (),
        lines=_lines(run, side, models, pictures) if task.reads_text and models else None,
        overlays=overlays,
        overlays_left=left,
        sides=tuple(_side(name, split[name], pictures) for name in SIDES if split[name]),
        has_pictures=bool(pictures),
        facts=tuple(record_table(row, facts, results, run.epochs())),
        warnings=tuple(str(one) for one in facts.get("warnings") or ()),
    )


def _no_test(row: RunRow) -> str:
    return SEALED if row["test_sealed"] else ONLY_VALIDATION


def _row(run: RunDir, results: Results) -> RunRow:
    """The run's row as its folder alone says it: how often the test was scored when it ended, and nothing of its state now."""
    row = row_of(run, RunStatus(StateRecord(RunState.DONE)))
    then: TestScored = results.get("test_scored") or TestScored(times=0, runs=0, in_part=0, incomplete=False)
    row["test_scored"], row["test_scored_runs"] = then.get("times", 0), then.get("runs", 0)
    row["test_scored_in_part"], row["test_scored_incomplete"] = then.get("in_part", 0), then.get("incomplete", False)
    row["test_opened"] = then.get("opened", 0)
    return row


def _split(run: RunDir) -> dict[str, list[dict[str, Any]]]:
    """The pages of each side of the split, by name."""
    values = run.needed(run.split)
    sides = {side: values.get(side) or [] for side in SIDES}
    there = {
        side: [page for page in pages if isinstance(page, dict) and isinstance(page.get("page"), str)]
        for side, pages in sides.items()
        if isinstance(pages, list)
    }
    return {side: sorted(there.get(side, []), key=lambda page: page["page"]) for side in SIDES}


def _side_shown(scores: Mapping[str, Scores], base_model: object) -> tuple[str, list[Model]]:
    """The side of the split that stands for a run, and the models that were scored on it."""
    for side in SCORED:
        if models := figures.models_of(scores[side], base_model):
            return side, models
    return "test", []


def _lead(row: RunRow, facts: Provenance, evaluates: bool) -> str:
    data = f"on {facts['dataset']['name']}"
    if evaluates:
        return f"{row['task'].capitalize()}: {row['base_model'] or 'a model'} was scored {data}."
    if row["base_model"]:
        return f"{row['task'].capitalize()}: {row['base_model']} was fine-tuned {data}."
    return f"{row['task'].capitalize()}: a model was trained from scratch {data}."


def _sizes(row: RunRow, side: str, models: Sequence[Model]) -> tuple[tuple[str, str], ...]:
    """On how much the scores rest."""
    scores = row["scores"][side].get(models[-1].name) if models else None
    counts = [(number(scores, key), key) for key in ("pages", "lines")]
    return tuple(
        (thousands(count), f"{side} {key if count != 1 else key[:-1]}") for count, key in counts if count is not None
    )


def _side_scores(task: Task, row: RunRow, side: str) -> SideScores:
    models = figures.models_of(row["scores"][side], row["base_model"])

    def cells(model: Model) -> tuple[str, ...]:
        scores = row["scores"][side][model.name]
        shown = [task.shown(number(scores, column.key)) for column in task.result_columns]
        counts = [number(scores, column.key) for column in figures.DETAILS[task]]
        return (model.word, *shown, *("-" if count is None else thousands(count) for count in counts))

    which = EVALUATED if row["verb"] == "evaluate" else WHICH[side]
    return SideScores(side, which, tuple(models), tuple(map(cells, models)))


def _end_to_end(results: Results) -> Iterable[tuple[str, ...]]:
    """How much of the error comes from the segmentation, how much from reading."""
    for name, label in END_TO_END.items():
        if (scores := (results.get("end_to_end") or {}).get(name)) is not None:
            yield label, *(percent(number(scores, column.key)) for column in END_TO_END_COLUMNS)


def _remarks(row: RunRow, results: Results) -> Iterable[Remark]:
    yield from remarks(row, at_end=True)
    if row["resumed_at"]:
        yield Remark(f"resumed at epoch {resumptions.shown(row)}, after an interruption", "fact")
    if row["fallback"]:
        yield Remark(f"{row['fallback']}: kraken {row['kraken']} of {row['runtime']} instead", "fact")
    if row["excluded_pages"]:
        yield Remark(f"{counted(row['excluded_pages'], 'page')} excluded from the ground truth by its user", "fact")
    if results.get("ended_by") == "user":
        yield Remark("the training was stopped by its user before its end", "doubt")


def _ended(results: Results, row: RunRow) -> str:
    best, epochs = results.get("best_epoch"), results.get("epochs") or row["epoch"]
    words = [f"Epoch {best} of {epochs} was kept"] if best is not None and epochs else []
    if why := ENDED_BY.get(str(results.get("ended_by"))):
        words.append(f"the training ended because {why}" if words else f"The training ended because {why}")
    return f"{'; '.join(words)}." if words else ""


def _lines(run: RunDir, side: str, models: Sequence[Model], pictures: Mapping[Key, Shown]) -> Lines:
    names = [model.name for model in models]
    lines = scored_lines(run, side, names)
    last = models[-1].name
    every = worst(lines, last, len(lines))

    def shown(line: ScoredLine) -> LineShown:
        readings = tuple(
            Reading(
                model.word, tuple(stretches(steps := line.readings[model.name])), sum(one.is_error for one in steps)
            )
            for model in models
        )
        return LineShown(
            line, pictures.get((line.page, line.line), Shown()), reference_of(line.readings[last]), readings
        )

    return Lines(
        shown=tuple(shown(line) for line in worst(lines, last)),
        wrong=len(every),
        total=len(lines),
        kinds=kinds_of_errors(lines, last),
        confused=tuple((model, tuple(most_confused(lines, names, model.name))) for model in reversed(models)),
        cut=sum(line.is_cut for line in lines),
    )


def _overlays(run: RunDir) -> tuple[tuple[Overlay, ...], int]:
    """As many of the pictures of a segmentation as there is room for, the worst page first, and how many are left."""
    found, room = [], OVERLAY_BYTES
    files = sorted(run.overlays.glob("*.jpg"))
    for path in files:
        data = path.read_bytes() if path.stat().st_size <= room else b""
        if not data.startswith(b"\xff\xd8\xff"):
            continue
        room -= len(data)
        found.append(Overlay(_OVERLAY.sub(r"\1", path.stem), jpeg_uri(data)))
    return tuple(found), len(files) - len(found)


def _side(name: str, pages: Sequence[Mapping[str, Any]], pictures: Mapping[Key, Shown]) -> Side:
    lines = sum(int(number(page, "lines") or 0) for page in pages)
    shown = tuple((page["page"], pictures.get((page["page"], None), Shown())) for page in pages[:THUMBNAILS])
    return Side(name, len(pages), lines, shown)
