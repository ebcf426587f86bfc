"""The curve of a training as a drawing."""

from __future__ import annotations

from typing import Any

import pytest

from htr_exp.core.task import RECOGNITION, SEGMENTATION
from htr_exp.report import curve
from htr_exp.report.curve import curve_of, nice_ticks


def epochs(*values: Any, key: str = "val_cer") -> list[Any]:
    return [{"epoch": number, key: value, "seconds": 1.0, "time": ""} for number, value in enumerate(values, 1)]


def test_the_curve_goes_from_left_to_right_and_from_the_first_tick_to_the_last() -> None:
    found = curve_of(RECOGNITION, epochs(0.4, 0.2, 0.1), 3, [1])
    assert found is not None
    assert [tick.label for tick in found.up] == ["10 %", "20 %", "30 %", "40 %"]
    assert [tick.label for tick in found.across] == ["1", "2", "3"]
    top, bottom = curve.TOP, curve.HEIGHT - curve.BOTTOM
    middle = (curve.LEFT + curve.WIDTH - curve.RIGHT) / 2
    assert found.line == (
        f"{curve.LEFT}.0,{top}.0 {middle},{bottom - (bottom - top) / 3:.1f} {curve.WIDTH - curve.RIGHT}.0,{bottom}.0"
    )
    assert (found.best, found.best.said) == (found.dots[2], "epoch 3: CER 10.00 %")
    assert found.resumed == (curve.LEFT + 0.25 * (curve.WIDTH - curve.RIGHT - curve.LEFT),)


def test_a_single_epoch_stands_in_the_middle_and_there_is_no_second() -> None:
    found = curve_of(RECOGNITION, epochs(0.4), 1, [])
    assert found is not None
    assert [(tick.at, tick.label) for tick in found.across] == [((curve.LEFT + curve.WIDTH - curve.RIGHT) / 2, "1")]
    assert found.best == found.dots[0]


def test_a_segmentation_has_its_own_figure() -> None:
    found = curve_of(SEGMENTATION, epochs(0.5, 0.75, key="val_mean_iu"), 2, [])
    assert found is not None
    assert [dot.said for dot in found.dots] == ["epoch 1: mean IoU 0.5000", "epoch 2: mean IoU 0.7500"]


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.1, 0.4, [0.1, 0.2, 0.3, 0.4]),
        (0.0, 0.0, [0.0, 0.00025]),
        (0.5, 0.5, [0.4, 0.6]),
        (3.1, 250.0, [0.0, 100.0, 200.0, 300.0]),
    ],
)
def test_ticks_are_round_and_around_the_curve(low: float, high: float, ticks: list[float]) -> None:
    assert nice_ticks(low, high) == pytest.approx(ticks)


@pytest.mark.parametrize("values", [[], [None], [float("nan")], [float("inf")], ["0.1"], [True], [10**30]])
def test_without_a_figure_there_is_no_curve(values: list[Any]) -> None:
    assert curve_of(RECOGNITION, epochs(*values), 0, []) is None


@pytest.mark.parametrize(
    ("values", "best", "resumed"),
    [([0.5], 0, [0, 1]), ([0.5, 0.5], 99, ["x", -1, 10**12]), ([1e-320, 2e-320], 0, []), ([-5e8, 5e8], None, [1]), ([5e8, 5e8 + 1e-6], 0, [])],
)  # fmt: skip
def test_odd_curves_are_drawn_within_the_frame(values: list[float], best: Any, resumed: list[Any]) -> None:
    found = curve_of(RECOGNITION, epochs(*values), best, resumed)
    assert found is not None
    assert all(curve.LEFT <= dot.x <= curve.WIDTH and 0 <= dot.y <= curve.HEIGHT for dot in found.dots)
    assert all(curve.LEFT <= at <= curve.WIDTH for at in found.resumed)
    assert 2 <= len(found.up) <= 9


def test_a_long_training_has_a_line_without_dots() -> None:
    found = curve_of(RECOGNITION, epochs(*[0.3 - n / 10_000 for n in range(2000)]), 2000, [])
    assert found is not None
    assert found.dots == ()
    assert found.best is not None
    assert len(found.across) <= 13
