"""Records run folders in MLflow; the folder is the truth, MLflow a view of it that can be made again at any time."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import urllib.error
import urllib.request
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from htr_exp.core.own_command import own_command
from htr_exp.core.program import NoAnswer
from htr_exp.core.secrets import hidden, without_password
from htr_exp.core.text import joined
from htr_exp.core.time_limit import within
from htr_exp.runs.ownership import copies_among, is_ours
from htr_exp.runs.run_dir import RunDir
from htr_exp.runs.seals import CHANGED
from htr_exp.runs.selection import runs_in
from htr_exp.tracking import run_view
from htr_exp.tracking import store as tracking_store
from htr_exp.tracking.store import (
    LOCK_SECONDS,
    BusyError,
    StoreTroubleError,
    as_trouble,
    probe,
    relocate,
    store_uri,
    written_alone,
)
from htr_exp.tracking.sweeps import Sweeps
from htr_exp.tracking.writer import Writer, marked, marks_key

__all__ = ["Recorded", "due", "store_of", "store_uri", "sync_runs"]

SERVER_SECONDS = 5.0  # for a tracking server to answer at all
RECORD_SECONDS = 120.0  # for it to take a run, whatever it says meanwhile; its files take longer:
SLOWEST = 50_000.0  # bytes a second

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of one run folder."""

    run: str  # the folder's name
    run_id: str  # MLflow's; empty if unknown
    changed: bool
    problem: str | None = None  # in plain words, with what to do next
    store: str = ""  # where it is recorded; no password in it


def store_of(folder: Path, workspace: Path) -> str | None:
    """The URI of the store in which a run's own experiment wants it recorded, or None: nowhere by itself.

    Whether we speak to it is another question: `unnamed_server`.
    """
    kind, uri = run_view.tracked(folder)
    return None if kind == "none" else store_uri(workspace, uri if kind == "server" else None)


def experiments_of(run_dirs: Iterable[Path], uri: str, workspace: Path) -> dict[str, str]:
    """The experiments of a tracking server that runs were last recorded in: name -> id there, as the folders note it."""
    found: dict[str, str] = {}
    for folder in run_dirs:
        noted = marked(folder, marks_key(store_uri(workspace, uri), workspace)).get("experiment")
        if isinstance(noted, dict) and noted.keys() >= {"name", "id"}:
            found[str(noted["name"])] = str(noted["id"])
    return dict(sorted(found.items()))


def unnamed_server(folder: Path) -> str | None:
    """The store that only the run folder names, without a password, or None: it may be spoken to.

    A store is named by its user: in the words that started a run of our own, in `--uri`, or in MLFLOW_TRACKING_URI.
    The folder of somebody else is no reason to send anything anywhere, least of all a password.
    """
    kind, uri = run_view.tracked(folder)
    if kind != "server" or uri is None:
        return None
    named = os.environ.get("MLFLOW_TRACKING_URI", "").rstrip("/")
    return None if uri.rstrip("/") == named or is_ours(RunDir(folder)) else without_password(uri)


def due(run_dirs: Iterable[Path], workspace: Path, *, servers: bool = True) -> list[Path]:
    """The runs that their own stores do not show as they are, without importing MLflow or asking a server.

    Args:
        run_dirs: the run folders.
        workspace: where the embedded store lies.
        servers: also the runs that are recorded elsewhere than in that store.
    """
    found: list[Path] = []
    wanted = {folder: store_of(folder, workspace) for folder in run_dirs}
    here = store_uri(workspace)
    chosen = [folder for folder, store in wanted.items() if store is not None and (servers or store == here)]
    for target, folders in _by_store(chosen, workspace).items():
        recorded: dict[Path, Recorded] = {}
        _skip_known(target, workspace, {folder: run_view.fingerprint(folder) for folder in folders}, recorded)
        found += [folder for folder in folders if folder not in recorded]
    return found


def sync_runs(
    run_dirs: Sequence[Path],
    *,
    workspace: Path,
    uri: str | None = None,
    ask: bool = True,
    every_digest: bool = False,
    progress: Say | None = None,
) -> list[Recorded]:
    """Record run folders in MLflow; doing it again changes nothing. Never raises because of a store.

    Args:
        run_dirs: the run folders.
        workspace: where the embedded store lies; paths are recorded relative to it.
        uri: a tracking server (http, https) or another store of MLflow's for all of them; None: each where its own
            experiment says, and in the embedded store if that says nowhere.
        ask: make sure that a server still has what the marks in the run folders say; it takes MLflow and a request a run.
        every_digest: check every sealed file by its digest first, also of runs that are recorded as they are.
        progress: called with one sentence for each run that is recorded, and before a wait.
    """
    found = {folder: Recorded(folder.name, "", False, said) for folder, said in _copies(run_dirs).items()}
    if not uri:
        for folder in run_dirs:
            if server := unnamed_server(folder):
                found[folder] = Recorded(folder.name, "", False, _not_sent(folder, server))
    there = [folder for folder in run_dirs if folder not in found]
    stores = {store_uri(workspace, uri): there} if uri else _by_store(there, workspace)
    for target, folders in stores.items():
        if every_digest:
            _refuse_changed(folders, found, without_password(target), every_digest=True)
            folders = [folder for folder in folders if folder not in found]
        _sync_store(target, folders, workspace, ask, found, progress)
    return [found[folder] for folder in run_dirs]


