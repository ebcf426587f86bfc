from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from helpers.in_process import ROW_KEYS
from htr_exp.config.compose import compose_experiment
from htr_exp.core.files import append_jsonl, write_json
from htr_exp.core.run_state import RunState
from htr_exp.runs import compare_table, status_table
from htr_exp.runs.rows import compared_rows, row_of
from htr_exp.runs.run_dir import RunDir, StateRecord
from htr_exp.runs.status import RunStatus


def score(cer: float, wer: float = 0.5) -> dict[str, Any]:
    return {"cer": cer, "cer_raw": cer, "wer": wer, "errors": 1, "characters": 100, "lines": 5, "pages": 1}


@pytest.fixture(scope="module")
def values() -> dict[str, Any]:
    return compose_experiment(["dataset=demo", "model=blla"]).values


class Maker:
    """Writes run folders as trainings leave them."""

    def __init__(self, folder: Path, values: dict[str, Any]) -> None:
        self.folder, self.values = folder, values

    def __call__(
        self,
        name: str,
        *,
        curve: tuple[float, ...] = (),
        result: dict[str, Any] | None = None,
        state: RunState = RunState.DONE,
        model: str | None = "tridis",
        changes: dict[str, Any] | None = None,
    ) -> RunDir:
        import yaml

        run = RunDir(self.folder / name)
        run.live.mkdir(parents=True)
        merged = {
            key: value | (changes or {}).get(key, {}) if isinstance(value, dict) else (changes or {}).get(key, value)
            for key, value in self.values.items()
        }
        run.experiment.write_text(yaml.safe_dump(merged, allow_unicode=True), encoding="utf-8")
        write_json(run.provenance, {
            "run": {"key": name, "task": "recognition"}, "dataset": {"name": "odalricus"},
            "software": {"kraken": "7.1.1"}, "model": {"name": model} if model else None,
        })  # fmt: skip
        for epoch, cer in enumerate(curve):
            run.add_epoch({"epoch": epoch, "val_cer": cer})
        if result:
            write_json(run.results, result)
        run.write_state(state, reason="it was stopped" if state is RunState.STOPPED else None)
        return run


@pytest.fixture
def make(tmp_path: Path, values: dict[str, Any]) -> Maker:
    return Maker(tmp_path, values)


def test_a_finished_run_shows_its_rescored_figures(make: Maker) -> None:
    result = {
        "validation": {"base": score(0.3), "best": score(0.11)},
        "test": {"base": score(0.4), "best": score(0.12, wer=0.25)},
    }
    row = row_of(make("a", curve=(0.3, 0.1, 0.2), result=result))
    assert (row["val"], row["val_cer"], row["val_source"]) == (0.11, 0.11, "rescored")
    assert (row["test"], row["test_cer"], row["test_wer"], row["metric"]) == (0.12, 0.12, 0.25, "cer")
    assert (row["base_val_cer"], row["base_test_cer"]) == (0.3, 0.4)
    assert (row["epoch"], row["base_model"], row["dataset"], row["kraken"]) == (3, "tridis", "odalricus", "7.1.1")
    assert row["scores"] == result


def test_a_run_under_way_shows_krakens_best_figure(make: Maker) -> None:
    row = row_of(make("a", curve=(0.3, 0.1, 0.2), state=RunState.QUEUED))
    assert (row["val_cer"], row["val_source"], row["test_cer"], row["epoch"]) == (0.1, "kraken", None, 3)


def test_a_run_that_has_not_begun_has_no_figures(make: Maker) -> None:
    row = row_of(make("a", state=RunState.QUEUED, model=None))
    assert (row["val_cer"], row["val_source"], row["epoch"], row["base_model"]) == (None, None, None, None)


def test_a_perfect_score_is_a_score(make: Maker) -> None:
    row = row_of(make("a", curve=(0.3,), result={"validation": {"best": score(0.0)}, "test": {"best": score(0.0)}}))
    assert (row["val_cer"], row["test_cer"], row["val_source"]) == (0.0, 0.0, "rescored")


def test_an_evaluated_model_shows_its_own_score(make: Maker) -> None:
    row = row_of(make("a", result={"test": {"base": score(0.2), "best": None}}))
    assert (row["test_cer"], row["base_test_cer"], row["val_cer"]) == (0.2, 0.2, None)


def test_rows_of_starts_are_counted_and_rows_of_legs_are_not(make: Maker) -> None:
    run = make("a")
    for record in ({"start": 0}, {"leg": "a", "lost_epochs": 0}, {"start": 1}, {"leg": "b", "lost_epochs": 3, "epochs_before": 1}, {"leg": "c", "lost_epochs": 0, "new_leg": True}):  # fmt: skip
        append_jsonl(run.starts, record)
    row = row_of(run)
    assert (row["restarts"], row["lost_epochs"]) == (1, 3)


