"""Records run folders in MLflow; the folder is the truth, MLflow a view of it that can be made again at any time.

MLflow can only append metrics and never changes a param. So when a run folder contradicts what is recorded (a restart
redid an epoch, or withdrew it), the MLflow run is deleted and made again; otherwise only what is new is added.
"""

from __future__ import annotations

import contextlib
import getpass
import importlib.util
import json
import logging
import os
import re
import shutil
import urllib.error
import urllib.request
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from htr_exp import files, runview, trackstore
from htr_exp.trackstore import CLAIM_SECONDS, INSTALL, StoreTroubleError, store_uri
from htr_exp.trackui import ui

__all__ = ["Recorded", "store_uri", "sync", "ui"]

MARKS = "live/tracking.json"
SERVER_SECONDS = 5.0  # for a tracking server to answer at all
# One log_batch may hold 1000 entities, of which 100 params and 100 tags.
PARAMS_A_BATCH, METRICS_A_BATCH = 100, 800

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of one run folder."""

    run: str  # the folder's name
    run_id: str  # MLflow's; empty if unknown
    changed: bool
    problem: str | None = None  # in plain words, with what to do next


def sync(
    run_dirs: Sequence[Path], *, workspace: Path, uri: str | None = None, progress: Say | None = None
) -> list[Recorded]:
    """Record run folders in MLflow; doing it again changes nothing. Never raises because of the store.

    Args:
        run_dirs: the run folders.
        workspace: where the embedded store lies; paths are recorded relative to it.
        uri: a tracking server (http, https), another store of MLflow's, or None for the embedded one.
        progress: called with one sentence for each run that is recorded, and before a wait.
    """
    target = store_uri(workspace, uri)
    marks = {folder: runview.fingerprint(folder) for folder in run_dirs}
    found: dict[Path, Recorded] = {}
    try:
        database = trackstore.database(target)
        if database is None:
            if target.startswith(("http://", "https://")):
                _reach(target)
            _sync(run_dirs, marks, found, workspace, target, progress)
        elif not _skip_known(database, workspace, marks, found):
            with trackstore.written_alone(database, wait=CLAIM_SECONDS, say=progress):
                trackstore.probe(database)
                if database.parent == workspace.resolve():
                    trackstore.relocate(database, workspace)
                _sync(run_dirs, marks, found, workspace, target, progress)
    except StoreTroubleError as trouble:
        for folder in run_dirs:
            found.setdefault(folder, Recorded(folder.name, "", False, str(trouble)))
    return [found[folder] for folder in run_dirs]


def _skip_known(database: Path, workspace: Path, marks: dict[Path, str], found: dict[Path, Recorded]) -> bool:
    """Note the runs that are recorded as they are, without importing MLflow; say whether that was all of them."""
    known = trackstore.known(database, workspace)
    for folder, mark in marks.items():
        with contextlib.suppress(runview.NotARunError):
            run_id, recorded = known.get(runview.identity(folder), ("", ""))
            if recorded == mark:
                found[folder] = Recorded(folder.name, run_id, False)
    return len(found) == len(marks)


def _sync(
    run_dirs: Sequence[Path],
    marks: dict[Path, str],
    found: dict[Path, Recorded],
    workspace: Path,
    target: str,
    progress: Say | None,
) -> None:
    recorder: _Recorder | None = None
    for number, folder in enumerate(run_dirs, 1):
        if folder in found:
            continue
        try:
            view = runview.read(folder, workspace)
        except runview.NotARunError as error:
            found[folder] = Recorded(folder.name, "", False, str(error))
            continue
        except (TypeError, AttributeError, KeyError, ValueError) as error:
            problem = f"{folder} is not a whole run folder ({type(error).__name__}: {error})"
            found[folder] = Recorded(folder.name, "", False, problem)
            continue
        try:
            recorder = recorder or _Recorder(target, workspace)
            # The embedded store is claimed as a whole; on a server, a job and a person may record the same run at once.
            hold = contextlib.nullcontext() if trackstore.database(target) else _claim_run(folder, progress)
            with hold, warnings.catch_warnings():
                # What MLflow's libraries find deprecated in each other is not the user's matter.
                warnings.simplefilter("ignore")
                run_id = recorder.unchanged(folder, view.uuid, marks[folder])
                changed = run_id is None
                if run_id is None:
                    run_id = recorder.record(view, marks[folder])
        except StoreTroubleError:
            raise
        except Exception as error:  # what MLflow and its drivers raise has no bound, and none of it may end a training
            if getattr(error, "error_code", "") != "INVALID_PARAMETER_VALUE":
                raise StoreTroubleError(_in_words(error, target)) from error
            found[folder] = Recorded(folder.name, "", False, _in_words(error, target))  # of this run alone
            continue
        found[folder] = Recorded(folder.name, run_id, changed)
        if changed and progress:
            progress(f"{number}/{len(run_dirs)} recorded {folder.name}")


def _claim_run(folder: Path, progress: Say | None) -> contextlib.AbstractContextManager[Any]:
    return trackstore.written_alone(folder / "live/tracking", wait=SERVER_SECONDS, say=progress)


class _Recorder:
    """One open store."""

    def __init__(self, uri: str, workspace: Path) -> None:
        self.uri = uri
        self.workspace = workspace
        self.key = re.sub(r"//[^/@]*@", "//", uri)  # no password in a run folder
        if trackstore.database(uri):
            self.key = "embedded" if uri == store_uri(workspace) else uri
        self.client = _client(uri)
        self.experiments: dict[str, str] = {}
        self.sweeps: dict[tuple[str, str], str] = {}

    def unchanged(self, folder: Path, uuid: str, mark: str) -> str | None:
        """Return the id of the MLflow run if it is there and shows the folder as it is."""
        note = _read_marks(folder).get(self.key) or {}
        if note.get("fingerprint") != mark or not note.get("run_id"):
            return None
        from mlflow.exceptions import MlflowException

        try:
            run = self.client.get_run(note["run_id"])
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return None
        active = run.info.lifecycle_stage == "active" and run.data.tags.get("htr_exp.uuid") == uuid
        return note["run_id"] if active and run.data.tags.get("htr_exp.fingerprint") == mark else None

    def record(self, view: runview.RunView, mark: str) -> str:
        """Make the MLflow run show the folder; the fingerprint comes last, so that a half-done record is done again."""
        experiment = self._experiment(view.question)
        run = self._find(experiment, "htr_exp.uuid", view.uuid)
        if run is not None and self._contradicts(run, view):
            self._delete(run)
            run = None
        if run is None:
            tags = {"htr_exp.uuid": view.uuid, "mlflow.user": _user()}
            run = self.client.create_run(experiment, view.started, tags, view.name)
        run_id: str = run.info.run_id
        self._log(run, view)
        if not run.inputs or not run.inputs.dataset_inputs:
            self._log_datasets(run_id, view.datasets)
        sent = self._log_artifacts(run, view)
        if view.ended is None:
            self.client.update_run(run_id, status=view.status, name=view.name)
        else:
            self.client.set_terminated(run_id, status=view.status, end_time=view.ended)
        self._tag(run, view, experiment, mark)
        note = {"run_id": run_id, "fingerprint": mark, "files": sent, "time": files.utc_now()}
        with contextlib.suppress(OSError):  # only a mark: without it the next sync asks the store
            files.write_json(view.folder / MARKS, {**_read_marks(view.folder), self.key: note})
        return run_id

    def _experiment(self, name: str) -> str:
        """Return the id of a question's experiment, made at need."""
        if name in self.experiments:
            return self.experiments[name]
        from mlflow.exceptions import MlflowException

        found = self.client.get_experiment_by_name(name)
        if found is None:
            location = None
            if not self.uri.startswith(("http://", "https://")):
                folder = re.sub(r"[^\w.-]+", "_", name).strip(".") or "_"
                location = f"{trackstore.artifact_root(self.workspace)}/{folder}"
            # Without this tag the page opens on the view for language models, which has no table of runs.
            tags = {
                "mlflow.experimentKind": "custom_model_development",
                trackstore.TABLE_TAG: json.dumps(trackstore.TABLE_COLUMNS),
            }
            try:
                self.experiments[name] = self.client.create_experiment(name, location, tags)
            except MlflowException as error:  # two jobs with the same new question
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
                return self._experiment(name)
            if trackstore.database(self.uri):
                self._hide_empty_default()
        else:
            if found.lifecycle_stage != "active":
                self.client.restore_experiment(found.experiment_id)
            self.experiments[name] = found.experiment_id
        return self.experiments[name]

    def _hide_empty_default(self) -> None:
        # MLflow makes an experiment "Default" with every database, beside our "default".
        default = self.client.get_experiment_by_name("Default")
        if default and default.lifecycle_stage == "active" and not self.client.search_runs(["0"], max_results=1):
            self.client.delete_experiment(default.experiment_id)

    def _find(self, experiment: str, tag: str, value: str) -> Any:
        quoted = value.replace("'", "''")
        found = self.client.search_runs([experiment], f"tags.`{tag}` = '{quoted}'", max_results=1)
        return self.client.get_run(found[0].info.run_id) if found else None

    def _contradicts(self, run: Any, view: runview.RunView) -> bool:
        """Say whether MLflow shows a value that the folder no longer has."""
        params = run.data.params
        if any(key in view.params and view.params[key] != value for key, value in params.items()):
            return True
        ours = {name for name, _ in view.metrics}
        return any(
            (recorded := view.metrics.get((name, metric.step))) is None or recorded[0] != metric.value
            for name in ours.intersection(run.data.metrics)
            for metric in self.client.get_metric_history(run.info.run_id, name)
        )

    def _delete(self, run: Any) -> None:
        self.client.delete_run(run.info.run_id)
        folder = trackstore.local_path(run.info.artifact_uri)
        if folder and folder.name == "artifacts" and trackstore.ARTIFACTS in folder.parts:
            shutil.rmtree(folder.parent, ignore_errors=True)

    def _log(self, run: Any, view: runview.RunView) -> None:
        """Add the params and metrics that are not there yet."""
        from mlflow.entities import Metric, Param

        there = {
            (name, metric.step)
            for name in run.data.metrics
            for metric in self.client.get_metric_history(run.info.run_id, name)
        }
        params = [Param(key, value) for key, value in view.params.items() if key not in run.data.params]
        metrics = [
            Metric(name, value, when, step)
            for (name, step), (value, when) in view.metrics.items()
            if (name, step) not in there
        ]
        while params or metrics:
            self.client.log_batch(run.info.run_id, metrics[:METRICS_A_BATCH], params[:PARAMS_A_BATCH])
            params, metrics = params[PARAMS_A_BATCH:], metrics[METRICS_A_BATCH:]

    def _log_datasets(self, run_id: str, datasets: Sequence[runview.DatasetView]) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        inputs = [
            DatasetInput(
                Dataset(part.name, part.digest, "local", part.source, profile=part.profile),
                [InputTag("mlflow.data.context", part.context)],
            )
            for part in datasets
        ]
        if inputs:
            self.client.log_inputs(run_id, datasets=inputs)

    def _log_artifacts(self, run: Any, view: runview.RunView) -> dict[str, Sequence[int]]:
        """Link the files where the store lies on this machine, else upload what it does not have yet."""
        root = None if self.uri.startswith("http") else trackstore.local_path(run.info.artifact_uri)
        note = _read_marks(view.folder).get(self.key) or {}
        before = note.get("files", {}) if note.get("run_id") == run.info.run_id else {}
        sent: dict[str, Sequence[int]] = {}
        for shown, path in view.artifacts.items():
            if root is not None:
                trackstore.place(path, root / shown)
                continue
            if shown in runview.GROWING.values() and view.ended is None:
                continue  # sent once it is whole
            sent[shown] = runview.stamp(path)
            if list(sent[shown]) != before.get(shown):
                self._upload(run.info.run_id, path, shown)
        return sent

    def _upload(self, run_id: str, path: Path, shown: str) -> None:
        folder = str(Path(shown).parent)
        self.client.log_artifact(run_id, str(path), None if folder == "." else folder)

    def _tag(self, run: Any, view: runview.RunView, experiment: str, mark: str) -> None:
        from mlflow.entities import RunTag

        tags = dict(view.tags)
        if view.sweep:
            tags["mlflow.parentRunId"] = self._parent(experiment, view.sweep, view.started)
        for key in run.data.tags:
            if key.startswith("htr_exp.") and key not in tags and key != "htr_exp.fingerprint":
                self.client.delete_tag(run.info.run_id, key)
        tags["htr_exp.fingerprint"] = mark
        self.client.log_batch(run.info.run_id, tags=[RunTag(key, value) for key, value in tags.items()])

    def _parent(self, experiment: str, sweep: runview.SweepView, started: int) -> str:
        """Return the id of the run that stands for a sweep, made with its first run."""
        if (experiment, sweep.id) not in self.sweeps:
            run = self._find(experiment, "htr_exp.sweep", sweep.id)
            if run is None:
                tags = {
                    "htr_exp.sweep": sweep.id,
                    "mlflow.user": _user(),
                    "mlflow.note.content": f"The sweep `{sweep.name}`: its runs are nested below it.",
                }
                run = self.client.create_run(experiment, started, tags, sweep.name)
                self.client.set_terminated(run.info.run_id, status="FINISHED", end_time=started)
            self.sweeps[experiment, sweep.id] = run.info.run_id
        return self.sweeps[experiment, sweep.id]


