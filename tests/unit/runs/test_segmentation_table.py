"""Segmentations in tables, beside recognitions and alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from htr_exp.config.compose import compose_experiment
from htr_exp.core.files import write_json
from htr_exp.core.run_state import RunState
from htr_exp.core.task import RECOGNITION, SEGMENTATION
from htr_exp.pipeline.progress import Progress
from htr_exp.runs import compare_table, status_table
from htr_exp.runs.rows import compared_rows, row_of, settings_of
from htr_exp.runs.run_dir import RunDir, StateRecord
from htr_exp.runs.status import RunStatus


def layout_score(f1: float, **more: Any) -> dict[str, Any]:
    counts = {f"lines_{what}": 1 for what in ("found", "missed", "invented", "merged", "split")}
    return {"line_precision": f1, "line_recall": f1, "line_f1": f1, "region_iou": 0.5, "lines": 5, "pages": 1} | counts | more  # fmt: skip


def text_score(cer: float) -> dict[str, Any]:
    return {"cer": cer, "cer_raw": cer, "wer": 0.5, "errors": 1, "characters": 100, "lines": 5, "pages": 1}


@pytest.fixture(scope="module")
def values() -> dict[str, dict[str, Any]]:
    return {
        task: compose_experiment(["dataset=demo", f"task={task}", "model.path=base.mlmodel"]).values
        for task in ("recognition", "segmentation")
    }


class Maker:
    """Writes run folders as trainings leave them."""

    def __init__(self, folder: Path, values: dict[str, dict[str, Any]]) -> None:
        self.folder, self.values = folder, values

    def __call__(
        self,
        name: str,
        task: str = "segmentation",
        *,
        figures: tuple[float, ...] = (),
        result: dict[str, Any] | None = None,
        state: RunState = RunState.DONE,
        changes: dict[str, dict[str, Any]] | None = None,
        verb: str = "train",
    ) -> RunDir:
        run = RunDir(self.folder / name)
        run.live.mkdir(parents=True)
        merged = {
            key: value | (changes or {}).get(key, {}) if isinstance(value, dict) else value
            for key, value in self.values[task].items()
        }
        run.experiment.write_text(yaml.safe_dump(merged, allow_unicode=True), encoding="utf-8")
        write_json(run.provenance, {
            "run": {"key": name, "task": task, "verb": verb}, "dataset": {"name": "odalricus"},
            "software": {"kraken": "7.1.1"}, "model": {"name": "blla"},
        })  # fmt: skip
        key = "val_cer" if task == "recognition" else "val_mean_iu"
        for epoch, figure in enumerate(figures):
            record: Any = {"epoch": epoch, key: figure} | ({"errors": 1} if key == "val_cer" else {})
            run.add_epoch(record)
        if result:
            write_json(run.results, result)
        run.write_state(state)
        return run


@pytest.fixture
def make(tmp_path: Path, values: dict[str, dict[str, Any]]) -> Maker:
    return Maker(tmp_path, values)


def shown(show: Any, *given: Any) -> str:
    out = Console(record=True, width=220, force_terminal=False)
    show(out, *given)
    return out.export_text()


DONE = {
    "validation": {"base": layout_score(0.5), "best": layout_score(0.9)},
    "test": {"base": layout_score(0.4), "best": layout_score(0.8)},
}


def test_while_it_trains_a_run_is_judged_by_its_mean_iou(make: Maker) -> None:
    row = row_of(make("a", figures=(0.3, 0.6, 0.5), state=RunState.INTERRUPTED))
    assert [row[key] for key in ("metric", "val", "val_source", "test")] == ["mean_iu", 0.6, "kraken", None]


def test_when_it_is_done_a_run_is_judged_by_its_line_f1(make: Maker) -> None:
    row = row_of(make("a", figures=(0.3, 0.6, 0.5), result=DONE))
    assert [row[key] for key in ("metric", "val", "val_source", "test", "base_val", "base_test")] == [
        "line_f1", 0.9, "rescored", 0.8, 0.5, 0.4,
    ]  # fmt: skip


def test_before_its_first_epoch_a_run_has_no_figure(make: Maker) -> None:
    row = row_of(make("a", state=RunState.QUEUED))
    assert [row[key] for key in ("metric", "val", "test", "val_source")] == ["line_f1", None, None, None]


def test_a_figure_of_nothing_is_a_figure(make: Maker) -> None:
    none = {"validation": {"base": None, "best": layout_score(0.0)}, "test": {"base": None, "best": layout_score(0.0)}}
    row = row_of(make("a", figures=(0.0,), result=none))
    assert (row["val"], row["test"]) == (0.0, 0.0)
    assert row_of(make("b", figures=(0.0,), state=RunState.INTERRUPTED))["val"] == 0.0


def test_the_best_runs_come_first_whether_more_or_less_is_better(make: Maker) -> None:
    runs = [make(f"s{number}", figures=(figure,)) for number, figure in enumerate((0.5, 0.9, 0.7))]
    runs += [make(f"r{number}", "recognition", figures=(figure,)) for number, figure in enumerate((0.5, 0.1, 0.3))]
    runs += [make("s9"), make("r9", "recognition")]
    rows, _, _ = compared_rows(runs)
    assert [row["run"] for row in rows] == ["r1", "r2", "r0", "r9", "s1", "s2", "s0", "s9"]


def test_tasks_stand_in_tables_of_their_own(make: Maker) -> None:
    recognised = {"validation": {"base": text_score(0.3), "best": text_score(0.2)}, "test": {"base": text_score(0.4), "best": text_score(0.25)}}  # fmt: skip
    rows, varied, _ = compared_rows([make("layout", result=DONE), make("text", "recognition", result=recognised)])
    of_text, of_layout = shown(compare_table.show_table, rows, varied).split("\nsegmentation: trainings\n")
    assert of_text.startswith("recognition: trainings\n")
    for label in ("val CER", "test CER", "test WER", "25.00 %"):
        assert label in of_text
        assert label not in of_layout
    for label in ("val line F1", "base test line F1", "test line F1", "0.8000"):
        assert label in of_layout
        assert label not in of_text


def test_what_differs_between_tasks_by_itself_is_no_column_of_their_table(make: Maker) -> None:
    """All defaults of training differ between tasks: sixteen columns that say nothing, and leave no room for the figures."""
    changes = {"training": {"line_width": 4}}
    _, varied, _ = compared_rows([make("layout"), make("wide", changes=changes), make("text", "recognition")])
    assert varied == ["training.line_width"]


def test_one_task_alone_has_no_columns_of_the_other(make: Maker) -> None:
    rows, varied, _ = compared_rows([make("a", result=DONE), make("b", result=DONE)])
    head = shown(compare_table.show_table, rows, varied).splitlines()[0]
    assert "CER" not in head
    assert varied == []


def test_settings_that_a_task_does_not_have_are_no_columns(make: Maker) -> None:
    rows, varied, _ = compared_rows([make("layout"), make("text", "recognition")])
    assert varied == []
    by_run = {row["run"]: row["settings"] for row in rows}
    assert "training.batch_size" not in by_run["layout"]
    assert "training.line_width" not in by_run["text"]
    assert not any(key.startswith("classes.") for key in by_run["text"])


def test_classes_that_differ_are_columns(make: Maker) -> None:
    changes = {"classes": {"lines": {"HeadingLine": "default"}}}
    _, varied, _ = compared_rows([make("a"), make("b", changes=changes), make("c", changes={"classes": {"lines": {"*": None}}})])  # fmt: skip
    assert [key for key in varied if key.startswith("classes.lines")]


def test_an_evaluation_is_not_told_apart_by_settings_of_training(make: Maker) -> None:
    known = settings_of(make("a", verb="evaluate"))
    assert not any(key.startswith(("training.", "split.", "architecture.")) for key in known)
    assert "scores.pictures" in known


def test_status_says_by_what_each_run_is_judged(make: Maker) -> None:
    runs = [
        make("done", result=DONE, figures=(0.3,)),
        make("training", figures=(0.3, 0.6), state=RunState.INTERRUPTED),
        make("text", "recognition", figures=(0.25,), state=RunState.INTERRUPTED),
    ]
    said = shown(status_table.show_status, [row_of(run) for run in runs])
    head, *lines = said.splitlines()
    cells = {line.split()[0]: line for line in lines if line}
    for run, figures in {
        "done": {"val line F1": "0.9000", "test line F1": "0.8000"}, "training": {"val mean IoU": "0.6000"}, "text": {"val CER": "25.00 %"},
    }.items():  # fmt: skip
        for label, figure in figures.items():
            end = head.index(label) + len(label)
            assert cells[run][:end].endswith(figure), (run, label, said)
    assert "%" not in cells["done"] + cells["training"]


def test_what_is_left_of_a_segmentation_under_way_is_told(make: Maker) -> None:
    run = make("a", changes={"training": {"epochs": 10}})
    run.add_epoch({"epoch": 0, "val_mean_iu": 0.2, "seconds": 30.0})
    assert row_of(run, RunStatus(StateRecord(RunState.RUNNING)))["training_left_s"] == 270.0


def test_the_end_of_a_run_says_what_was_gained_and_what_became_of_the_lines(make: Maker) -> None:
    said = shown(compare_table.show_result, row_of(make("a", result=DONE)))
    assert "base line F1" in said
    assert "fine-tuned line F1" in said
    assert "fine-tuned region IoU" in said
    assert "test, base: of 5 lines 1 found, 1 missed, 1 invented, 1 merged, 1 split" in said
    assert "test, fine-tuned: of 5 lines" in said
    assert "CER" not in said


def test_without_regions_there_is_no_figure_of_them(make: Maker) -> None:
    none = {side: {"base": None, "best": layout_score(0.8, region_iou=None)} for side in ("validation", "test")}
    said = shown(compare_table.show_result, row_of(make("a", result=none)))
    assert "0.8000" in said
    assert "None" not in said


def test_without_a_test_set_the_lines_of_the_validation_are_told(make: Maker) -> None:
    none = {"validation": DONE["validation"], "test": {"base": None, "best": None}}
    said = shown(compare_table.show_result, row_of(make("a", result=none)))
    assert "validation, fine-tuned: of 5 lines" in said


class Told(Console):
    """A console that remembers."""

    def __init__(self) -> None:
        super().__init__(force_terminal=False, width=120)
        self.lines: list[str] = []

    def print(self, *texts: Any, **options: Any) -> None:
        self.lines += map(str, texts)


def test_an_epoch_is_told_by_its_mean_iou() -> None:
    told = Told()
    progress = Progress(told)
    first: Any = {"epoch": 1, "val_mean_iu": 0.61234, "seconds": 4.0}
    progress.epoch(SEGMENTATION, first, first, 60.0)
    progress.epoch(SEGMENTATION, {"epoch": 2, "val_mean_iu": 0.5, "seconds": 4.0}, first, None)
    assert "epoch   1   validation mean IoU   0.6123  best" in told.lines[0]
    assert "epoch   2   validation mean IoU   0.5000  best 0.6123 in epoch 1" in told.lines[1]


def test_the_best_of_a_curve_is_the_highest_mean_iu_and_of_equals_the_earliest() -> None:
    records: list[Any] = [{"epoch": epoch, "val_mean_iu": figure} for epoch, figure in enumerate((0.3, 0.6, 0.6, 0.5))]
    assert SEGMENTATION.best_of(records)["epoch"] == 1
    assert SEGMENTATION.best_value(records) == 0.6
    assert SEGMENTATION.accuracy(records[0]) == 0.3
    assert SEGMENTATION.best_value([]) is None
    assert (SEGMENTATION.shown(0.5), RECOGNITION.shown(0.5), SEGMENTATION.shown(None)) == (
        "0.5000", "50.00 %", "-",
    )  # fmt: skip


def test_of_epochs_that_are_alike_by_mean_iou_those_stay_that_find_lines() -> None:
    """Without regions kraken 7.1's mean IoU says nothing, and the last epochs are not the worst."""
    from htr_exp.kraken.checkpoints import _best_epochs

    records: list[Any] = [{"epoch": epoch, "val_mean_iu": 0.0, "val_bl_f1": epoch / 20} for epoch in range(20)]
    assert _best_epochs(records, 10, SEGMENTATION) == {0, *range(10, 20)}
    assert _best_epochs(records, 1, SEGMENTATION) == {0}
    assert _best_epochs([{"epoch": epoch, "val_mean_iu": epoch / 20} for epoch in range(20)], 3, SEGMENTATION) == {
        17,
        18,
        19,
    }
    assert _best_epochs([], 10, SEGMENTATION) == set()
