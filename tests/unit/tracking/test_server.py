"""A real tracking server gets the same record."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.recorded_runs import EPOCHS, client_of, free_port, make_run, only, wait_for
from htr_exp.tracking import store
from htr_exp.tracking.sync import experiments_of, sync_runs

pytest.importorskip("sqlalchemy", reason="the embedded store needs the whole of MLflow: pip install 'htr-exp[mlflow]'")


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
        os.killpg(child.pid, signal.SIGKILL)  # how MLflow's own server ends, and how soon, is not what is tested
        child.wait()


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
    (name,) = experiments_of([folder], server, tmp_path)
    assert experiments_of([folder], server, tmp_path)[name] == client.get_experiment_by_name(name).experiment_id
