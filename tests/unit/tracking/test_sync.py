from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from htr_exp.core import files
from htr_exp.core.lock import locked
from htr_exp.tracking import run_view, store, writer
from htr_exp.tracking import sync as tracking_sync
from htr_exp.tracking.sync import MARKS, Recorded, due, store_of, store_uri, sync_runs

pytest.importorskip("sqlalchemy", reason="the embedded store needs the whole of MLflow: pip install 'htr-exp[mlflow]'")

EPOCHS = (0.31, 0.18, 0.12)


def epoch_line(epoch: int, cer: float) -> dict[str, Any]:
    time_of_it = f"2026-03-01T10:{epoch + 1:02d}:00Z"
    return {
        "epoch": epoch, "val_cer": cer, "errors": 10, "characters": 100, "seconds": 55.5, "time": time_of_it,
    }  # fmt: skip


def state_of(state: str) -> dict[str, Any]:
    return {"state": state, "reason": None, "stage": None, "since": "2026-03-01T11:00:00Z"}


def make_run(
    workspace: Path,
    name: str = "odalricus-tridis-0a1b2c3d",
    *,
    curve: tuple[float, ...] = EPOCHS,
    state: str = "done",
    lrate: float = 0.0001,
    sweep: str | None = None,
    question: str = "default",
) -> Path:
    """Write a run folder as a training leaves it."""
    folder = workspace / "runs" / name
    (folder / "live").mkdir(parents=True)
    (folder / "experiment.yaml").write_text(
        f"dataset: {{name: odalricus, path: [a, b]}}\ntask: recognition\nseed: 0\nname: null\n"
        f"training: {{lrate: {lrate}, quit: early, augment: true, note: '{'x' * 7000}'}}\n"
    )
    files.write_json(folder / "provenance.json", {
        "run": {
            "uuid": f"uuid-of-{name}", "key": name[-8:], "name": name, "task": "recognition", "question": question,
        },
        "created": "2026-03-01T09:59:00Z",
        "command": ["htr-exp", "train", "dataset=odalricus", "model=tridis", f"training.lrate={lrate}"],
        "code": {"commit": "c0ffee", "dirty": False, "version": "0.1.0"},
        "software": {"python": "3.11", "kraken": "7.1.1", "packages": {}},
        "machine": {"host": "gpu-07"},
        "dataset": {"name": "odalricus", "digest": "d" * 64, "folders": ["Ground_Truth/odalricus"], "pages": 4},
        "split": {"digest": "e" * 64, "seed": 0, "train": {"pages": 2, "lines": 50}},
        "model": {"name": "tridis", "file": "tridis.mlmodel", "sha256": "f" * 64},
    })  # fmt: skip
    pages = [{"page": f"p{n}.xml", "image": f"p{n}.jpg", "digest": f"{n}" * 64, "lines": 25} for n in range(4)]
    files.write_json(folder / "split.json", {"train": pages[:2], "validation": pages[2:3], "test": pages[3:]})
    (folder / "commands.sh").write_text("ketos train\n")
    files.write_jsonl(folder / "metrics.jsonl", [epoch_line(n, cer) for n, cer in enumerate(curve)])
    files.write_json(folder / "live/state.json", state_of(state))
    if state == "running":
        signed = {"host": "gpu-07", "pid": 1, "started": 0.0}
        files.write_json(folder / "live/claim/owner.json", signed)
    files.append_jsonl(folder / "live/starts.jsonl", {"time": "2026-03-01T10:00:00Z", "host": "gpu-07", "pid": 1})
    if sweep:
        files.append_jsonl(folder / "live/sweeps.jsonl", {"sweep": sweep, "name": "rates", "overrides": []})
    (folder / "live/log.txt").write_text("kraken said this\n")
    if state == "done":
        score = {"cer": 0.2, "cer_raw": 0.21, "wer": 0.5, "errors": 20, "characters": 100, "lines": 25, "pages": 1}
        files.write_json(folder / "results.json", {
            "test": {"base": score, "best": score | {"cer": curve[-1]}},
            "validation": {"base": None, "best": score}, "best_epoch": len(curve) - 1,
        })  # fmt: skip
        (folder / "predictions").mkdir()
        files.append_jsonl(folder / "predictions/test.jsonl", {"page": "p3.xml", "line": "l1", "best": "ſanctus"})
        (folder / "best.mlmodel").write_bytes(b"weights" * 1000)
    return folder


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database as MLflow makes it: made once, because its migrations take seconds."""
    workspace = tmp_path_factory.mktemp("template")
    run = make_run(workspace)
    assert sync_runs([run], workspace=workspace)[0].problem is None
    shutil.rmtree(workspace / "runs")
    with sqlite3.connect(workspace / "mlflow.db") as db:
        for table in ("metrics", "latest_metrics", "params", "tags", "inputs", "input_tags", "datasets", "runs"):
            db.execute(f"DELETE FROM {table}")
        for table in ("experiment_tags", "experiments"):
            db.execute(f"DELETE FROM {table} WHERE experiment_id > 0")
    db.close()
    return workspace / "mlflow.db"


@pytest.fixture
def workspace(tmp_path: Path, empty_database: Path) -> Path:
    place = tmp_path / "my work, 100 % #1 é"
    place.mkdir()
    shutil.copy(empty_database, place / "mlflow.db")
    return place


def client_of(workspace: Path, uri: str | None = None) -> Any:
    return writer.client(store_uri(workspace, uri))


def only(recorded: list[Recorded]) -> Recorded:
    assert len(recorded) == 1
    assert recorded[0].problem is None
    return recorded[0]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def dump(workspace: Path) -> list[str]:
    with sqlite3.connect(workspace / "mlflow.db") as db:
        lines = list(db.iterdump())
    db.close()
    return lines


def test_a_run_shows_what_its_folder_holds(workspace: Path) -> None:
    folder = make_run(workspace)
    recorded = only(sync_runs([folder], workspace=workspace))
    assert recorded.changed
    client = client_of(workspace)
    run = client.get_run(recorded.run_id)
    assert client.get_experiment(run.info.experiment_id).name == "default"
    assert (run.info.run_name, run.info.status) == (folder.name, "FINISHED")
    assert (run.info.start_time, run.info.end_time) == (1772359200000, 1772362800000)
    assert run.data.params["training.lrate"] == "0.0001"
    assert run.data.params["dataset.path"] == '["a", "b"]'
    assert run.data.params["training.augment"] == "true"
    assert len(run.data.params["training.note"]) == 6000
    assert run.data.params["training.note"].endswith("(cut; whole in experiment.yaml)")
    assert "name" not in run.data.params
    curve = client.get_metric_history(recorded.run_id, "val_cer")
    assert [(point.step, point.value) for point in curve] == list(enumerate(EPOCHS))
    assert curve[0].timestamp == 1772359260000
    assert {key: run.data.metrics[key] for key in ("test_cer_base", "test_cer", "test_cer_raw", "test_wer")} == {
        "test_cer_base": 0.2, "test_cer": 0.12, "test_cer_raw": 0.21, "test_wer": 0.5,
    }  # fmt: skip
    assert run.data.metrics["val_cer_rescored"] == 0.2
    assert run.data.metrics["test_gain_points"] == pytest.approx(8)
    assert run.data.tags["htr_exp.model_sha256"] == "f" * 64
    assert run.data.tags["htr_exp.best_model"] == f"runs/{folder.name}/best.mlmodel"
    note = run.data.tags["mlflow.note.content"]
    assert "20.00% before, **12.00%** after" in note
    assert "rerun" not in note
    contexts = {entry.tags[0].value: entry.dataset for entry in run.inputs.dataset_inputs}
    assert set(contexts) == {"training", "validation", "test"}
    assert {entry.name for entry in contexts.values()} == {"odalricus"}
    assert json.loads(contexts["training"].profile)["lines"] == 50
    assert str(workspace) not in json.dumps(dict(run.data.tags))


def test_artifacts_are_the_same_files_and_can_be_downloaded(workspace: Path, tmp_path: Path) -> None:
    folder = make_run(workspace)
    run_id = only(sync_runs([folder], workspace=workspace)).run_id
    client = client_of(workspace)
    names = {entry.path for entry in client.list_artifacts(run_id)}
    assert {"best.mlmodel", "experiment.yaml", "results.json", "log.txt", "metrics.jsonl", "predictions"} <= names
    shown = workspace / "mlartifacts/default" / run_id / "artifacts/best.mlmodel"
    assert shown.samefile(folder / "best.mlmodel")
    (tmp_path / "down").mkdir()
    copy = client.download_artifacts(run_id, "best.mlmodel", str(tmp_path / "down"))
    assert files.sha256_file(Path(copy)) == files.sha256_file(folder / "best.mlmodel")


def test_artifacts_are_copied_where_links_are_impossible(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", no_links)
    folder = make_run(workspace)
    run_id = only(sync_runs([folder], workspace=workspace)).run_id
    shown = workspace / "mlartifacts/default" / run_id / "artifacts/best.mlmodel"
    assert shown.read_bytes() == (folder / "best.mlmodel").read_bytes()
    assert not shown.samefile(folder / "best.mlmodel")


def test_doing_it_again_changes_nothing(workspace: Path) -> None:
    folder = make_run(workspace)
    first = only(sync_runs([folder], workspace=workspace))
    before = dump(workspace)
    again = only(sync_runs([folder], workspace=workspace))
    assert (again.run_id, again.changed) == (first.run_id, False)
    (folder / MARKS).unlink()
    assert not only(sync_runs([folder], workspace=workspace)).changed
    assert dump(workspace) == before


def test_an_unchanged_run_is_skipped_without_mlflow(workspace: Path) -> None:
    folder = make_run(workspace)
    only(sync_runs([folder], workspace=workspace))
    code = (
        "import sys; from pathlib import Path; from htr_exp.tracking import sync;"
        f"r = sync.sync_runs([Path({str(folder)!r})], workspace=Path({str(workspace)!r}));"
        "assert not r[0].changed and not r[0].problem, r; assert 'mlflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_only_new_epochs_are_added(workspace: Path) -> None:
    folder = make_run(workspace, curve=EPOCHS[:2], state="running")
    first = only(sync_runs([folder], workspace=workspace))
    assert client_of(workspace).get_run(first.run_id).info.status == "RUNNING"
    files.append_jsonl(folder / "metrics.jsonl", epoch_line(2, 0.12))
    second = only(sync_runs([folder], workspace=workspace))
    assert (second.run_id, second.changed) == (first.run_id, True)
    curve = client_of(workspace).get_metric_history(first.run_id, "val_cer")
    assert [point.value for point in curve] == [0.31, 0.18, 0.12]


def test_a_redone_epoch_has_one_value(workspace: Path) -> None:
    folder = make_run(workspace, state="running")
    first = only(sync_runs([folder], workspace=workspace))
    files.append_jsonl(folder / "metrics.jsonl", epoch_line(2, 0.11))
    second = only(sync_runs([folder], workspace=workspace))
    client = client_of(workspace)
    assert [point.value for point in client.get_metric_history(second.run_id, "val_cer")] == [0.31, 0.18, 0.11]
    assert client.get_run(first.run_id).info.lifecycle_stage == "deleted"
    experiment = client.get_experiment_by_name("default").experiment_id
    assert [run.info.run_id for run in client.search_runs([experiment])] == [second.run_id]


def test_a_growing_log_alone_is_no_change(workspace: Path) -> None:
    folder = make_run(workspace, state="running")
    run_id = only(sync_runs([folder], workspace=workspace)).run_id
    with open(folder / "live/log.txt", "a") as log:
        log.write("more\n")
    assert not only(sync_runs([folder], workspace=workspace)).changed
    assert "more" in (workspace / "mlartifacts/default" / run_id / "artifacts/log.txt").read_text()


def test_a_run_that_the_store_lost_is_recorded_again(workspace: Path, empty_database: Path) -> None:
    folder = make_run(workspace)
    first = only(sync_runs([folder], workspace=workspace))
    client_of(workspace).delete_run(first.run_id)
    second = only(sync_runs([folder], workspace=workspace))
    assert second.changed
    assert second.run_id != first.run_id


def test_more_epochs_than_one_batch_holds(workspace: Path) -> None:
    curve = tuple(1 / (n + 1) for n in range(1100))
    folder = make_run(workspace, curve=(), state="running")
    lines = [epoch_line(0, 0) | {"epoch": n, "val_cer": cer} for n, cer in enumerate(curve)]
    files.write_jsonl(folder / "metrics.jsonl", lines)
    run_id = only(sync_runs([folder], workspace=workspace)).run_id
    history = client_of(workspace).get_metric_history(run_id, "val_cer")
    assert sorted((point.step, point.value) for point in history) == list(enumerate(curve))


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("queued", "SCHEDULED"),
        ("running", "RUNNING"),
        ("failed", "FAILED"),
        ("cancelled", "KILLED"),
        ("timed_out", "KILLED"),
    ],
)
def test_every_state_has_a_status(workspace: Path, state: str, status: str) -> None:
    folder = make_run(workspace, state=state)
    run_id = only(sync_runs([folder], workspace=workspace)).run_id
    assert client_of(workspace).get_run(run_id).info.status == status


def test_a_reason_that_is_gone_is_not_shown(workspace: Path) -> None:
    folder = make_run(workspace, state="failed")
    state = state_of("failed") | {"reason": "out of memory"}
    files.write_json(folder / "live/state.json", state)
    run_id = only(sync_runs([folder], workspace=workspace)).run_id
    assert client_of(workspace).get_run(run_id).data.tags["htr_exp.reason"] == "out of memory"
    files.write_json(folder / "live/state.json", state_of("queued"))
    only(sync_runs([folder], workspace=workspace))
    assert "htr_exp.reason" not in client_of(workspace).get_run(run_id).data.tags


def test_runs_of_a_sweep_are_nested_below_one_parent(workspace: Path) -> None:
    runs = [make_run(workspace, f"rate-{n}", lrate=n / 1000, sweep="s-1") for n in (1, 2)]
    recorded = sync_runs(runs[:1], workspace=workspace) + sync_runs(runs, workspace=workspace)[1:]
    client = client_of(workspace)
    parents = {client.get_run(one.run_id).data.tags["mlflow.parentRunId"] for one in recorded}
    assert len(parents) == 1
    parent = client.get_run(parents.pop())
    assert (parent.info.run_name, parent.data.tags["htr_exp.sweep"]) == ("rates", "s-1")


def test_each_question_is_an_experiment_and_the_empty_default_is_hidden(workspace: Path) -> None:
    runs = [make_run(workspace, "a"), make_run(workspace, "b", question="seeds/of tridis")]
    assert all(one.problem is None for one in sync_runs(runs, workspace=workspace))
    experiments = client_of(workspace).search_experiments()
    assert {one.name for one in experiments} == {"default", "seeds/of tridis"}
    assert {one.tags["mlflow.experimentKind"] for one in experiments} == {"custom_model_development"}
    tables = store.tables(workspace / "mlflow.db", "http://127.0.0.1:5000")
    assert list(tables) == ["default", "seeds/of tridis"]
    assert all(table.endswith("&viewStateShareKey=scores") for table in tables.values())


def test_every_column_of_the_table_of_scores_exists(workspace: Path) -> None:
    layout = make_run(workspace, "summa-blla-1a2b3c4d")
    facts = files.read_json(layout / "provenance.json")
    files.write_json(layout / "provenance.json", facts | {"run": facts["run"] | {"task": "segmentation"}})
    files.write_json(layout / "results.json", {"test": {"base": {"line_f1": 0.8}, "best": {"line_f1": 0.9}}})
    client = None
    there = {"attributes.`Created`", "attributes.`Duration`"}
    for recorded in sync_runs([make_run(workspace), layout], workspace=workspace):
        client = client_of(workspace)
        data = client.get_run(recorded.run_id).data
        there |= {f"metrics.`{name}`" for name in data.metrics} | {f"params.`{name}`" for name in data.params}
        there |= {f"tags.`{name}`" for name in data.tags}
    assert client is not None
    table = json.loads(client.get_experiment_by_name("default").tags["mlflow.sharedViewState.scores"])
    assert set(table["selectedColumns"]) <= there
    assert table["orderByKey"] in table["selectedColumns"]


def test_a_moved_workspace_keeps_its_artifacts(workspace: Path) -> None:
    folder = make_run(workspace)
    run_id = only(sync_runs([folder], workspace=workspace)).run_id
    moved = workspace.with_name("elsewhere")
    workspace.rename(moved)
    recorded = only(sync_runs([moved / "runs" / folder.name], workspace=moved))
    assert (recorded.run_id, recorded.changed) == (run_id, False)
    client = client_of(moved)
    assert "best.mlmodel" in {entry.path for entry in client.list_artifacts(run_id)}
    assert str(workspace) not in client.get_run(run_id).info.artifact_uri
    assert not any("my%20work" in line and "mlartifacts" in line for line in dump(moved))
    assert store.relocate(moved / "mlflow.db", moved) == 0


def test_a_folder_that_is_no_run_does_not_keep_others_from_being_recorded(workspace: Path) -> None:
    folder = make_run(workspace)
    (workspace / "runs/broken").mkdir()
    broken, good = sync_runs([workspace / "runs/broken", folder], workspace=workspace)
    assert good.problem is None
    assert "provenance.json cannot be read" in str(broken.problem)


def test_a_database_that_another_program_locks_is_a_problem_in_words(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "BUSY_SECONDS", 0.2)
    folder = make_run(workspace)
    code = (
        "import sqlite3, sys; db = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "db.execute('BEGIN EXCLUSIVE'); print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(workspace / "mlflow.db")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        problem = sync_runs([folder], workspace=workspace)[0].problem
    finally:
        holder.communicate()
    assert "is locked by another program" in str(problem)
    assert only(sync_runs([folder], workspace=workspace)).changed


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.write_bytes(b"no database at all" * 100), "is not an SQLite database"),
        (lambda path: (path.unlink(), path.mkdir()), "cannot be opened"),
        (lambda path: _set_version(path, "ffffffffffff"), "another version of MLflow"),
    ],
)
def test_a_store_that_cannot_be_used_is_a_problem_in_words(
    workspace: Path, spoil: Callable[[Path], object], words: str
) -> None:
    folder = make_run(workspace)
    spoil(workspace / "mlflow.db")
    recorded = sync_runs([folder], workspace=workspace)[0]
    assert words in str(recorded.problem)
    assert "run folders" in str(recorded.problem)
    assert not (workspace / "mlflow.db.lock").exists()


def _set_version(path: Path, version: str) -> None:
    with sqlite3.connect(path) as db:
        db.execute("UPDATE alembic_version SET version_num = ?", (version,))
    db.close()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (sqlite3.OperationalError("database or disk is full"), "the disk that holds /w/mlflow.db is full"),
        (OSError(28, "No space left on device"), "the disk that holds /w/mlflow.db is full"),
        (sqlite3.OperationalError("attempt to write a readonly database"), "cannot be written (read-only)"),
        (PermissionError(13, "Permission denied"), "cannot be written (read-only)"),
    ],
)
def test_what_a_disk_says_is_put_in_words(error: Exception, words: str) -> None:
    assert words in store.in_words(error, Path("/w/mlflow.db"))


def test_without_the_whole_of_mlflow_the_extra_is_named(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = writer.importlib.util.find_spec
    monkeypatch.setattr(
        writer.importlib.util, "find_spec", lambda name: None if name == "sqlalchemy" else find_spec(name)
    )
    recorded = sync_runs([make_run(workspace)], workspace=workspace)[0]
    assert "pip install 'htr-exp[mlflow]'" in str(recorded.problem)


def test_a_server_that_does_not_answer_is_a_problem_in_words(workspace: Path) -> None:
    port = free_port()
    recorded = sync_runs([make_run(workspace)], workspace=workspace, uri=f"http://127.0.0.1:{port}")[0]
    assert f"the tracking server http://127.0.0.1:{port} does not answer" in str(recorded.problem)
    assert not (workspace / "mlruns").exists()


def test_a_server_that_hangs_is_given_up(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking_sync, "SERVER_SECONDS", 0.2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        recorded = sync_runs([make_run(workspace)], workspace=workspace, uri=uri)[0]
    assert "does not answer" in str(recorded.problem)


def test_a_store_that_another_process_writes_is_a_problem_in_words(tmp_path: Path) -> None:
    with locked(tmp_path / "mlflow.db.lock"):
        said: list[str] = []
        with (
            pytest.raises(store.StoreTroubleError, match=rf"process {os.getpid()} on .* is writing it"),
            store.written_alone(tmp_path / "mlflow.db", wait=0.6, say=said.append),
        ):
            pass
        assert len(said) == 1
    with store.written_alone(tmp_path / "mlflow.db", wait=0):
        pass


def test_relative_sqlite_paths_lie_in_the_workspace(tmp_path: Path) -> None:
    assert store_uri(tmp_path) == f"sqlite:///{tmp_path}/mlflow.db"
    assert store_uri(tmp_path, "sqlite:///other.db") == f"sqlite:///{tmp_path}/other.db"
    assert store_uri(tmp_path, "https://mlflow.example.org/") == "https://mlflow.example.org"


def test_a_password_in_the_uri_does_not_reach_the_run_folder(workspace: Path) -> None:
    recorder = writer.Writer("http://me:secret@127.0.0.1:1", workspace)
    assert recorder.key == "http://127.0.0.1:1"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real tracking server on the loopback."""
    folder, port = tmp_path_factory.mktemp("server"), free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/server.db", "--artifacts-destination", f"{folder}/files"]
    environment = os.environ | store.environment() | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    child = subprocess.Popen(
        command, env=environment, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(address, child)
        yield address
    finally:
        os.killpg(child.pid, signal.SIGTERM)
        child.wait(20)


def wait_for(address: str, child: subprocess.Popen[Any]) -> None:
    for _ in range(1200):
        assert child.poll() is None
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    raise TimeoutError(address)


@pytest.mark.slow
def test_a_tracking_server_gets_the_same_record(server: str, tmp_path: Path) -> None:
    folder = make_run(tmp_path, state="running", sweep="s-9")
    first = only(sync_runs([folder], workspace=tmp_path, uri=server))
    client = client_of(tmp_path, server)
    assert "log.txt" not in {entry.path for entry in client.list_artifacts(first.run_id)}
    assert not only(sync_runs([folder], workspace=tmp_path, uri=server)).changed
    shutil.rmtree(folder)
    folder = make_run(tmp_path, sweep="s-9")
    done = only(sync_runs([folder], workspace=tmp_path, uri=server))
    assert (done.run_id, done.changed) == (first.run_id, True)
    assert not only(sync_runs([folder], workspace=tmp_path, uri=server)).changed
    assert {"log.txt", "best.mlmodel"} <= {entry.path for entry in client.list_artifacts(first.run_id)}
    assert [point.value for point in client.get_metric_history(first.run_id, "val_cer")] == list(EPOCHS)
    copy = client.download_artifacts(first.run_id, "predictions/test.jsonl", str(tmp_path))
    assert "ſanctus" in Path(copy).read_text(encoding="utf-8")
    assert not (tmp_path / "mlflow.db").exists()


@pytest.mark.slow
def test_the_ui_answers_on_the_loopback_and_ends_with_an_interrupt(workspace: Path) -> None:
    run_id = only(sync_runs([make_run(workspace)], workspace=workspace)).run_id
    moved = workspace.with_name("moved")
    workspace.rename(moved)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = free_port()
        code = (
            "import sys; from pathlib import Path; from htr_exp.tracking import ui;"
            "ui.serve_ui(Path(sys.argv[1]), port=int(sys.argv[2]))"
        )
        child = subprocess.Popen([sys.executable, "-c", code, str(moved), str(port)], stdout=subprocess.PIPE, text=True)
        try:
            assert child.stdout is not None
            assert "starting MLflow" in child.stdout.readline()
            said = child.stdout.readline()
            address = f"http://127.0.0.1:{port}"
            assert address in said
            wait_for(address, child)
            url = f"{address}/get-artifact?path=experiment.yaml&run_uuid={run_id}"
            with urllib.request.urlopen(url, timeout=20) as answer:
                assert b"odalricus" in answer.read()
        finally:
            child.send_signal(signal.SIGINT)
            rest, _ = child.communicate(timeout=60)
    assert "MLflow ended" in rest
    assert child.returncode == 0
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
    assert not (moved / "mlflow.db.lock").exists()


def test_the_params_of_an_experiment_are_its_scalars_under_dotted_keys() -> None:
    flat = run_view.flat_params({"a": {"b": 1, "c": {}}, "d": None, "e": [1, "é"], "f": True, "g": "1e-3", "h:": 1e-05})
    assert flat == {"a.b": "1", "e": '[1, "é"]', "f": "true", "g": "1e-3", "h_": "1e-05"}
    assert all(re.fullmatch(r"[\w.\- /]+", key) for key in flat)


def tracked(folder: Path, kind: str, uri: str | None = None) -> Path:
    """Write into a run folder where its experiment wants it recorded, and seal it."""
    with open(folder / "experiment.yaml", "a") as experiment:
        experiment.write(f"tracking:\n  kind: {kind}\n  uri: {uri or 'null'}\nseed: 1\n")
    files.write_json(folder / "manifest.json", {})
    return folder


def command(workspace: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "htr_exp", *words, f"--workspace={workspace}"], capture_output=True, text=True
    )


