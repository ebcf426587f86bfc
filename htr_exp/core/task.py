"""What tells the tasks apart before anything is done: by what a run is judged, and which keys there are not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Task = Literal["recognition", "segmentation"]


@dataclass(frozen=True)
class Figure:
    """What an epoch, and in the end a run, is judged by.

    Attributes:
        name: what programs call it: `metric` of a row.
        key: in the records of the curve.
        result: in the scores of results.json.
        label: for people, of the curve.
        scored: for people, of scores.
        higher: whether more is better.
    """

    name: str
    key: str
    result: str
    label: str
    scored: str
    higher: bool


FIGURES: dict[Task, Figure] = {
    "recognition": Figure("cer", "val_cer", "cer", "CER", "CER", higher=False),
    "segmentation": Figure("line_f1", "val_mean_iu", "line_f1", "mean IoU", "line F1", higher=True),
}
"""Task -> what its runs are judged by."""

FOREIGN: dict[str, tuple[str, ...]] = {
    "recognition": ("training.line_width", "training.topline", "training.dice_weight", "training.bl_tol", "scores.best_by",
                    "scores.pictures", "classes.lines", "classes.regions", "classes.subtypes", "classes.vocabulary"),
    "segmentation": ("training.batch_size", "training.normalization", "training.normalize_whitespace", "training.legacy_polygons",
                     "scores.pad"),
}  # fmt: skip
"""The keys that a task does not have."""