def _read_marks(folder: Path) -> dict[str, Any]:
    try:
        marks = files.read_json(folder / MARKS)
    except (OSError, ValueError):
        return {}
    return marks if isinstance(marks, dict) else {}


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without an entry for the user
        return str(os.getuid())


def _client(uri: str) -> Any:
    """Open a store.

    Raises:
        StoreTroubleError: MLflow, or the part of it that this store needs, is not installed.
    """
    if importlib.util.find_spec("mlflow") is None:
        raise StoreTroubleError(f"MLflow is not installed: {INSTALL}")
    if not uri.startswith(("http://", "https://")) and importlib.util.find_spec("sqlalchemy") is None:
        raise StoreTroubleError(f"only MLflow's client is installed, and {uri} needs the whole of it: {INSTALL}")
    os.environ.update(trackstore.environment())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mlflow.tracking import MlflowClient

        for name in ("mlflow", "alembic", "git"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        return MlflowClient(tracking_uri=uri, registry_uri=uri)


def _reach(uri: str) -> None:
    """Make sure that a server answers, before MLflow is imported.

    Raises:
        StoreTroubleError: it does not.
    """
    try:
        with urllib.request.urlopen(f"{uri}/health", timeout=SERVER_SECONDS):  # noqa: S310 (sync calls it for http only)
            pass
    except urllib.error.HTTPError:
        pass  # it answers; whether it lets us in, MLflow finds out
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise StoreTroubleError(
            f"the tracking server {uri} does not answer ({reason}): start it or mend tracking.uri, "
            "then `htr-exp sync`; the run folders lack nothing"
        ) from error


def _in_words(error: Exception, uri: str) -> str:
    """Say what MLflow's error means and what to do."""
    text = " ".join(str(error).split())
    database = trackstore.database(uri)
    if "out-of-date database schema" in text or "Can't locate revision" in text:
        return (
            f"{uri} was written by another version of MLflow: use that version, or `mlflow db upgrade {uri}` if it is "
            "older; or move the file away and `htr-exp sync` makes it again from the run folders"
        )
    if isinstance(error, OSError) or (database and re.search(r"sqlite3?\.|disk|readonly|locked", text)):
        return trackstore.in_words(error, database or Path("the artifact folder"))
    if "401" in text or "403" in text:
        return f"{uri} refuses us ({text[:200]}): set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
    return f"{uri}: {type(error).__name__}: {text[:400]}; the run folders lack nothing, `htr-exp sync` tries again"
