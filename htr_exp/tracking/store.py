"""The embedded tracking store as files: who may write it, where it says it lies, and what it already holds."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from htr_exp.core.lock import Locked, Owner, locked
from htr_exp.tracking import pages

DATABASE = "mlflow.db"
ARTIFACTS = "mlartifacts"
BUSY_SECONDS = 5.0  # how long another program may hold the database before we say so
LOCK_SECONDS = 120.0  # how long to wait for another process of ours, which may have many runs to record
MADE_AGAIN = "move it away; `htr-exp sync` makes it again from the run folders"
INSTALL = "install it with `pip install 'htr-exp[mlflow]'`"


class StoreTroubleError(Exception):
    """The store cannot be written now.

    Args:
        what: why.
        remedy: what to do.
    """

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what}: {remedy}")
        self.what, self.remedy = what, remedy


class BusyError(StoreTroubleError):
    """Another process of ours is writing it."""


def store_uri(workspace: Path, uri: str | None = None) -> str:
    """The store's URI: `uri`, else the SQLite file of the workspace; a relative SQLite path is below it."""
    path = database(uri) if uri else Path(DATABASE)
    if path is None:
        return str(uri).rstrip("/")
    return f"sqlite:///{workspace.resolve() / path}"


def database(uri: str) -> Path | None:
    """The file of an SQLite URI, or None for any other store."""
    return Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") else None


def lock(path: Path) -> Path:
    """The lock of an SQLite file, a folder beside it."""
    return path.with_name(f"{path.name}.lock")


def local_path(uri: str) -> Path | None:
    """The folder that an artifact URI names on this machine, or None if it is elsewhere."""
    parts = urlsplit(uri)
    if parts.scheme == "file":
        return Path(url2pathname(parts.path))
    return Path(uri) if uri.startswith("/") else None


