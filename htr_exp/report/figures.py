"""What a run gained in figures: over all pages, by document and by page; of the base model, and of the one that was trained."""

from __future__ import annotations

import math
import posixpath
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from htr_exp.core.task import RECOGNITION, SEGMENTATION, Column, Task
from htr_exp.core.text import counted, thousands
from htr_exp.runs.records import Figures

MOST = 1e9
"""A figure beyond it is none: somebody has edited the record."""

Scores = Mapping[str, Figures | None]
"""Model (base and best, or model) -> its figures on one side of the split."""


@dataclass(frozen=True)
class Model:
    """A model that was scored.

    Attributes:
        name: in records: base, best or model.
        word: for people.
    """

    name: str
    word: str


@dataclass(frozen=True)
class Gain:
    """A figure before and after training, with what it is made of.

    Attributes:
        heading: of the figure.
        values: of each model, the last one first in importance.
        better: whether it is better than before; None without a base model, or where both are equal.
        said: the counts, and how much fewer errors there are.
    """

    heading: str
    values: tuple[str, ...]
    better: bool | None
    said: tuple[str, ...]


@dataclass(frozen=True)
class Bar:
    """A figure of a page or a document.

    Attributes:
        text: for people.
        width: of its bar, percent of the longest one.
    """

    text: str
    width: float


@dataclass(frozen=True)
class Part:
    """A page, or a document, with the figure of each model."""

    name: str
    facts: tuple[str, ...]
    bars: tuple[Bar, ...]


def number(figures: Mapping[str, Any] | None, key: str) -> float | None:
    """A figure of a record; None where there is none, or something else than a number."""
    value = (figures or {}).get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or abs(value) > MOST:
        return None
    return float(value)


def models_of(scores: Scores, base_model: object) -> list[Model]:
    """The models that were scored on a side of the split, the base model first.

    Args:
        scores: of that side.
        base_model: what the training started from; None where it started from nothing.
    """
    trained = "fine-tuned" if base_model else "trained"
    every = (Model("model", "evaluated"), Model("base", "base"), Model("best", trained))
    return [one for one in every if isinstance(scores.get(one.name), dict)]


def gains(task: Task, scores: Scores, models: Sequence[Model]) -> list[Gain]:
    """What was gained on one side of the split, figure by figure."""
    found = []
    for place, column in enumerate(task.result_columns):
        values = [number(scores[model.name], column.key) for model in models]
        before, after = values[0], values[-1]
        gain = task.gain(before, after) if len(models) > 1 and before is not None and after is not None else 0.0
        said = [] if place else [one for one in (_counts(task, scores, models), _fewer(task, scores, models)) if one]
        found.append(Gain(column.heading, tuple(map(task.shown, values)), gain > 0 if gain else None, tuple(said)))
    return found


def _counts(task: Task, scores: Scores, models: Sequence[Model]) -> str:
    """The counts behind the score, before and after."""
    what, of = COUNTED[task]
    counts = [number(scores[model.name], what.key) for model in models]
    total = number(scores[models[-1].name], of.key)
    if any(count is None for count in counts) or total is None:
        return ""
    shown = f" {ARROW} ".join(thousands(count) for count in counts if count is not None)
    return f"{shown} {_of_how_many(task, counts[-1] if len(counts) == 1 else None, total)}"


def _of_how_many(task: Task, count: float | None, total: float) -> str:
    """What stands behind a count: `errors in 100 characters`."""
    what, of = COUNTED[task]
    heading = what.heading.replace("errors", "error") if count == 1 else what.heading
    noun = of.heading.replace("lines", "line").replace("characters", "character") if total == 1 else of.heading
    return f"{heading} {thousands(total)} {noun}"


def _fewer(task: Task, scores: Scores, models: Sequence[Model]) -> str:
    """How much fewer errors there are than before."""
    if task.higher_is_better or len(models) < 2:
        return ""
    before, after = (number(scores[models[place].name], COUNTED[task][0].key) for place in (0, -1))
    if not before or after is None or before == after:
        return ""
    share = round(100 * abs(before - after) / before)
    return f"{share} % {'fewer' if after < before else 'more'} errors"


ARROW = "\N{RIGHTWARDS ARROW}"

COUNTED: dict[Task, tuple[Column, Column]] = {
    RECOGNITION: (Column("errors in", "errors"), Column("characters", "characters")),
    SEGMENTATION: (Column("of", "lines_found"), Column("lines found", "lines")),
}
"""What is counted, and of how many, with the words before and after."""

