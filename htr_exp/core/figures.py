"""The curve of a training: one record an epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from htr_exp.core.task import FIGURES, Task

Record = dict[str, Any]


def loss(record: Record) -> float:
    """Return what is to be as small as possible: errors of recognition, what a segmentation lacks of a mean IoU of 1."""
    return float(record["errors"]) if "errors" in record else 1.0 - record["val_mean_iu"]


def lacking_lines(record: Record) -> float:
    """Return what an epoch of a segmentation lacks in finding lines, where kraken says it (7.1), else its loss."""
    return 1.0 - record["val_bl_f1"] if "val_bl_f1" in record else loss(record)


def accuracy(record: Record) -> float:
    """Return the figure of an epoch as kraken keeps it in its models: 1 - CER, or the mean IoU."""
    return float(1 - record["val_cer"] if "val_cer" in record else record["val_mean_iu"])


def best_of(records: Sequence[Record]) -> Record:
    """Return the epoch with the smallest loss, the earliest of equals, as kraken chooses."""
    return min(records, key=lambda record: (loss(record), record["epoch"]))


def best_value(records: Sequence[Record], task: Task) -> float | None:
    """Return the best figure of a curve; None before its first epoch."""
    values = [record[FIGURES[task].key] for record in records if FIGURES[task].key in record]
    return (max if FIGURES[task].higher else min)(values, default=None)


def shown(value: float | None, task: Task) -> str:
    """Return a figure for people: error rates in percent, the others as a number below 1."""
    if value is None:
        return "-"
    return f"{value:.4f}" if FIGURES[task].higher else f"{100 * value:.2f} %"
