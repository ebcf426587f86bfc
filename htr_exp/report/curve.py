"""The curve of a training as coordinates of a drawing: the figure of each epoch on the validation pages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from htr_exp.core.task import Epoch, Task
from htr_exp.report.figures import MOST, number

WIDTH, HEIGHT = 900, 260
LEFT, RIGHT, TOP, BOTTOM = 64, 20, 16, 40
"""Room for the labels, in the same units."""

_FLAT = 1e-9  # a curve that rises less is a level line
_MARKERS = 150  # epochs that are few enough for a dot each


@dataclass(frozen=True)
class Tick:
    """A mark of an axis: where it is, and its number."""

    at: float
    label: str


@dataclass(frozen=True)
class Dot:
    """An epoch."""

    x: float
    y: float
    said: str


@dataclass(frozen=True)
class Curve:
    """A drawing of `WIDTH` by `HEIGHT` units.

    Attributes:
        line: the points of the curve, as SVG has them.
        dots: the epochs, where they are few enough.
        best: the chosen epoch; None where it is not among them.
        resumed: where the training was resumed after an interruption.
        across, up: the ticks of the axes.
    """

    line: str
    dots: tuple[Dot, ...]
    best: Dot | None
    resumed: tuple[float, ...]
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    label: str
    epochs: int


def curve_of(task: Task, epochs: Sequence[Epoch], best_epoch: object, resumed_at: Sequence[object]) -> Curve | None:
    """The curve of a training; None where no epoch has a figure.

    Args:
        task: of the run.
        epochs: the records of the curve; those without a finite figure are left out.
        best_epoch: as results.json has it.
        resumed_at: after how many epochs the training was resumed.
    """
    values: dict[int, float] = {}
    for record in epochs:
        value = number(record, task.curve_key)
        if value is not None and 1 <= record["epoch"] <= MOST:
            values[record["epoch"]] = value
    if not values:
        return None
    shown = sorted(values.items())
    first, last = shown[0][0], shown[-1][0]
    left, right = (first, last) if first < last else (first - 1, last + 1)  # a single epoch stands in the middle
    ticks = nice_ticks(min(values.values()), max(values.values()))
    low, high = ticks[0], ticks[-1]

    def x(epoch: float) -> float:
        return round(LEFT + (epoch - left) / (right - left) * (WIDTH - LEFT - RIGHT), 1)

    def y(value: float) -> float:
        return round(HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM), 1)

    dots = {
        epoch: Dot(x(epoch), y(value), f"epoch {epoch}: {task.curve_label} {task.shown(value)}")
        for epoch, value in shown
    }
    step = max(1, math.ceil((last - first) / 12))
    return Curve(
        line=" ".join(f"{dot.x},{dot.y}" for dot in dots.values()),
        dots=tuple(dots.values()) if len(dots) <= _MARKERS else (),
        best=dots.get(best_epoch) if isinstance(best_epoch, int) else None,
        resumed=tuple(x(done + 0.5) for done in resumed_at if isinstance(done, int) and first <= done + 0.5 <= last),
        across=tuple(Tick(x(epoch), str(epoch)) for epoch in range(first, last + 1, step)),
        up=tuple(Tick(y(value), _label(task, value)) for value in ticks),
        label=f"{task.curve_label} on the validation pages",
        epochs=len(shown),
    )


def nice_ticks(low: float, high: float) -> list[float]:
    """Round numbers, about five of them, that reach from below `low` to above `high`."""
    span = high - low
    rough = (span if span > _FLAT else max(abs(high), 1e-3)) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough)
    begin = math.floor(low / step)
    end = max(math.ceil(high / step), begin + 1)
    return [round(number * step, 12) for number in range(begin, end + 1)]


def _label(task: Task, value: float) -> str:
    return f"{value:.6g}" if task.higher_is_better else f"{100 * value:.6g} %"