def test_every_run_goes_where_its_own_experiment_says(workspace: Path) -> None:
    port = free_port()
    here, away, nowhere = (make_run(workspace, name) for name in ("here", "away", "nowhere"))
    tracked(here, "embedded")
    tracked(away, "server", f"http://me:secret@127.0.0.1:{port}")
    tracked(nowhere, "none")
    assert store_of(nowhere, workspace) is None
    assert due([here, away, nowhere], workspace) == [here, away]
    said = command(workspace, "sync", "--json")
    rows = {row["run"]: row for row in json.loads(said.stdout)}
    assert set(rows) == {"here", "away"}
    assert (rows["here"]["changed"], rows["here"]["problem"]) == (True, None)
    assert rows["here"]["store"] == store_uri(workspace)
    assert f"the tracking server http://127.0.0.1:{port} does not answer" in rows["away"]["problem"]
    assert (said.returncode, "secret" in said.stdout + said.stderr) == (1, False)
    assert due([here, away, nowhere], workspace) == [away]
    (named,) = json.loads(command(workspace, "sync", "--json", "nowhere").stdout)
    assert (named["changed"], named["store"]) == (True, store_uri(workspace))


def test_marks_of_a_server_are_believed_unless_it_is_to_be_asked(workspace: Path) -> None:
    uri = f"http://127.0.0.1:{free_port()}"
    folder = tracked(make_run(workspace), "server", uri)
    mark = {"run_id": "of-the-server", "fingerprint": run_view.fingerprint(folder)}
    files.write_json(folder / MARKS, {uri: mark})
    assert due([folder], workspace) == []
    assert only(sync_runs([folder], workspace=workspace, ask=False)).run_id == "of-the-server"
    assert "does not answer" in str(sync_runs([folder], workspace=workspace)[0].problem)
    assert "no runs" not in command(workspace, "sync").stdout


