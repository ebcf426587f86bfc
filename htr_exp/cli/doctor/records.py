"""The place where runs are recorded: a file of the workspace, or a server."""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import os
import re
import sqlite3
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from htr_exp.cli.doctor.finding import TIMEOUT_S, Finding, error, note, ok, warning
from htr_exp.config.schema import Tracking
from htr_exp.core.lock import owner_of
from htr_exp.core.program import NoAnswer
from htr_exp.core.secrets import without_password
from htr_exp.core.text import counted
from htr_exp.core.time_limit import within
from htr_exp.tracking import store

SERVER_S = 5.0
"""How long a tracking server may take to answer: as long as recording waits for it."""


def findings(tracking: Tracking, workspace: Path) -> Iterator[Finding]:
    """Look at the store that runs are recorded in.

    Args:
        tracking: as composed.
        workspace: where the embedded store lies.
    """
    if tracking.kind == "none":
        yield note("tracking=none", "runs are in their folders alone; `sync` records them when wanted")
    elif tracking.kind == "server":
        yield _server(tracking.uri)
    else:
        yield from _embedded(workspace)


def _server(uri: str | None) -> Finding:
    name = "tracking=server"
    if not uri or not uri.startswith(("http://", "https://")):
        found = f"tracking.uri={uri} is no address of a server" if uri else "it has no address"
        return error(name, found, "give it: tracking.uri=http://HOST:PORT")
    shown = without_password(uri).rstrip("/")
    began = time.monotonic()
    lost = "runs work without it, and `sync` records them later; start it, or correct tracking.uri"
    try:
        code = within(SERVER_S, lambda: _health(shown), shown)
    except (NoAnswer, OSError, ValueError, http.client.HTTPException) as failure:
        waited = time.monotonic() - began
        reason = (
            f"no answer within {SERVER_S:g} s"
            if isinstance(failure, NoAnswer | TimeoutError)
            else getattr(failure, "reason", failure)
        )
        return warning(name, f"{shown} does not answer ({reason}; given up after {waited:.1f} s)", lost)
    seconds = time.monotonic() - began
    if code in (401, 403):
        return warning(
            name,
            f"{shown} answers in {seconds:.2f} s, but wants a name and password",
            "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD",
        )
    if code != 200:
        return warning(
            name,
            f"{shown} answers ({code}), but not as MLflow does",
            f"see that it is MLflow's address: {shown}/health says OK there",
        )
    return ok(name, f"{shown} answers in {seconds:.2f} s")


def _health(uri: str) -> int:
    try:
        with urllib.request.urlopen(f"{uri}/health", timeout=SERVER_S) as answer:  # noqa: S310 (http only, as checked)
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code


def _embedded(workspace: Path) -> Iterator[Finding]:
    if importlib.util.find_spec("sqlalchemy") is None:
        missing = "MLflow's own store is not installed: runs are in their folders, and nowhere else"
        yield warning("tracking=embedded", missing, store.INSTALL)
    try:
        yield within(TIMEOUT_S, lambda: _database(workspace / store.DATABASE), f"{workspace / store.DATABASE}")
    except NoAnswer as silent:
        yield warning("tracking=embedded", str(silent), "close what uses it, and look again")


def _database(path: Path) -> Finding:
    name = "tracking=embedded"
    try:
        store.refuse_odd(path)
    except store.StoreTroubleError as trouble:
        return error(name, trouble.what, trouble.remedy)
    if not path.exists() or not path.stat().st_size:
        return ok(name, f"{path} is made when the first run is recorded")
    owner = owner_of(store.lock(path))
    if owner is not None:
        return note(
            name,
            f"{path} is being written by process {owner.pid} on {owner.host}",
            "nothing: others wait until it has ended",
        )
    try:
        with contextlib.closing(
            sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=store.BUSY_SECONDS)
        ) as db:
            runs = db.execute("SELECT count(*) FROM runs WHERE lifecycle_stage = 'active'").fetchone()[0]
            schema = str(db.execute("SELECT version_num FROM alembic_version").fetchone()[0])
    except (sqlite3.Error, TypeError) as failure:
        remedy = "move it away: `sync` makes it again from the run folders"
        if "locked" in str(failure):
            return warning(name, f"{path} is locked by another program", "close that program, and look again")
        return error(name, f"{path} is not MLflow's database ({failure})", remedy)
    known = _schemas()
    if known and schema not in known:
        return error(
            name,
            f"{path} was written by a newer MLflow than the one here",
            "install that version of MLflow, or move the file away: `sync` makes it again from the run folders",
        )
    if known and schema != known[-1]:
        return error(
            name,
            f"{path} was written by an older MLflow than the one here",
            f"`mlflow db upgrade sqlite:///{path}`, or move it away: `sync` makes it again from the run folders",
        )
    if not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):  # SQLite reads it and says nothing
        remedy = "make it writable, or set site.workspace to a place of yours"
        return warning(name, f"{path} holds {counted(runs, 'run')} and cannot be written (read-only)", remedy)
    try:
        store.probe(path)
    except store.StoreTroubleError as trouble:
        return warning(name, trouble.what, trouble.remedy)
    return ok(name, f"{path} holds {counted(runs, 'run')} and can be written")


def _schemas() -> list[str]:
    """The versions of the database's tables that the installed MLflow knows, the newest last; MLflow itself is not imported."""
    spec = importlib.util.find_spec("mlflow")
    after: dict[str | None, str] = {}
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for file in (Path(folder) / "store" / "db_migrations" / "versions").glob("*.py"):
            text = file.read_text(encoding="utf-8", errors="replace")
            own = re.search(r"^revision\s*(?::\s*\w+)?\s*=\s*['\"](\w+)['\"]", text, re.MULTILINE)
            before = re.search(r"^down_revision\s*(?::[^=]+)?=\s*(?:['\"](\w+)['\"]|None)", text, re.MULTILINE)
            if own and before:
                after[before[1]] = own[1]
    known: list[str] = []
    while (following := after.get(known[-1] if known else None)) is not None:
        known.append(following)
    return known