def _copies(folders: Sequence[Path]) -> dict[Path, str]:
    """What is said of folders of one and the same run, which would record themselves over each other: only the original may."""
    said: dict[Path, str] = {}
    for parent in dict.fromkeys(folder.parent for folder in folders):
        for copy, others in copies_among(runs_in(parent)).items():
            if copy in folders:
                names = joined([other.name for other in others])
                said[copy] = (
                    f"{copy.name}: {names} in the same folder is the same run, copied. MLflow has one record of a run, so this folder is "
                    "not recorded. Move the copy to another workspace"
                )
    return said


def _not_sent(folder: Path, server: str) -> str:
    return (
        f"{folder.name}: only its own record names the server {server}, and you did not write this folder here: nothing was sent. "
        f"To record it there, `{own_command(f'sync {folder.name} --uri {server}')}`; "
        f"in this workspace alone, `{own_command(f'sync {folder.name} --uri sqlite:///{tracking_store.DATABASE}')}`"
    )


def _by_store(run_dirs: Iterable[Path], workspace: Path) -> dict[str, list[Path]]:
    stores: dict[str, list[Path]] = {}
    for folder in run_dirs:
        stores.setdefault(store_of(folder, workspace) or store_uri(workspace), []).append(folder)
    return stores


def _sync_store(
    target: str, folders: Sequence[Path], workspace: Path, ask: bool, found: dict[Path, Recorded], progress: Say | None
) -> None:
    marks = {folder: run_view.fingerprint(folder) for folder in folders}
    database = tracking_store.database(target)
    try:
        if (database or not ask) and _skip_known(target, workspace, marks, found):
            return
        if database is None:
            if target.startswith(("http://", "https://")):
                _reach(target)
            _record(folders, marks, found, workspace, target, progress)
            return
        with written_alone(database, wait=LOCK_SECONDS, say=progress):
            probe(database)
            if database.parent == workspace.resolve():
                relocate(database, workspace)
            _record(folders, marks, found, workspace, target, progress)
    except StoreTroubleError as trouble:
        for folder in folders:
            found.setdefault(folder, Recorded(folder.name, "", False, str(trouble), without_password(target)))


def _skip_known(target: str, workspace: Path, marks: Mapping[Path, str], found: dict[Path, Recorded]) -> bool:
    """Note the runs that are recorded as they are, without importing MLflow; say whether that was all of them.

    The embedded store is looked into; of any other one, the marks in the run folders are believed.
    """
    database = tracking_store.database(target)
    known = tracking_store.known(database, workspace) if database else {}
    key = marks_key(target, workspace)
    for folder, mark in marks.items():
        if database:
            try:
                run_id, recorded = known.get(run_view.identity(folder), ("", ""))
            except run_view.NotARunError:
                continue
        else:
            note = marked(folder, key)
            run_id, recorded = note.get("run_id", ""), note.get("fingerprint", "")
        if recorded == mark:
            found[folder] = Recorded(folder.name, run_id, False, store=without_password(target))
    return all(folder in found for folder in marks)


def _record(
    folders: Sequence[Path],
    marks: Mapping[Path, str],
    found: dict[Path, Recorded],
    workspace: Path,
    target: str,
    progress: Say | None,
) -> None:
    writer: Writer | None = None
    sweeps = Sweeps()
    store = without_password(target)
    for number, folder in enumerate(folders, 1):
        if folder in found:
            continue
        try:
            view = run_view.read(folder, workspace, sweeps)
        except run_view.NotARunError as error:
            found[folder] = Recorded(folder.name, "", False, str(error), store)
            continue
        except (TypeError, AttributeError, KeyError, ValueError) as error:
            problem = f"{folder} is not a whole run folder ({type(error).__name__}: {error})"
            found[folder] = Recorded(folder.name, "", False, problem, store)
            continue
        _refuse_changed([folder], found, store)
        if folder in found:
            continue
        try:
            writer = writer or Writer(target, workspace)
            # The embedded store is locked as a whole; on a server, a job and a person may record the same run at once.
            hold = contextlib.nullcontext() if tracking_store.database(target) else _locked_run(folder, progress)
            with hold, warnings.catch_warnings():
                # What MLflow's libraries find deprecated in each other is not the user's matter.
                warnings.simplefilter("ignore")
                run_id, changed = _put(writer, view, marks[folder])
        except BusyError as busy:
            found[folder] = Recorded(folder.name, "", False, str(busy), store)
            continue
        except StoreTroubleError:
            raise
        except Exception as error:  # what MLflow and its drivers raise has no bound, and none of it may end a training
            if getattr(error, "error_code", "") != "INVALID_PARAMETER_VALUE":
                raise _trouble(error, target) from error
            found[folder] = Recorded(folder.name, "", False, str(_trouble(error, target)), store)  # of this run alone
            continue
        found[folder] = Recorded(folder.name, run_id, changed, store=store)
        if changed and progress:
            progress(f"{number}/{len(folders)} recorded {folder.name}")


