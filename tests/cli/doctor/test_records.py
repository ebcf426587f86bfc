"""MLflow: the embedded store and tracking servers."""

from __future__ import annotations

import contextlib
import http.server
import importlib.util
import os
import socket
import sqlite3
import subprocess
import threading
import time
from pathlib import Path

import pytest

from helpers.disks import small_disk
from helpers.findings import named
from htr_exp.cli.doctor import (
    records,
)
from htr_exp.cli.doctor.finding import Finding
from htr_exp.config.schema import Tracking
from htr_exp.core.lock import locked
from htr_exp.tracking import store as tracking_store
from htr_exp.tracking.store import lock


def of_records(workspace: Path, kind: str = "embedded", uri: str | None = None) -> Finding:
    (found,) = named(records.findings(Tracking(kind, uri), workspace)).values()
    return found


class Server:
    """A server that answers as it is told, or takes a connection and never says a word."""

    def __init__(self, code: int | None) -> None:
        self.paths: list[str] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.paths.append(self.path)
                if code is None:
                    time.sleep(5)
                    return
                self.send_response(code)
                self.end_headers()
                self.wfile.write(b"OK")

            def log_message(self, *words: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.uri = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.mark.parametrize(
    ("code", "state", "told"),
    [
        (200, "ok", "answers in 0."),
        (401, "warning", "wants a name and password"),
        (404, "warning", "answers (404), but not as MLflow does"),
        (None, "warning", "does not answer (no answer within 0.5 s; given up after 0."),
    ],
)
def test_a_tracking_server_is_asked(
    code: int | None, state: str, told: str, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "SERVER_S", 0.5 if code is None else 5)
    server = Server(code)
    try:
        found = of_records(workspace, "server", server.uri.replace("//", "//me:secret@"))
    finally:
        server.close()
    assert found.state == state
    assert told in found.found
    assert "secret" not in found.found
    assert server.paths == ["/health"]


def test_a_server_that_is_not_there_costs_no_run(workspace: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    found = of_records(workspace, "server", f"http://127.0.0.1:{port}")
    assert found.state == "warning"
    assert "Connection refused" in found.found
    assert "`sync` records them later" in str(found.remedy)


@pytest.mark.parametrize("uri", [None, "ftp://x", "localhost:5000"])
def test_an_address_that_is_none_is_an_error(uri: str | None, workspace: Path) -> None:
    assert of_records(workspace, "server", uri).state == "error"


def test_without_tracking_there_is_one_note(workspace: Path) -> None:
    assert of_records(workspace, "none").state == "note"


def store(workspace: Path, schema: str | None = None, runs: int = 2) -> Path:
    """Write a database with what of MLflow's the doctor looks at."""
    with contextlib.closing(sqlite3.connect(workspace / "mlflow.db")) as db:
        db.execute("CREATE TABLE runs (run_uuid TEXT, lifecycle_stage TEXT)")
        db.executemany("INSERT INTO runs VALUES (?, 'active')", [(str(run),) for run in range(runs)])
        db.execute("CREATE TABLE alembic_version (version_num TEXT)")
        db.execute("INSERT INTO alembic_version VALUES (?)", (schema or records._schemas()[-1],))
        db.commit()
    return workspace / "mlflow.db"


def test_the_embedded_store_is_looked_into(workspace: Path) -> None:
    assert of_records(workspace).found == f"{workspace}/mlflow.db is made when the first run is recorded"
    assert not (workspace / "mlflow.db").exists()
    path = store(workspace)
    before = path.read_bytes()
    assert of_records(workspace) == Finding("tracking=embedded", "ok", f"{path} holds 2 runs and can be written")
    assert path.read_bytes() == before


def test_the_schemas_are_those_of_the_installed_mlflow(workspace: Path) -> None:
    known = records._schemas()
    assert len(known) > 40
    assert known[0] == "451aebb31d03"  # MLflow's first
    assert len(set(known)) == len(known)


def test_a_store_of_another_mlflow_is_told(workspace: Path) -> None:
    path = store(workspace, "451aebb31d03")
    assert "older MLflow" in of_records(workspace).found
    assert "mlflow db upgrade sqlite:///" in str(of_records(workspace).remedy)
    path.unlink()
    store(workspace, "ffffffffffff")
    assert "newer MLflow" in of_records(workspace).found


def test_a_store_that_is_no_database_is_an_error(workspace: Path) -> None:
    (workspace / "mlflow.db").write_bytes(b"no database at all, but long enough to be read as one" * 30)
    found = of_records(workspace)
    assert found.state == "error"
    assert "is not MLflow's database" in found.found
    assert "`sync` makes it again" in str(found.remedy)


def test_a_locked_store_is_a_warning(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking_store, "BUSY_SECONDS", 0.2)
    path = store(workspace)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        found = of_records(workspace)
    assert found.state == "warning"
    assert "locked by another program" in found.found


def test_a_store_that_is_being_written_is_a_note(workspace: Path) -> None:
    path = store(workspace)
    with locked(lock(path)):
        found = of_records(workspace)
    assert (found.state, f"is being written by process {os.getpid()} on" in found.found) == ("note", True)


def test_a_read_only_store_is_a_warning(workspace: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=1m") as disk:
        store(disk)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        found = of_records(disk)
    assert found.state == "warning"
    assert "cannot be written (read-only)" in found.found


def test_without_mlflows_store_the_embedded_one_is_a_warning(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "sqlalchemy" else real(name))
    states = [one.state for one in records.findings(Tracking("embedded"), workspace)]
    assert states == ["warning", "ok"]
