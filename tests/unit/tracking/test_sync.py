"""Recording runs in MLflow, once or again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.recorded_runs import EPOCHS, client_of, dump, epoch_line, make_run, only
from htr_exp.core import files
from htr_exp.runs.ownership import sign
from htr_exp.runs.run_dir import RunDir
from htr_exp.tracking import store
from htr_exp.tracking.sync import sync_runs

pytest.importorskip("sqlalchemy", reason="the embedded store needs the whole of MLflow: pip install 'htr-exp[mlflow]'")


def test_a_run_shows_what_its_folder_holds(place: Path) -> None:
    folder = make_run(place)
    recorded = only(sync_runs([folder], workspace=place))
    assert recorded.changed
    client = client_of(place)
    run = client.get_run(recorded.run_id)
    assert client.get_experiment(run.info.experiment_id).name == "odalricus recognition"
    assert (run.info.run_name, run.info.status) == (folder.name, "FINISHED")
    assert (run.info.start_time, run.info.end_time) == (1772359200000, 1772362800000)
    assert run.data.params["training.lrate"] == "0.0001"
    assert run.data.params["dataset.path"] == '["a", "b"]'
    assert run.data.params["training.augment"] == "true"
    assert len(run.data.params["training.note"]) == 6000
    assert run.data.params["training.note"].endswith("(cut; whole in experiment.yaml)")
    assert "name" not in run.data.params
    curve = client.get_metric_history(recorded.run_id, "val_cer")
    assert [(point.step, point.value) for point in curve] == list(enumerate(EPOCHS, 1))
    assert curve[0].timestamp == 1772359260000
    assert {key: run.data.metrics[key] for key in ("test_cer_base", "test_cer", "test_cer_raw", "test_wer")} == {
        "test_cer_base": 0.2, "test_cer": 0.12, "test_cer_raw": 0.21, "test_wer": 0.5,
    }  # fmt: skip
    assert run.data.metrics["val_cer_rescored"] == 0.2
    assert run.data.metrics["test_gain_points"] == pytest.approx(8)
    assert run.data.tags["htr_exp.model_sha256"] == "f" * 64
    assert run.data.tags["htr_exp.best_model"] == f"runs/{folder.name}/best.mlmodel"
    note = run.data.tags["mlflow.note.content"]
    assert "20.00 % before, **12.00 %** after" in note
    assert "rerun" not in note
    contexts = {entry.tags[0].value: entry.dataset for entry in run.inputs.dataset_inputs}
    assert set(contexts) == {"training", "validation", "test"}
    assert {entry.name for entry in contexts.values()} == {"odalricus"}
    assert json.loads(contexts["training"].profile)["lines"] == 50
    assert str(place) not in json.dumps(dict(run.data.tags))


def test_artifacts_are_the_same_files_and_can_be_downloaded(place: Path, tmp_path: Path) -> None:
    folder = make_run(place)
    run_id = only(sync_runs([folder], workspace=place)).run_id
    client = client_of(place)
    names = {entry.path for entry in client.list_artifacts(run_id)}
    assert {"best.mlmodel", "experiment.yaml", "results.json", "log.txt", "metrics.jsonl", "predictions"} <= names
    shown = place / "mlartifacts/default" / run_id / "artifacts/best.mlmodel"
    assert shown.samefile(folder / "best.mlmodel")
    (tmp_path / "down").mkdir()
    copy = client.download_artifacts(run_id, "best.mlmodel", str(tmp_path / "down"))
    assert files.sha256_file(Path(copy)) == files.sha256_file(folder / "best.mlmodel")


def test_artifacts_are_copied_where_links_are_impossible(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", no_links)
    folder = make_run(place)
    run_id = only(sync_runs([folder], workspace=place)).run_id
    shown = place / "mlartifacts/default" / run_id / "artifacts/best.mlmodel"
    assert shown.read_bytes() == (folder / "best.mlmodel").read_bytes()
    assert not shown.samefile(folder / "best.mlmodel")


def test_doing_it_again_changes_nothing(place: Path) -> None:
    folder = make_run(place)
    first = only(sync_runs([folder], workspace=place))
    before = dump(place)
    again = only(sync_runs([folder], workspace=place))
    assert (again.run_id, again.changed) == (first.run_id, False)
    RunDir(folder).tracking_marks.unlink()
    assert not only(sync_runs([folder], workspace=place)).changed
    assert dump(place) == before


def test_an_unchanged_run_is_skipped_without_mlflow(place: Path) -> None:
    folder = make_run(place)
    only(sync_runs([folder], workspace=place))
    code = (
        "import sys; from pathlib import Path; from htr_exp.tracking import sync;"
        f"r = sync.sync_runs([Path({str(folder)!r})], workspace=Path({str(place)!r}));"
        "assert not r[0].changed and not r[0].problem, r; assert 'mlflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_only_new_epochs_are_added(place: Path) -> None:
    folder = make_run(place, curve=EPOCHS[:2], state="running")
    first = only(sync_runs([folder], workspace=place))
    assert client_of(place).get_run(first.run_id).info.status == "RUNNING"
    files.append_jsonl(folder / "metrics.jsonl", epoch_line(3, 0.12))
    second = only(sync_runs([folder], workspace=place))
    assert (second.run_id, second.changed) == (first.run_id, True)
    curve = client_of(place).get_metric_history(first.run_id, "val_cer")
    assert [point.value for point in curve] == [0.31, 0.18, 0.12]


def test_a_redone_epoch_has_one_value(place: Path) -> None:
    folder = make_run(place, state="running")
    first = only(sync_runs([folder], workspace=place))
    files.append_jsonl(folder / "metrics.jsonl", epoch_line(3, 0.11))
    second = only(sync_runs([folder], workspace=place))
    client = client_of(place)
    assert [point.value for point in client.get_metric_history(second.run_id, "val_cer")] == [0.31, 0.18, 0.11]
    assert client.get_run(first.run_id).info.lifecycle_stage == "deleted"
    experiment = client.get_experiment_by_name("odalricus recognition").experiment_id
    assert [run.info.run_id for run in client.search_runs([experiment])] == [second.run_id]


def test_a_growing_log_alone_is_no_change(place: Path) -> None:
    folder = make_run(place, state="running")
    run_id = only(sync_runs([folder], workspace=place)).run_id
    with open(folder / "live/log.txt", "a") as log:
        log.write("more\n")
    assert not only(sync_runs([folder], workspace=place)).changed
    assert "more" in (place / "mlartifacts/default" / run_id / "artifacts/log.txt").read_text()


def test_a_run_that_the_store_lost_is_recorded_again(place: Path, empty_database: Path) -> None:
    folder = make_run(place)
    first = only(sync_runs([folder], workspace=place))
    client_of(place).delete_run(first.run_id)
    second = only(sync_runs([folder], workspace=place))
    assert second.changed
    assert second.run_id != first.run_id


def test_more_epochs_than_one_batch_holds(place: Path) -> None:
    curve = tuple(1 / (n + 1) for n in range(1100))
    folder = make_run(place, curve=(), state="running")
    lines = [epoch_line(0, 0) | {"epoch": n, "val_cer": cer} for n, cer in enumerate(curve, 1)]
    files.write_jsonl(folder / "metrics.jsonl", lines)
    run_id = only(sync_runs([folder], workspace=place)).run_id
    history = client_of(place).get_metric_history(run_id, "val_cer")
    assert sorted((point.step, point.value) for point in history) == list(enumerate(curve, 1))


def test_runs_of_a_sweep_are_nested_below_one_parent(place: Path) -> None:
    runs = [make_run(place, f"rate-{n}", lrate=n / 1000, sweep="s-1") for n in (1, 2)]
    recorded = sync_runs(runs[:1], workspace=place) + sync_runs(runs, workspace=place)[1:]
    client = client_of(place)
    parents = {client.get_run(one.run_id).data.tags["mlflow.parentRunId"] for one in recorded}
    assert len(parents) == 1
    parent = client.get_run(parents.pop())
    assert (parent.info.run_name, parent.data.tags["htr_exp.sweep"]) == ("rates", "s-1")


def test_each_question_or_else_each_dataset_and_task_is_an_experiment_and_the_empty_default_is_hidden(
    place: Path,
) -> None:
    runs = [make_run(place, "a"), make_run(place, "b", question="seeds/of tridis")]
    assert all(one.problem is None for one in sync_runs(runs, workspace=place))
    experiments = client_of(place).search_experiments()
    assert {one.name for one in experiments} == {"odalricus recognition", "seeds/of tridis"}
    assert {one.tags["mlflow.experimentKind"] for one in experiments} == {"custom_model_development"}
    tables = store.tables(place / "mlflow.db", "http://127.0.0.1:5000")
    assert list(tables) == ["odalricus recognition", "seeds/of tridis"]
    assert all(table.endswith("&viewStateShareKey=scores") for table in tables.values())


def test_a_moved_workspace_keeps_its_artifacts(place: Path) -> None:
    folder = make_run(place)
    run_id = only(sync_runs([folder], workspace=place)).run_id
    moved = place.with_name("elsewhere")
    place.rename(moved)
    recorded = only(sync_runs([moved / "runs" / folder.name], workspace=moved))
    assert (recorded.run_id, recorded.changed) == (run_id, False)
    client = client_of(moved)
    assert "best.mlmodel" in {entry.path for entry in client.list_artifacts(run_id)}
    assert str(place) not in client.get_run(run_id).info.artifact_uri
    assert not any("my%20work" in line and "mlartifacts" in line for line in dump(moved))
    assert store.relocate(moved / "mlflow.db", moved) == 0


def test_a_folder_that_is_no_run_does_not_keep_others_from_being_recorded(place: Path) -> None:
    folder = make_run(place)
    (place / "runs/broken").mkdir()
    broken, good = sync_runs([place / "runs/broken", folder], workspace=place)
    assert good.problem is None
    assert "provenance.json cannot be read" in str(broken.problem)


def test_a_run_of_which_a_file_was_changed_is_not_recorded(place: Path) -> None:
    folder, hidden = make_run(place), make_run(place, "hidden-tridis-1a2b3c4d")
    sync_runs([folder, hidden], workspace=place)
    results = folder / "results.json"
    results.write_text(results.read_text().replace('"cer": 0.12', '"cer": 0.02'))
    (recorded,) = sync_runs([folder], workspace=place)
    assert recorded.problem == f"{folder}: changed since it was written: results.json; it is not recorded in MLflow"
    (run,) = client_of(place).search_runs(["1"], "tags.`htr_exp.name` = 'odalricus-tridis-0a1b2c3d'")
    assert run.data.metrics["test_cer"] == 0.12
    weights, status = hidden / "best.mlmodel", (hidden / "best.mlmodel").stat()
    weights.write_bytes(b"Weights" * 1000)
    os.utime(weights, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert [one.problem for one in sync_runs([hidden], workspace=place)] == [None]
    (recorded,) = sync_runs([hidden], workspace=place, every_digest=True)
    assert "changed since it was written: best.mlmodel;" in str(recorded.problem)


def test_of_a_run_and_its_copy_none_is_recorded_over_the_other(place: Path) -> None:
    folder = make_run(place)
    copy = Path(shutil.copytree(folder, folder.with_name("odalricus-again-0a1b2c3d")))
    for recorded in sync_runs([folder, copy], workspace=place):  # nobody says which is the original
        assert recorded.problem is not None
        assert "in the same folder is the same run, copied" in recorded.problem
    sign(RunDir(folder))
    first, second = sync_runs([folder, copy], workspace=place)
    assert (first.problem, first.changed) == (None, True)
    assert second.problem == (
        f"{copy.name}: {folder.name} in the same folder is the same run, copied. MLflow has one record of a run, so this folder "
        "is not recorded. Move the copy to another workspace"
    )
    (run,) = client_of(place).search_runs(["1"])
    assert run.info.run_name == folder.name
