"""What recognition and segmentation make of the figures of an epoch, and of scores."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from htr_exp.core.task import RECOGNITION, SEGMENTATION, Task, task_of

READ: list[Any] = [
    {"epoch": 0, "val_cer": 0.3, "errors": 30},
    {"epoch": 1, "val_cer": 0.1, "errors": 10},
    {"epoch": 2, "val_cer": 0.1, "errors": 10},
]
FOUND: list[Any] = [
    {"epoch": 0, "val_mean_iu": 0.4, "val_bl_f1": 0.9},
    {"epoch": 1, "val_mean_iu": 0.7, "val_bl_f1": 0.5},
    {"epoch": 2, "val_mean_iu": 0.7, "val_bl_f1": 0.6},
]


@pytest.mark.parametrize(("task", "records"), [(RECOGNITION, READ), (SEGMENTATION, FOUND)], ids=str)
def test_of_equal_epochs_the_earliest_is_best(task: Task, records: list[Any]) -> None:
    assert task.best_of(records[::-1])["epoch"] == 1
    assert task.best_of(records)["epoch"] == 1


def test_the_best_figure_of_a_curve_is_the_smallest_error_rate_or_the_greatest_mean_iou() -> None:
    assert (RECOGNITION.best_value(READ), SEGMENTATION.best_value(FOUND)) == (0.1, 0.7)
    assert RECOGNITION.best_value([]) is SEGMENTATION.best_value([]) is None
    assert RECOGNITION.best_value([{"epoch": 0}]) is None


def test_what_kraken_keeps_of_an_epoch_is_an_accuracy() -> None:
    assert RECOGNITION.accuracy(READ[0]) == pytest.approx(0.7)
    assert SEGMENTATION.accuracy(FOUND[0]) == pytest.approx(0.4)


def test_more_epochs_are_kept_by_how_well_they_find_lines_where_kraken_says_so() -> None:
    assert [RECOGNITION.candidate_loss(record) for record in READ] == [30, 10, 10]
    assert min(FOUND, key=SEGMENTATION.candidate_loss)["epoch"] == 0
    older: list[Any] = [{key: value for key, value in record.items() if key != "val_bl_f1"} for record in FOUND]
    assert min(older, key=SEGMENTATION.candidate_loss)["epoch"] == 1


def test_a_gain_is_positive_where_a_score_became_better() -> None:
    assert RECOGNITION.gain(0.3, 0.1) == pytest.approx(0.2)
    assert SEGMENTATION.gain(0.3, 0.1) == pytest.approx(-0.2)


def test_people_see_error_rates_in_percent() -> None:
    assert [RECOGNITION.shown(value) for value in (0.12345, None)] == ["12.35 %", "-"]
    assert [SEGMENTATION.shown(value) for value in (0.12345, None)] == ["0.1235", "-"]
    assert [SEGMENTATION.label(figure) for figure in ("line_f1", "mean_iu")] == ["line F1", "mean IoU"]


@pytest.mark.parametrize("task", [RECOGNITION, SEGMENTATION], ids=str)
def test_a_task_is_one_object_in_every_process(task: Task) -> None:
    assert pickle.loads(pickle.dumps(task)) is task
    assert task_of(str(task)) is task


def test_the_columns_of_status_say_which_figure_they_show() -> None:
    assert RECOGNITION.status_columns == {"val CER": ("val", "cer"), "test CER": ("test", "cer")}
    assert SEGMENTATION.status_columns == {
        "val mean IoU": ("val", "mean_iu"), "val line F1": ("val", "line_f1"), "test line F1": ("test", "line_f1"),
    }  # fmt: skip
