"""What the learning curve of an experiment promises, in words and for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from htr_exp.core.task import Task
from htr_exp.core.text import between, counted, joined
from htr_exp.scoring.forecast import LEVEL, Forecast, of_curve, why_not

NAMES = {2: "twice", 4: "four times"}


def forecast(task: Task, rates: Mapping[int, float]) -> tuple[list[Forecast], str]:
    """The forecast of a learning curve, none where it cannot be made, and a sentence that says so.

    Args:
        task: of the runs.
        rates: pages to train on -> mean score over seeds.
    """
    why = f"it is made of error rates, not of the {task.score_label}" if task.higher_is_better else why_not(rates)
    if why:
        return [], f"no forecast with more pages: {why}"
    found = of_curve(rates)
    largest = max(rates)
    said = joined([f"{NAMES[one.times]} the pages ({one.pages}) {_shown(task, one)}" for one in found])
    better = "clearly better" if is_clearly_better(found, rates[largest]) else "not clearly better"
    return found, (
        f"forecast ({100 * LEVEL:.0f} % intervals, on the same test pages): {said}. That is {better} than "
        f"{task.shown(rates[largest])} with {counted(largest, 'page')}"
    )


def is_clearly_better(found: Sequence[Forecast], now: float) -> bool:
    """Whether each interval lies below the rate that there is now."""
    return all(one.interval.high < now for one in found)


def as_record(found: Sequence[Forecast], said: str) -> dict[str, Any]:
    """A forecast as `--json` has it."""
    points = [
        {"pages": one.pages, "cer": one.rate, "cer_low": one.interval.low, "cer_high": one.interval.high}
        for one in found
    ]
    return {"level": LEVEL, "points": points, "said": said}


def _shown(task: Task, one: Forecast) -> str:
    return f"{task.shown(one.rate)} ({between(task.shown(one.interval.low), task.shown(one.interval.high))})"
