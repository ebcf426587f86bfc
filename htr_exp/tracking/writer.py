"""Makes an MLflow run show a run folder: the one module that speaks to MLflow.

MLflow can only append metrics and never changes a param. So when a run folder contradicts what is recorded (a restart
redid an epoch, or withdrew it), the MLflow run is deleted and made again; otherwise only what is new is added.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import math
import os
import re
import shutil
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from htr_exp.core import files, machine
from htr_exp.core.own_command import own_command
from htr_exp.core.secrets import without_password
from htr_exp.core.task import TASKS, Task
from htr_exp.runs.run_dir import RunDir
from htr_exp.tracking import pages, run_view, store, sweep_view
from htr_exp.tracking.store import INSTALL, LOCK_SECONDS, StoreTroubleError, store_uri
from htr_exp.tracking.sweeps import Sweep

# One log_batch may hold 1000 entities, of which 100 params and 100 tags.
PARAMS_A_BATCH, METRICS_A_BATCH = 100, 800

Shown = Mapping[tuple[str, int], float]
"""What MLflow shows of a run's metrics: (name, step) -> value; NaN where a step has several."""


class Writer:
    """One open store."""

    def __init__(self, uri: str, workspace: Path) -> None:
        self.uri = uri
        self.workspace = workspace
        self.key = marks_key(uri, workspace)
        self.client = client(uri)
        self.experiments: dict[tuple[str, Task], str] = {}

    def give_up(self) -> None:
        """Let what still waits for an answer do nothing more with it when it comes."""
        self.client = None

    def unchanged(self, folder: Path, uuid: str, mark: str) -> str | None:
        """The id of the MLflow run if it is there and shows the folder as it is."""
        if marked(folder, self.key).get("fingerprint") != mark:
            return None
        run = self._remembered(folder, uuid)
        return run.info.run_id if run and run.data.tags.get("htr_exp.fingerprint") == mark else None

    def _remembered(self, folder: Path, uuid: str) -> Any:
        """The MLflow run that the folder's mark names, if it is still there and this run's."""
        run_id = marked(folder, self.key).get("run_id")
        if not run_id:
            return None
        from mlflow.exceptions import MlflowException

        try:
            run = self.client.get_run(run_id)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return None
        return run if run.info.lifecycle_stage == "active" and run.data.tags.get("htr_exp.uuid") == uuid else None

    def record(self, view: run_view.RunView, mark: str) -> str:
        """Make the MLflow run show the folder, and return its id.

        The fingerprint comes last, so that a half-done record is done again.
        """
        experiment = self._experiment(view)
        run = self._remembered(view.folder, view.uuid)
        if run is not None and run.info.experiment_id != experiment:
            self._delete(run)  # it is shown elsewhere now
            run = None
        run = run or self._find(experiment, "htr_exp.uuid", view.uuid)
        shown = self._shown(run, view) if run else {}
        if run is not None and _contradicts(run, shown, view):
            self._delete(run)
            run, shown = None, {}
        if run is None:
            tags = {"htr_exp.uuid": view.uuid, "mlflow.user": machine.user()}
            run = self.client.create_run(experiment, view.started, tags, view.name)
        run_id: str = run.info.run_id
        self._log(run, shown, view)
        if not run.inputs or not run.inputs.dataset_inputs:
            self._log_datasets(run_id, view.datasets)
        sent = self._log_artifacts(run, view)
        if view.ended is None:
            self.client.update_run(run_id, status=view.status, name=view.name)
        else:
            self.client.set_terminated(run_id, status=view.status, end_time=view.ended)
        self._log_model(run, view)
        self._tag(run, view, experiment, mark)
        where = {"name": view.experiment, "id": experiment}
        note = {"run_id": run_id, "experiment": where, "fingerprint": mark, "files": sent, "time": files.utc_now()}
        with contextlib.suppress(OSError):  # only a mark: without it the next sync asks the store
            files.write_json(RunDir(view.folder).tracking_marks, {**read_marks(view.folder), self.key: note})
        return run_id

    def _experiment(self, view: run_view.RunView) -> str:
        """The id of a run's experiment, made at need, with a table that shows the scores of the run's task."""
        name, task = view.experiment, view.task
        if (name, task) in self.experiments:
            return self.experiments[name, task]
        from mlflow.exceptions import MlflowException

        found = self.client.get_experiment_by_name(name)
        if found is None:
            location = None
            if not self.uri.startswith(("http://", "https://")):
                folder = re.sub(r"[^\w.-]+", "_", view.question).strip(".") or "_"
                location = f"{store.artifact_root(self.workspace)}/{folder}"
            try:
                made: str = self.client.create_experiment(name, location, pages.experiment_tags([task]))
            except MlflowException as error:  # two jobs with the same new question
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
                return self._experiment(view)
            if store.database(self.uri):
                self._hide_empty_default()
            self.experiments[name, task] = made
        else:
            if found.lifecycle_stage != "active":
                self.client.restore_experiment(found.experiment_id)
            shown = [known for known in TASKS.values() if known.name in found.tags.get(pages.TASKS_TAG, "").split(", ")]
            tags = pages.experiment_tags([*shown, *[task] * (task not in shown)])
            for key, value in tags.items():
                if found.tags.get(key) != value:
                    self.client.set_experiment_tag(found.experiment_id, key, value)
            self.experiments[name, task] = found.experiment_id
        return self.experiments[name, task]

    def _hide_empty_default(self) -> None:
        # MLflow makes an experiment "Default" with every database, beside our "default".
        default = self.client.get_experiment_by_name("Default")
        if default and default.lifecycle_stage == "active" and not self.client.search_runs(["0"], max_results=1):
            self.client.delete_experiment(default.experiment_id)

    def _find(self, experiment: str, tag: str, value: str) -> Any:
        quoted = value.replace("'", "''")
        found = self.client.search_runs([experiment], f"tags.`{tag}` = '{quoted}'", max_results=1)
        return self.client.get_run(found[0].info.run_id) if found else None

    def _shown(self, run: Any, view: run_view.RunView) -> Shown:
        """The metrics that MLflow has of those that the folder may have changed."""
        found: dict[tuple[str, int], float] = {}
        for name in {name for name, _ in view.metrics}.intersection(run.data.metrics):
            for metric in self.client.get_metric_history(run.info.run_id, name):
                key = (name, metric.step)
                found[key] = metric.value if found.get(key, metric.value) == metric.value else math.nan
        return found

    def _delete(self, run: Any) -> None:
        for model in models_of(self.client, run):
            self.client.delete_logged_model(model.model_id)
        self.client.delete_run(run.info.run_id)
        folder = store.local_path(run.info.artifact_uri)
        if folder and folder.name == "artifacts":
            with contextlib.suppress(StoreTroubleError):  # it is elsewhere, and not ours to remove
                store.confine(folder.parent, store.artifact_folders(self.workspace, store.database(self.uri)))
                shutil.rmtree(folder.parent, ignore_errors=True)

    def _log(self, run: Any, shown: Shown, view: run_view.RunView) -> None:
        """Add the params and metrics that are not there yet."""
        from mlflow.entities import Metric, Param

        params = [Param(key, value) for key, value in view.params.items() if key not in run.data.params]
        metrics = [
            Metric(name, value, when, step)
            for (name, step), (value, when) in view.metrics.items()
            if (name, step) not in shown
        ]
        while params or metrics:
            self.client.log_batch(run.info.run_id, metrics[:METRICS_A_BATCH], params[:PARAMS_A_BATCH])
            params, metrics = params[PARAMS_A_BATCH:], metrics[METRICS_A_BATCH:]

    def _log_datasets(self, run_id: str, datasets: Sequence[run_view.DatasetView]) -> None:
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

    def _log_artifacts(self, run: Any, view: run_view.RunView) -> dict[str, Sequence[int]]:
        """Link the files where the store lies on this machine, else upload what it does not have yet."""
        root = None if self.uri.startswith("http") else store.local_path(run.info.artifact_uri)
        if self.uri == store_uri(self.workspace):
            if root is None:  # a database of somebody else may name a server
                where = f"{store.DATABASE} of this workspace keeps files at {run.info.artifact_uri}, and nothing is sent there"
                raise StoreTroubleError(where, f"move {store.DATABASE} away; `{own_command('sync')}` makes it again")
            store.confine(root, store.artifact_folders(self.workspace))
        note = marked(view.folder, self.key)
        before = note.get("files", {}) if note.get("run_id") == run.info.run_id else {}
        sent: dict[str, Sequence[int]] = {}
        for shown, path in view.artifacts.items():
            if root is not None:
                store.place(path, root / shown)
                continue
            if shown in run_view.GROWING and view.ended is None:
                continue  # sent once it is whole
            sent[shown] = run_view.stamp(path)
            if list(sent[shown]) != before.get(shown):
                self._upload(run.info.run_id, path, shown)
        return sent

    def _log_model(self, run: Any, view: run_view.RunView) -> None:
        """Make the model of a run that was scored a model of MLflow's, with its scores on each side of the split."""
        path = view.artifacts.get(run_view.MODEL)
        if path is None or not view.model_scores:
            return
        if (model := model_of(self.client, run)) is not None:
            self._log_scores_of_model(run, view, model)
            return
        from mlflow.entities import LoggedModelOutput
        from mlflow.exceptions import MlflowException

        for half_done in models_of(self.client, run):
            self.client.delete_logged_model(half_done.model_id)
        run_id = run.info.run_id
        tags = {key: value for key, value in view.tags.items() if key in run_view.MODEL_TAGS}
        name = re.sub(r"[^\w -]+", "_", view.folder.name)
        where, kind = run.info.experiment_id, view.task.name
        try:
            model = self.client.create_logged_model(where, name, run_id, tags, model_type=kind)
        except MlflowException as error:
            if error.error_code != "ENDPOINT_NOT_FOUND":
                raise
            return  # a server before MLflow 3 has no models but those of its registry
        root = None if self.uri.startswith("http") else store.local_path(model.artifact_location)
        if root is not None:
            store.confine(root, store.artifact_folders(self.workspace, store.database(self.uri)))
            store.place(path, root / run_view.MODEL)
        else:
            self.client.log_model_artifact(model.model_id, str(path))
        self._log_scores_of_model(run, view, model)
        self.client.log_outputs(run_id, [LoggedModelOutput(model.model_id, 0)])
        self.client.finalize_logged_model(model.model_id, "READY")

    def _log_scores_of_model(self, run: Any, view: run_view.RunView, model: Any) -> None:
        """Give a model the scores that it does not have yet; those of a sealed test come later."""
        from mlflow.entities import Metric

        there = {metric.key for metric in model.metrics or ()}
        of_side = {part.context: part for part in view.datasets}
        metrics = [
            Metric(
                name, value, view.ended or view.started, 0, model_id=model.model_id, run_id=run.info.run_id,
                dataset_name=of_side[side].name if side in of_side else None,
                dataset_digest=of_side[side].digest if side in of_side else None,
            )
            for (name, side), value in view.model_scores.items() if name not in there
        ]  # fmt: skip
        if metrics:
            self.client.log_batch(run.info.run_id, metrics)

    def _upload(self, run_id: str, path: Path, shown: str) -> None:
        folder = str(Path(shown).parent)
        self.client.log_artifact(run_id, str(path), None if folder == "." else folder)

    def _tag(self, run: Any, view: run_view.RunView, experiment: str, mark: str) -> None:
        from mlflow.entities import RunTag

        tags = dict(view.tags)
        if view.sweep:
            tags["mlflow.parentRunId"] = self._parent(experiment, view.sweep, view)
        for key in run.data.tags:
            if key.startswith("htr_exp.") and key not in tags and key != "htr_exp.fingerprint":
                self.client.delete_tag(run.info.run_id, key)
        tags["htr_exp.fingerprint"] = mark
        self.client.log_batch(run.info.run_id, tags=[RunTag(key, value) for key, value in tags.items()])

    def _parent(self, experiment: str, sweep: Sweep, view: run_view.RunView) -> str:
        """The id of the run that stands for a sweep, made with its first run; it shows the best of those that have ended."""
        # the runs of a sweep start at the same moment, and each would make one
        beside = self.workspace / "cache" / f"mlflow-sweep-{sweep.id}"
        alone: contextlib.AbstractContextManager[Any] = contextlib.nullcontext()
        if not store.database(self.uri):
            files.make_folder(beside.parent, below=self.workspace)
            alone = store.written_alone(beside, wait=LOCK_SECONDS)
        with alone:
            run = self._find(experiment, "htr_exp.sweep", sweep.id)
            if run is None:
                tags = {"htr_exp.sweep": sweep.id, "mlflow.user": machine.user()}
                made = self.client.create_run(experiment, view.started, tags, sweep.name)
                run = self.client.get_run(made.info.run_id)
            elif not view.state.is_ended:
                return str(run.info.run_id)
            self._show_sweep(run, sweep, view)
        return str(run.info.run_id)

    def _show_sweep(self, run: Any, sweep: Sweep, view: run_view.RunView) -> None:
        from mlflow.entities import Metric, RunTag

        shown = sweep_view.of_sweep(sweep, view)
        mark = files.digest_json([shown.name, shown.tags, shown.metrics, shown.ended])
        if run.data.tags.get("htr_exp.fingerprint") == mark:
            return
        run_id = run.info.run_id
        # MLflow shows the value of the last step, and another run may be the best one now
        metrics = []
        for name, value in shown.metrics.items():
            if run.data.metrics.get(name) != value:
                steps = [point.step for point in self.client.get_metric_history(run_id, name)]
                metrics.append(Metric(name, value, view.ended or view.started, max(steps, default=-1) + 1))
        if shown.ended is None:
            self.client.update_run(run_id, status="RUNNING", name=shown.name)
        else:
            self.client.set_terminated(run_id, status="FINISHED", end_time=shown.ended)
        tags = {**shown.tags, "mlflow.runName": shown.name, "htr_exp.fingerprint": mark}
        self.client.log_batch(run_id, metrics, tags=[RunTag(key, value) for key, value in tags.items()])