@pytest.mark.parametrize("words", [("compare",), ("status", "--sync")])
def test_runs_are_recorded_before_they_are_shown(workspace: Path, words: tuple[str, ...]) -> None:
    folder = tracked(make_run(workspace), "embedded")
    first = command(workspace, *words, "--json")
    assert (first.returncode, first.stderr) == (0, "records 1 run in MLflow\n")
    assert json.loads(first.stdout)[0]["run"] == folder.name
    assert due([folder], workspace) == []
    assert command(workspace, *words, "--json").stderr == ""


def test_a_store_that_fails_is_one_warning_of_compare(workspace: Path) -> None:
    runs = [tracked(make_run(workspace, name), "embedded") for name in ("a", "b")]
    (workspace / "mlflow.db").write_bytes(b"no database at all" * 100)
    said = command(workspace, "compare", "--json")
    assert said.returncode == 0
    assert len(json.loads(said.stdout)) == len(runs)
    records, warning = said.stderr.splitlines()
    assert records == "records 2 runs in MLflow"
    assert warning.startswith("warning: ")
    assert "is not an SQLite database" in warning


def test_two_syncs_at_once_record_twenty_runs_once(workspace: Path) -> None:
    runs = [tracked(make_run(workspace, f"run-{n:02d}"), "embedded") for n in range(20)]
    argv = [sys.executable, "-m", "htr_exp", "sync", "--json", f"--workspace={workspace}"]
    both = [subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    rows = [json.loads(sync.communicate(timeout=300)[0]) for sync in both]
    assert [row["problem"] for said in rows for row in said] == [None] * 40
    assert sum(row["changed"] for said in rows for row in said) == len(runs)
    with sqlite3.connect(workspace / "mlflow.db") as db:
        assert db.execute("SELECT count(*) FROM runs WHERE lifecycle_stage = 'active'").fetchone() == (20,)
        assert db.execute("SELECT count(*) FROM metrics WHERE key = 'val_cer'").fetchone() == (20 * len(EPOCHS),)
    db.close()


def test_what_slurm_adds_is_shown(workspace: Path) -> None:
    folder = make_run(workspace)
    slurm = {"partition": "publicgpu", "time_min": 600}
    for job in ("41_3", "57"):
        files.append_jsonl(folder / "live/jobs.jsonl", {"job": job, "slurm": slurm})
    files.append_jsonl(folder / "live/requeues.jsonl", {"job": "41_3"})
    (folder / "live/starts.jsonl").unlink()
    for number, node in enumerate(["gpu-2", "gpu-2", "gpu-5"]):
        start = {"start": number, "time": "2026-03-01T10:00:00Z", "host": f"{node}.local", "node": node, "job": "41_3"}
        files.append_jsonl(folder / "live/starts.jsonl", start)
        leg = {"leg": "leg-01", "device": "cuda:0", "first_epoch": number, "lost_epochs": number}
        files.append_jsonl(folder / "live/starts.jsonl", leg)
    tags = run_view.read(folder, workspace).tags
    shown = {key: tags[f"htr_exp.{key}"] for key in ("jobs", "nodes", "partition", "device", "restarts", "requeues")}
    assert shown == {
        "jobs": "41_3, 57", "nodes": "gpu-2, gpu-5", "partition": "publicgpu", "device": "cuda:0", "restarts": "2",
        "requeues": "1",
    }  # fmt: skip
    assert tags["htr_exp.lost_epochs"] == "3"
    before = run_view.fingerprint(folder)
    files.append_jsonl(folder / "live/requeues.jsonl", {"job": "57"})
    assert run_view.fingerprint(folder) != before


@pytest.mark.parametrize(("job", "status"), [(None, "KILLED"), ("41", "SCHEDULED")])
def test_a_run_whose_process_was_killed_waits_only_where_slurm_starts_it_again(
    workspace: Path, job: str | None, status: str
) -> None:
    folder = make_run(workspace, state="running")
    files.append_jsonl(folder / "live/starts.jsonl", {"start": 0, "time": "2026-03-01T10:00:00Z", "job": job})
    at_work = run_view.fingerprint(folder)
    assert run_view.read(folder, workspace).status == "RUNNING"
    shutil.rmtree(folder / "live/claim")
    assert run_view.read(folder, workspace).status == status
    assert run_view.fingerprint(folder) != at_work