def test_a_row_says_at_which_epochs_the_training_was_resumed(make: Maker) -> None:
    run = make("a")
    for row in (
        {"start": 0}, {"leg": "leg-01", "epochs_before": 0, "new_leg": False, "exact": True},
        {"leg": "leg-02", "epochs_before": 2, "new_leg": True, "exact": True}, {"start": 1},
        {"leg": "leg-02", "epochs_before": 2, "new_leg": False, "exact": True},
    ):  # fmt: skip
        append_jsonl(run.starts, row)
    assert [row_of(run)[key] for key in ("resumed_at", "resumed_exactly")] == [[2], True]
    append_jsonl(run.starts, {"leg": "leg-02", "epochs_before": 3, "new_leg": False, "exact": False})
    assert [row_of(run)[key] for key in ("resumed_at", "resumed_exactly")] == [[2, 3], False]
    whole = row_of(make("b"))
    assert (whole["resumed_at"], whole["resumed_exactly"]) == ([], None)


@pytest.mark.parametrize("exact", [True, False])
def test_tables_show_where_a_run_was_resumed_and_say_what_that_did(make: Maker, exact: bool) -> None:
    run = make("a", curve=(0.2, 0.1))
    for epoch in (0, 1):
        append_jsonl(run.starts, {"leg": "leg-01", "epochs_before": epoch, "new_leg": False, "exact": exact})
    for show in (lambda out: compare_table.show_table(out, *compared_rows([run])[:2]), lambda out: status_table.show_status(out, [row_of(run)])):  # fmt: skip
        out = Console(record=True, width=200, file=io.StringIO())
        show(out)
        said = out.export_text()
        assert "resumed at" in said
        assert ("1 (exact)" in said) is exact
        assert ("the scores differ a little" in " ".join(said.split())) is (not exact)


def test_what_is_left_is_told_of_a_run_under_way_alone(make: Maker) -> None:
    run = make("a", state=RunState.DONE, changes={"training": {"epochs": 10, "time_budget_min": None}})
    for epoch in range(4):
        run.add_epoch({"epoch": epoch, "val_cer": 0.2, "seconds": 30.0})
    under_way = RunStatus(
        StateRecord(RunState.RUNNING), job="12", node="gpu1", left_s=60.0, requeued=2, jobs=("11", "12")
    )
    row = row_of(run, under_way)
    assert (row["epochs"], row["training_left_s"]) == (10, 180.0)
    assert [row[key] for key in ("jobs", "job", "node", "left_s", "requeued")] == [["11", "12"], "12", "gpu1", 60.0, 2]
    row = row_of(run)
    assert (row["epochs"], row["training_left_s"], row["left_s"], row["jobs"]) == (None, None, None, [])


def test_a_time_budget_limits_what_is_left(make: Maker) -> None:
    run = make("a", changes={"training": {"epochs": 100, "time_budget_min": 3}})
    assert row_of(run, RunStatus(StateRecord(RunState.RUNNING)))["training_left_s"] is None
    run.add_epoch({"epoch": 0, "val_cer": 0.2, "seconds": 30.0})
    assert row_of(run, RunStatus(StateRecord(RunState.RUNNING)))["training_left_s"] == 150.0
    for epoch in range(1, 9):
        run.add_epoch({"epoch": epoch, "val_cer": 0.2, "seconds": 30.0})
    assert row_of(run, RunStatus(StateRecord(RunState.RUNNING)))["training_left_s"] == 0.0


def test_a_run_says_which_sweeps_it_is_of(make: Maker) -> None:
    run = make("a")
    for sweep in ("one", "two", "one"):
        run.join_sweep(sweep, ["seed=1,2"])
    assert row_of(run)["sweeps"] == ["one", "two"]


def test_reason_and_state_are_shown(make: Maker) -> None:
    row = row_of(make("a", state=RunState.STOPPED))
    assert (row["state"], row["reason"]) == ("stopped", "it was stopped")


def test_a_row_has_the_keys_that_programs_read(make: Maker) -> None:
    assert row_of(make("a")).keys() >= ROW_KEYS


def test_rows_are_sorted_by_validation_and_runs_without_come_last(make: Maker) -> None:
    runs = [
        make("d"),
        make("b", curve=(0.2,)),
        make("c", curve=(0.1,)),
        make("a"),
        make("e", curve=(0.2,)),
        make("f", curve=(0.0,)),
    ]
    rows, _, _ = compared_rows(runs)
    assert [row["run"] for row in rows] == ["f", "c", "b", "e", "a", "d"]


def test_settings_that_differ_are_columns_and_others_are_not(make: Maker) -> None:
    changes = {"training": {"lrate": 0.1}, "seed": 2, "site": {"workspace": "/other"}, "launch": {"jobs": 9}, "name": "x", "again": True,
               "tracking": {"kind": "none"}, "dataset": {"path": "/other"}}  # fmt: skip
    rows, varied, _ = compared_rows([make("a", changes={"training": {"lrate": 0.003}}), make("b", changes=changes)])
    assert varied == ["training.lrate", "seed"]
    assert {row["run"]: row["settings"]["training.lrate"] for row in rows} == {"a": 0.003, "b": 0.1}


def test_a_setting_that_one_run_lacks_differs(make: Maker) -> None:
    older = make("a")
    text = older.experiment.read_text()
    older.experiment.write_text("\n".join(line for line in text.splitlines() if "warmup" not in line))
    _, varied, _ = compared_rows([older, make("b")])
    assert varied == ["training.warmup"]


def test_no_runs_make_no_rows() -> None:
    assert compared_rows([]) == ([], [], [])
