"""Stores that cannot be used are problems in words."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.given_up import let_go
from helpers.recorded_runs import free_port, make_run, only
from htr_exp.cli.doctor import records
from htr_exp.core.lock import locked
from htr_exp.tracking import store, writer
from htr_exp.tracking import sync as tracking_sync
from htr_exp.tracking.sync import store_uri, sync_runs

pytest.importorskip("sqlalchemy", reason="the embedded store needs the whole of MLflow: pip install 'htr-exp[mlflow]'")


def test_a_database_that_another_program_locks_is_a_problem_in_words(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "BUSY_SECONDS", 0.2)
    folder = make_run(place)
    code = (
        "import sqlite3, sys; db = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "db.execute('BEGIN EXCLUSIVE'); print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(place / "mlflow.db")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        problem = sync_runs([folder], workspace=place)[0].problem
    finally:
        holder.communicate()
    assert "is locked by another program" in str(problem)
    assert only(sync_runs([folder], workspace=place)).changed


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.write_bytes(b"no database at all" * 100), "is not an SQLite database"),
        (lambda path: (path.unlink(), path.mkdir()), "is a folder"),
        (lambda path: _set_version(path, "ffffffffffff"), "another version of MLflow"),
    ],
)
def test_a_store_that_cannot_be_used_is_a_problem_in_words(
    place: Path, spoil: Callable[[Path], object], words: str
) -> None:
    folder = make_run(place)
    spoil(place / "mlflow.db")
    recorded = sync_runs([folder], workspace=place)[0]
    assert words in str(recorded.problem)
    assert "run folders" in str(recorded.problem)
    assert not (place / "mlflow.db.lock").exists()


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
    assert words in str(store.as_trouble(error, Path("/w/mlflow.db")))


def test_without_the_whole_of_mlflow_the_extra_is_named(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "sqlalchemy" else find_spec(name))
    recorded = sync_runs([make_run(place)], workspace=place)[0]
    assert "pip install 'htr-exp[mlflow]'" in str(recorded.problem)


def test_a_server_that_does_not_answer_is_a_problem_in_words(place: Path) -> None:
    port = free_port()
    recorded = sync_runs([make_run(place)], workspace=place, uri=f"http://127.0.0.1:{port}")[0]
    assert f"the tracking server http://127.0.0.1:{port} does not answer" in str(recorded.problem)
    assert not (place / "mlruns").exists()


def test_a_server_that_hangs_is_given_up(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking_sync, "SERVER_SECONDS", 0.2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        recorded = sync_runs([make_run(place)], workspace=place, uri=uri)[0]
    let_go()
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


def test_a_password_in_the_uri_does_not_reach_the_run_folder(place: Path) -> None:
    recorder = writer.Writer("http://me:secret@127.0.0.1:1", place)
    assert recorder.key == "http://127.0.0.1:1"


def foreign(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE bookmarks (url TEXT)")
        db.commit()


ODD: dict[str, tuple[Callable[[Path], object], str]] = {
    "a dangling link": (lambda path: path.symlink_to(path.parent / "gone"), "is a symbolic link that leads nowhere"),
    "a folder": (Path.mkdir, "is a folder"),
    "a pipe": (os.mkfifo, "is no file"),
    "another program's": (foreign, "is a database of another program"),
    "no database": (
        lambda path: path.write_text("a note of mine, long enough to be no header"),
        "is not an SQLite database",
    ),
}


@pytest.mark.parametrize("name", ODD)
def test_what_is_in_the_place_of_the_database_is_told_and_left_alone(name: str, tmp_path: Path) -> None:
    make, said = ODD[name]
    path = tmp_path / "mlflow.db"
    make(path)
    before = path.lstat()
    (done,) = sync_runs([make_run(tmp_path)], workspace=tmp_path)
    assert str(done.problem).startswith(f"{path} {said}")
    assert (path.lstat().st_ino, path.lstat().st_size) == (before.st_ino, before.st_size)
    found = records._database(path)
    assert found.state == "error"
    assert found.remedy


def test_an_empty_file_is_where_the_database_is_made(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    path.touch()
    store.probe(path)
    assert records._database(path).state == "ok"