@contextlib.contextmanager
def written_alone(database: Path, *, wait: float, say: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold the lock on what is written by one process at a time.

    Args:
        database: the store, or the run of a server; its lock lies beside it.
        wait: seconds to wait for another process.
        say: called once with a sentence if there is a wait.

    Raises:
        BusyError: another process still holds it after `wait` seconds.
        StoreTroubleError: the place is not writable.
    """
    until = time.monotonic() + wait
    told = False

    def patient(owner: Owner) -> bool:
        nonlocal told
        if say is not None and not told:
            say(f"waiting up to {wait:.0f} s: process {owner.pid} on {owner.host} is writing {database}")
        told = True
        return time.monotonic() < until

    with contextlib.ExitStack() as stack:
        folder = lock(database)
        try:
            stack.enter_context(locked(folder, wait=patient))
        except Locked as other:
            raise BusyError(
                f"process {other.owner.pid} on {other.owner.host} is writing it (its lock is {folder})",
                "wait until it ends and sync again",
            ) from None
        except OSError as error:
            raise as_trouble(error, folder.parent) from error
        yield


def probe(path: Path) -> None:
    """Make sure that an SQLite file can be written now; MLflow itself would retry for minutes.

    Raises:
        StoreTroubleError: it is locked, read-only, no database, a link, or the disk is full.
    """
    refuse_odd(path)
    if not path.exists():
        # SQLite would make it with mode 644 whatever the umask allows: a group could not write into the store that it shares
        with contextlib.suppress(OSError):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        return
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            db.execute("ROLLBACK")
            tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except sqlite3.Error as error:
        raise as_trouble(error, path) from error
    if tables and tables.isdisjoint(("experiments", "runs", "alembic_version")):  # MLflow would add its own to them
        raise StoreTroubleError(f"{path} is a database of another program", MADE_AGAIN)


def refuse_odd(path: Path) -> None:
    """Make sure that nothing but a file is in the place of an SQLite file, if anything is.

    Raises:
        StoreTroubleError: a link, which whoever filled the workspace may have put there, a folder or a special file.
    """
    if path.is_symlink():
        where = "" if path.exists() else " that leads nowhere"
        raise StoreTroubleError(
            f"{path} is a symbolic link{where}", "remove it, or name the database that it leads to with --uri"
        )
    if path.exists() and not path.is_file():
        kind = "a folder" if path.is_dir() else "no file"
        raise StoreTroubleError(f"{path} is {kind}", MADE_AGAIN)


def relocate(path: Path, workspace: Path) -> int:
    """Correct the absolute artifact paths of a workspace that was moved; return the number of rows changed.

    Raises:
        StoreTroubleError: the file cannot be read or written.
    """
    if not path.exists():
        return 0
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)) as db:
            outdated = _outdated(db, workspace)
            if outdated:
                db.execute("BEGIN IMMEDIATE")
                for statement, values in outdated:
                    db.execute(statement, values)
                db.execute("COMMIT")
            return len(outdated)
    except sqlite3.Error as error:
        raise as_trouble(error, path) from error


def _outdated(db: sqlite3.Connection, workspace: Path) -> list[tuple[str, tuple[str, str | int]]]:
    """The corrections of the columns in which MLflow keeps absolute paths, ours all below `mlartifacts/`."""
    root, mark = artifact_root(workspace), f"/{ARTIFACTS}/"
    found: list[tuple[str, tuple[str, str | int]]] = []
    columns = (
        ("experiments", "artifact_location"),
        ("runs", "artifact_uri"),
        ("logged_models", "artifact_location"),
        ("model_versions", "source"),
        ("model_versions", "storage_location"),
    )
    for table, column in columns:
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone():
            continue  # a database whose making was cut short
        for row, location in db.execute(f"SELECT rowid, {column} FROM {table} WHERE instr({column}, ?)", (mark,)):  # noqa: S608 (names of our own)
            right = f"{root}/{location.rpartition(mark)[2]}"
            if location != right:
                found.append((f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (right, row)))  # noqa: S608 (names of our own)
    return found


def artifact_root(workspace: Path) -> str:
    """The URI below which the artifacts of a workspace lie."""
    return (workspace.resolve() / ARTIFACTS).as_uri()


def artifact_folders(workspace: Path, database: Path | None = None) -> list[Path]:
    """The folders in which artifacts may lie: of the workspace, and beside a store that the user has named."""
    places = [workspace.resolve(), *([database.parent.resolve()] if database else [])]
    return list(dict.fromkeys(place / ARTIFACTS for place in places))


def confine(folder: Path, within: Sequence[Path]) -> None:
    """Make sure that a folder of artifacts lies where artifacts may lie, and leads nowhere else.

    A database may name any folder, and a link in a folder leads to any file.

    Args:
        folder: what the database names; it need not exist.
        within: the folders in which artifacts may lie, without links in their own paths.

    Raises:
        StoreTroubleError: it is elsewhere, or a link or a special file is on the way to it or in it.
    """
    whole = Path(os.path.abspath(folder))
    if not any(whole.is_relative_to(place) for place in within):
        raise StoreTroubleError(
            f"{folder} is not in {' or '.join(str(place) for place in within)}", "artifacts are only there"
        )
    if Path(os.path.realpath(whole)) != whole:
        raise StoreTroubleError(f"a symbolic link is on the way to {folder}", "replace it by what it leads to")
    waiting = [whole] if whole.is_dir() else []
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(Path(entry.path))
                elif not entry.is_file(follow_symlinks=False):
                    raise StoreTroubleError(
                        f"{entry.path} is a link or a special file", "artifacts are files, remove it"
                    )


def known(path: Path, workspace: Path) -> dict[str, tuple[str, str]]:
    """What an SQLite store holds, uuid -> (run id, fingerprint), without the cost of importing MLflow.

    Empty whenever it needs opening for another reason: not yet made, moved, of another MLflow, locked.
    """
    if path.is_symlink() or not path.is_file():
        return {}
    query = (
        "SELECT u.value, r.run_uuid, f.value FROM runs r "
        "JOIN tags u ON u.run_uuid = r.run_uuid AND u.key = 'htr_exp.uuid' "
        "JOIN tags f ON f.run_uuid = r.run_uuid AND f.key = 'htr_exp.fingerprint' "
        "JOIN experiments e ON e.experiment_id = r.experiment_id AND e.lifecycle_stage = 'active' "
        "WHERE r.lifecycle_stage = 'active'"
    )
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=1)) as db:
            if path.parent == workspace.resolve() and _outdated(db, workspace):
                return {}
            return {key: (run, mark) for key, run, mark in db.execute(query)}
    except sqlite3.Error:
        return {}


def tables(path: Path, address: str) -> dict[str, str]:
    """The address of each experiment's table of scores in the UI at `address`, by the experiment's name."""
    query = "SELECT name, experiment_id FROM experiments WHERE lifecycle_stage = 'active' AND experiment_id > 0"
    return {name: pages.table_of(address, number) for name, number in sorted(_rows(path, query))}


def front(path: Path, address: str, run_ids: Sequence[str] = ()) -> str | None:
    """What the UI at `address` is opened on: the only one of these runs, else the table with the newest one; None without runs."""
    query = (
        "SELECT r.experiment_id, r.run_uuid FROM runs r JOIN experiments e ON e.experiment_id = r.experiment_id "
        "WHERE r.lifecycle_stage = 'active' AND e.lifecycle_stage = 'active' ORDER BY r.start_time DESC, r.run_uuid"
    )
    found = [(experiment, run) for experiment, run in _rows(path, query) if not run_ids or run in run_ids]
    if not found:
        return None
    return pages.run_of(address, *found[0]) if len(run_ids) == len(found) == 1 else pages.table_of(address, found[0][0])


def _rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    """The rows of a query; none where the file cannot be read now."""
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=1)) as db:
            return db.execute(query).fetchall()
    except sqlite3.Error:
        return []


def place(source: Path, target: Path) -> None:
    """Show `source` at `target` without storing it twice: a hard link, or a copy where the file system has none."""
    if target.exists() and target.samefile(source):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}")
    try:
        try:
            os.link(source, aside)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
                raise
            new, old = source.stat(), target.stat() if target.exists() else None
            if old and (old.st_size, old.st_mtime_ns) == (new.st_size, new.st_mtime_ns):
                return
            shutil.copy2(source, aside)
        os.replace(aside, target)
    finally:
        aside.unlink(missing_ok=True)


def as_trouble(error: BaseException, path: Path) -> StoreTroubleError:
    """What a failed access means and what to do."""
    text = str(error)
    if "locked" in text:
        what = f"{path} is locked by another program for more than {BUSY_SECONDS:.0f} s"
        return StoreTroubleError(what, "close it and sync again")
    if "readonly" in text or "read-only" in text.lower() or isinstance(error, PermissionError):
        what = f"{path} cannot be written (read-only)"
        return StoreTroubleError(what, "make it writable, or set site.workspace to a place of yours")
    if "full" in text or getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
        return StoreTroubleError(f"the disk that holds {path} is full", "free some space and sync again")
    if "not a database" in text or "malformed" in text:
        return StoreTroubleError(f"{path} is not an SQLite database", MADE_AGAIN)
    return StoreTroubleError(f"{path} cannot be opened ({text})", MADE_AGAIN)


def environment() -> dict[str, str]:
    """The variables that keep MLflow quiet, at home and quick to give up; what the user has set wins."""
    return {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "GIT_PYTHON_REFRESH": "quiet",
        "MLFLOW_LOGGING_LEVEL": "CRITICAL",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    } | {key: value for key, value in os.environ.items() if key.startswith("MLFLOW_")}