def models_of(client: Any, run: Any) -> list[Any]:
    """The logged models of an MLflow run, also those that a killed process has left half done; none before MLflow 3."""
    from mlflow.exceptions import MlflowException

    try:
        return list(client.search_logged_models([run.info.experiment_id], f"source_run_id = '{run.info.run_id}'"))
    except MlflowException as error:
        if error.error_code != "ENDPOINT_NOT_FOUND":
            raise
        return []


def model_of(client: Any, run: Any) -> Any:
    """The logged model of an MLflow run, once it is whole; None if there is none."""
    return next((model for model in models_of(client, run) if str(model.status) == "READY"), None)


def _contradicts(run: Any, shown: Shown, view: run_view.RunView) -> bool:
    """Whether MLflow shows a value that the folder no longer has."""
    params = run.data.params
    if any(key in view.params and view.params[key] != value for key, value in params.items()):
        return True
    return any(key not in view.metrics or view.metrics[key][0] != value for key, value in shown.items())


def marks_key(uri: str, workspace: Path) -> str:
    """The name of a store in the marks of a run folder."""
    if store.database(uri):
        return "embedded" if uri == store_uri(workspace) else uri
    return without_password(uri)  # no password in a run folder


def marked(folder: Path, key: str) -> Mapping[str, Any]:
    """What was noted when a run was last recorded in a store: run_id, experiment, fingerprint, files, time; or nothing."""
    note = read_marks(folder).get(key)
    return note if isinstance(note, dict) else {}


def read_marks(folder: Path) -> dict[str, Any]:
    """The marks of all stores."""
    try:
        marks = files.read_json(RunDir(folder).tracking_marks)
    except (OSError, ValueError):
        return {}
    return marks if isinstance(marks, dict) else {}


def client(uri: str) -> Any:
    """Open a store.

    Raises:
        StoreTroubleError: MLflow, or the part of it that this store needs, is not installed.
    """
    if importlib.util.find_spec("mlflow") is None:
        raise StoreTroubleError("MLflow is not installed", INSTALL)
    if not uri.startswith(("http://", "https://")) and importlib.util.find_spec("sqlalchemy") is None:
        raise StoreTroubleError(f"only MLflow's client is installed, and {uri} needs the whole of it", INSTALL)
    os.environ.update(store.environment())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mlflow.tracking import MlflowClient

        for name in ("mlflow", "alembic", "git"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        return MlflowClient(tracking_uri=uri, registry_uri=uri)
