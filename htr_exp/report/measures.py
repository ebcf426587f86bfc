"""Every measure of a recognition on one side of the split, beside each other for each model, with its interval or share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from htr_exp.core.task import RECOGNITION, Task
from htr_exp.core.text import between, percent, thousands
from htr_exp.report.figures import Model, Scores, number

NOT_KNOWN = "not known"
"""What an older run has not counted."""


@dataclass(frozen=True)
class Measure:
    """A measure, and what it is of each model.

    Attributes:
        name: for people.
        said: what it counts, in a few words.
        cells: one for each model.
    """

    name: str
    said: str
    cells: tuple[str, ...]


RATES: dict[Task, tuple[tuple[str, str, str], ...]] = {
    RECOGNITION: (
        ("cer", "CER", "characters as they are read; several blanks count as one"),
        ("cer_raw", "raw CER", "code points, as ketos test counts them"),
        ("cer_nospace", "CER without blanks", "the characters of the CER but the blanks"),
        (
            "cer_folded",
            "CER after folding",
            "the characters of the CER, after what conventions write differently was made the same",
        ),
        ("wer", "WER", "words"),
    )
}
"""The rates of a task: key, name, and what is counted."""

PARTS = (
    (
        "cer_reading",
        "reading",
        "errors of the CER that are left where the reference follows the convention of the model",
    ),
    ("cer_convention", "convention", "errors of the CER that recur on other pages in most places, as per for ꝑ"),
)
"""The parts of the CER, where they were asked for: key, name, and what is counted."""

KINDS: dict[Task, tuple[tuple[str, str, str], ...]] = {
    RECOGNITION: (
        ("substitutions", "substitutions", "errors of the CER: a character was read as another one"),
        ("deletions", "deletions", "errors of the CER: a character was not read"),
        ("insertions", "insertions", "errors of the CER: a character was read where nothing is written"),
    )
}
"""The errors of the score by kind: key, name, and what is counted."""


def measures(task: Task, scores: Scores, models: Sequence[Model]) -> tuple[Measure, ...]:
    """The measures of one side of the split; none of a task that has no others than its score.

    Args:
        task: of the run.
        scores: of that side.
        models: that were scored on it.
    """
    figures = [scores[model.name] or {} for model in models]
    rates = [Measure(name, said, _cells(figures, key, _rate)) for key, name, said in RATES.get(task, ())]
    rates += [
        Measure(name, said, _cells(figures, key, _rate))
        for key, name, said in PARTS
        if any(key in one for one in figures)
    ]
    kinds = [Measure(name, said, _cells(figures, key, _kind)) for key, name, said in KINDS.get(task, ())]
    return (*rates, *kinds)


def _cells(figures: Sequence[Mapping[str, Any]], key: str, shown: Any) -> tuple[str, ...]:
    return tuple(NOT_KNOWN if number(one, key) is None else shown(one, key) for one in figures)


def _rate(figures: Mapping[str, Any], key: str) -> str:
    """A rate, with its interval if it has one."""
    low, high = number(figures, f"{key}_low"), number(figures, f"{key}_high")
    interval = "" if low is None or high is None else f" ({between(percent(low), percent(high))})"
    return f"{percent(number(figures, key))}{interval}"


def _kind(figures: Mapping[str, Any], key: str) -> str:
    """A count of errors, and which share of all it is."""
    count, total = number(figures, key) or 0.0, number(figures, "errors")
    return f"{thousands(count)} ({round(100 * count / total)} %)" if total else thousands(count)