def _refuse_changed(
    folders: Sequence[Path], found: dict[Path, Recorded], store: str, *, every_digest: bool = False
) -> None:
    """Note the runs of which a sealed file was changed: what MLflow would show of them, no run has made."""
    for folder in folders:
        if broken := RunDir(folder).broken_seals(every_digest=every_digest):
            said = f"{folder}: {CHANGED.format(files=', '.join(broken))}; it is not recorded in MLflow"
            found[folder] = Recorded(folder.name, "", False, said, store)


def _put(writer: Writer, view: run_view.RunView, mark: str) -> tuple[str, bool]:
    """Record a run unless it is there as it is; return its id, and whether that changed anything.

    Raises:
        StoreTroubleError: a server took too long.
    """

    def put() -> tuple[str, bool]:
        there = writer.unchanged(view.folder, view.uuid, mark)
        return (writer.record(view, mark), True) if there is None else (there, False)

    if tracking_store.database(writer.uri):  # which has no server, and may only be used by the thread that opened it
        return put()
    sent = sum(path.stat().st_size for path in view.artifacts.values() if path.is_file())
    seconds = RECORD_SECONDS + round(sent / SLOWEST)
    try:
        return within(seconds, put, f"the tracking server {without_password(writer.uri)}")
    except NoAnswer:
        writer.give_up()
        raise StoreTroubleError(
            f"the tracking server {without_password(writer.uri)} is too slow",
            f"it did not take {view.name} within {seconds:g} s; the run folders lack nothing, `htr-exp sync` tries again",
        ) from None


def _locked_run(folder: Path, progress: Say | None) -> contextlib.AbstractContextManager[Any]:
    return written_alone(RunDir(folder).tracking_marks, wait=SERVER_SECONDS, say=progress)


def _reach(uri: str) -> None:
    """Make sure that a server answers, before MLflow is imported.

    Raises:
        StoreTroubleError: it does not.
    """

    def ask() -> None:
        with urllib.request.urlopen(f"{without_password(uri)}/health", timeout=SERVER_SECONDS):  # noqa: S310 (sync calls it for http only)
            pass

    try:
        within(SERVER_SECONDS, ask, without_password(uri))
    except urllib.error.HTTPError as answer:
        answer.close()  # whether it lets us in, MLflow finds out
    except (NoAnswer, OSError, ValueError, http.client.HTTPException) as error:
        reason = (
            f"no answer within {SERVER_SECONDS:g} s" if isinstance(error, NoAnswer) else getattr(error, "reason", error)
        )
        raise StoreTroubleError(
            f"the tracking server {without_password(uri)} does not answer ({reason})",
            "start it or correct tracking.uri; the run folders lack nothing, `htr-exp sync` records them",
        ) from error


def _trouble(error: Exception, uri: str) -> StoreTroubleError:
    """What MLflow's error means and what to do."""
    text = hidden(" ".join(str(error).split()))
    database = tracking_store.database(uri)
    uri = without_password(uri)
    if "out-of-date database schema" in text or "Can't locate revision" in text:
        return StoreTroubleError(
            f"{uri} was written by another version of MLflow",
            f"use that version, or `mlflow db upgrade {uri}` if it is older; or move the file away and `htr-exp sync` "
            "makes it again from the run folders",
        )
    if (isinstance(error, OSError) and not uri.startswith("http")) or (
        database and re.search(r"sqlite3?\.|disk|readonly|locked", text)
    ):
        return as_trouble(error, database or Path("the artifact folder"))
    if "401" in text or "403" in text:
        return StoreTroubleError(
            f"{uri} refuses us ({text[:200]})", "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
        )
    what = f"{uri}: {type(error).__name__}: {text[:400]}"
    return StoreTroubleError(what, "the run folders lack nothing, `htr-exp sync` tries again")
