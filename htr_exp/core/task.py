"""The two tasks, and what tells them apart wherever runs are judged and shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypedDict, cast


class _Epoch(TypedDict):
    epoch: int  # from 1
    seconds: float
    time: str


class Epoch(_Epoch, total=False):
    """An epoch of the curve, a line of metrics.jsonl; its figures are those of kraken's log (`kraken.log`)."""

    val_cer: float
    errors: int
    characters: int
    val_accuracy: float
    val_mean_acc: float
    val_mean_iu: float
    val_freq_iu: float
    val_bl_precision: float
    val_bl_recall: float
    val_bl_f1: float
    memory_gb: float  # the most that kraken's processes held until then (`core.resource_use`)
    gpu_memory_gb: float
    cpu_s: float  # CPU time that kraken's processes took for it, those of its start among them
    energy_wh: float  # of the GPUs (`core.gpu_energy`)


@dataclass(frozen=True)
class Column:
    """A figure in a table of scores or runs.

    Attributes:
        heading: for people.
        key: in the record that the table shows.
    """

    heading: str
    key: str


@dataclass(frozen=True, eq=False)
class Task:
    """What a model learns.

    There is one object for each task, also after pickling, so that tasks are compared and looked up by identity.
    What a task does with the modules of a higher room stands in a table of that room, by task.

    Attributes:
        name: in the configuration, in records, and for kraken's models.
        curve: the figure of an epoch, as programs call it; the records of the curve have it with `val_` before it.
        curve_label: the same for people.
        chosen_by: key in the records of the curve: by what kraken chooses the best epoch.
        candidates_by: key in the records of the curve: by what more epochs are kept beside that one; not in every record.
        score: what a run is judged by in the end, as programs call it, and its key in the scores of results.json.
        score_label: the same for people.
        higher_is_better: of these figures. If not, they are error rates, which people see in percent.
        result_columns: of the table at the end of a run; keys of the scores in results.json.
        compare_columns: of the table of runs side by side; keys of their rows.
        row_names: names of its own that figures have in a row, and the keys there that every task has.
        always_in_status: whether the table of `status` has its columns before there are figures.
        sample: what is trained on, one by one: line or page.
        counts_lines: whether the end of a run says what became of the lines.
        reads_text: whether it needs the text of lines.
        learns_layout: whether it learns baselines and regions, and so has classes.
    """

    name: str
    curve: str
    curve_label: str
    chosen_by: str
    candidates_by: str
    score: str
    score_label: str
    higher_is_better: bool
    result_columns: tuple[Column, ...]
    compare_columns: tuple[Column, ...]
    row_names: tuple[tuple[str, str], ...]
    always_in_status: bool
    sample: str
    counts_lines: bool
    reads_text: bool
    learns_layout: bool

    def __str__(self) -> str:
        return self.name

    def __reduce__(self) -> tuple[Any, ...]:
        return task_of, (self.name,)

    @property
    def curve_key(self) -> str:
        """The key of an epoch's figure in the records of the curve."""
        return f"val_{self.curve}"

    @property
    def status_columns(self) -> dict[str, tuple[str, str]]:
        """Headings in the table of `status` -> the key of a row, and what the row must be judged by."""
        return {
            f"val {self.curve_label}": ("val", self.curve),
            f"val {self.score_label}": ("val", self.score),
            f"test {self.score_label}": ("test", self.score),
        }

    def label(self, figure: str) -> str:
        """The words for people of what programs call `figure`: that of an epoch, or the score."""
        return self.score_label if figure == self.score else self.curve_label

    def figure(self, record: Epoch) -> float:
        """The figure of an epoch in the curve: the CER, or the mean IoU."""
        return _figure(record, self.curve_key)

    def loss(self, record: Epoch) -> float:
        """The figure that kraken makes as small as possible: errors, or 1 - mean IoU."""
        return self._loss(record, self.chosen_by)

    def candidate_loss(self, record: Epoch) -> float:
        """The figure that decides which epochs are kept beside the best one: the smaller, the better."""
        return self._loss(record, self.candidates_by if self.candidates_by in record else self.chosen_by)

    def _loss(self, record: Epoch, key: str) -> float:
        value = _figure(record, key)
        return 1.0 - value if self.higher_is_better else value

    def accuracy(self, record: Epoch) -> float:
        """The figure of an epoch as kraken keeps it in its models: 1 - CER, or the mean IoU."""
        value = self.figure(record)
        return value if self.higher_is_better else 1.0 - value

    def best_of(self, records: Sequence[Epoch]) -> Epoch:
        """The epoch with the smallest loss, the earliest of equals, as kraken chooses."""
        return min(records, key=lambda record: (self.loss(record), record["epoch"]))

    def best_value(self, records: Sequence[Epoch]) -> float | None:
        """The best figure of a curve; None before its first epoch."""
        values = [self.figure(record) for record in records if self.curve_key in record]
        return (max if self.higher_is_better else min)(values, default=None)

    def gain(self, before: float, after: float) -> float:
        """The difference between two scores, positive where the second is better."""
        return after - before if self.higher_is_better else before - after

    def shown(self, value: float | None) -> str:
        """A figure for people: error rates in percent, the others as a number below 1."""
        if value is None:
            return "-"
        return f"{value:.4f}" if self.higher_is_better else f"{100 * value:.2f} %"


def _figure(record: Epoch, key: str) -> float:
    return float(cast("dict[str, float]", record)[key])


RECOGNITION = Task(
    name="recognition",
    curve="cer",
    curve_label="CER",
    chosen_by="errors",
    candidates_by="errors",
    score="cer",
    score_label="CER",
    higher_is_better=False,
    result_columns=(Column("CER", "cer"), Column("WER", "wer")),
    compare_columns=(
        Column("val CER", "val"),
        Column("base test CER", "base_test"),
        Column("test CER", "test"),
        Column("test WER", "test_wer"),
    ),
    row_names=(
        ("val_cer", "val"),
        ("test_cer", "test"),
        ("base_val_cer", "base_val"),
        ("base_test_cer", "base_test"),
    ),
    always_in_status=True,
    sample="line",
    counts_lines=False,
    reads_text=True,
    learns_layout=False,
)

SEGMENTATION = Task(
    name="segmentation",
    curve="mean_iu",
    curve_label="mean IoU",
    chosen_by="val_mean_iu",
    candidates_by="val_bl_f1",  # kraken 7.1 alone says how well it finds lines
    score="line_f1",
    score_label="line F1",
    higher_is_better=True,
    # whatever the types of regions are called, as models name them differently
    result_columns=(Column("line F1", "line_f1"), Column("region IoU", "region_iou_any")),
    compare_columns=(
        Column("val line F1", "val"),
        Column("base test line F1", "base_test"),
        Column("test line F1", "test"),
    ),
    row_names=(),
    always_in_status=False,
    sample="page",
    counts_lines=True,
    reads_text=False,
    learns_layout=True,
)

END_TO_END = {
    "ground_truth_lines": "in the lines of the ground truth",
    "found_lines": "in the lines that were found",
}
"""The records of `end_to_end` in results.json -> what they are, for people."""

END_TO_END_COLUMNS = (Column("CER", "page_cer"), Column("WER", "page_wer"), Column("bag-of-words WER", "bag_wer"))
"""Their figures, which are error rates of whole pages."""

TASKS: dict[str, Task] = {task.name: task for task in (RECOGNITION, SEGMENTATION)}
"""Name -> task."""


def task_of(name: str) -> Task:
    """The task with this name, which was checked before.

    Raises:
        KeyError: there is no such task.
    """
    return TASKS[name]