DETAILS: dict[Task, tuple[Column, ...]] = {
    RECOGNITION: (Column("errors", "errors"), Column("characters", "characters")),
    SEGMENTATION: (
        Column("lines found", "lines_found"),
        Column("missed", "lines_missed"),
        Column("invented", "lines_invented"),
        Column("merged", "lines_merged"),
        Column("split", "lines_split"),
    ),
}
"""The counts in the table of both sides."""

SUMMED: dict[Task, tuple[str, str] | None] = {RECOGNITION: ("errors", "characters"), SEGMENTATION: None}
"""The counts of pages whose sums give the score of a document; None where there are none."""


def by_page(task: Task, scores: Scores, models: Sequence[Model]) -> list[Part]:
    """The score of each page, the worst first."""
    pages = {model.name: _per_page(scores[model.name]) for model in models}
    return _parts(task, pages, models, lambda one: _facts(task, one, ("lines",)))


def by_document(task: Task, scores: Scores, models: Sequence[Model]) -> list[Part]:
    """The score of each document, which is a folder of pages; none where all pages are of one, or their scores cannot be summed."""
    summed = SUMMED[task]
    if summed is None:
        return []
    documents: dict[str, dict[str, Figures]] = {}
    for model in models:
        found = documents.setdefault(model.name, {})
        for page, figures in _per_page(scores[model.name]).items():
            total = found.setdefault(
                posixpath.dirname(page) or "(no folder)", {"pages": 0, "lines": 0, **dict.fromkeys(summed, 0)}
            )
            for key in (*summed, "lines"):
                total[key] += number(figures, key) or 0
            total["pages"] += 1
    for found in documents.values():
        for total in found.values():
            total[task.score] = total[summed[0]] / total[summed[1]] if total[summed[1]] else None
    if len(documents.get(models[-1].name, {})) < 2:
        return []
    return _parts(task, documents, models, lambda one: _facts(task, one, ("pages", "lines")))


def by_column(task: Task, scores: Scores, models: Sequence[Model]) -> list[tuple[str, list[Part]]]:
    """The score of the pages of each value in each column of the table of pages; folders have `by_document`."""
    last = _by(scores[models[-1].name])
    found = []
    for column in sorted(last.keys() - {"folder"}):
        values = {model.name: _by(scores[model.name]).get(column, {}) for model in models}
        found.append((column, _parts(task, values, models, lambda one: _facts(task, one, ("pages", "lines")))))
    return found


def _by(figures: Figures | None) -> dict[str, dict[str, Figures]]:
    """Column -> value -> figures; nothing that is not as it should be."""
    by = (figures or {}).get("by")
    listed = {column: rows for column, rows in by.items() if isinstance(rows, list)} if isinstance(by, dict) else {}
    return {
        column: {str(one.get("value") or "(not said)"): one for one in rows if isinstance(one, dict)}
        for column, rows in listed.items()
    }


def _per_page(figures: Figures | None) -> dict[str, Figures]:
    listed = (figures or {}).get("per_page")
    rows = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    return {one["page"]: one for one in rows if isinstance(one.get("page"), str)}


def _facts(task: Task, figures: Figures, keys: Sequence[str]) -> tuple[str, ...]:
    counts = [(key, number(figures, key)) for key in keys if key != COUNTED[task][1].key]
    words = [counted(round(count), key.removesuffix("s")) for key, count in counts if count is not None]
    what, of = COUNTED[task]
    count, total = number(figures, what.key), number(figures, of.key)
    if count is not None and total is not None:
        words.append(f"{thousands(count)} {_of_how_many(task, count, total)}")
    return tuple(words)


def _parts(
    task: Task,
    found: Mapping[str, Mapping[str, Figures]],
    models: Sequence[Model],
    facts: Callable[[Figures], tuple[str, ...]],
) -> list[Part]:
    last = found[models[-1].name]
    values = {name: [number(found[model.name].get(name), task.score) for model in models] for name in last}
    longest = (
        1.0 if task.higher_is_better else max([v for of in values.values() for v in of if v is not None], default=0)
    )

    def bars(name: str) -> tuple[Bar, ...]:
        return tuple(Bar(task.shown(value), _width(value, longest)) for value in values[name])

    def badness(name: str) -> tuple[float, str]:
        value = values[name][-1]
        return (0.0 if value is None else value if task.higher_is_better else -value), name

    return [Part(name, facts(last[name]), bars(name)) for name in sorted(last, key=badness)]


def _width(value: float | None, longest: float) -> float:
    return round(100 * min(max(value or 0, 0) / longest, 1), 1) if longest else 0.0
