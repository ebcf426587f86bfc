"""MLflow's registry of models: a version of a name for the model of a run."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from htr_exp.core.secrets import hidden, without_password
from htr_exp.runs.run_dir import RunDir
from htr_exp.tracking import store
from htr_exp.tracking.store import LOCK_SECONDS, StoreTroubleError, store_uri
from htr_exp.tracking.sync import store_of, sync_runs
from htr_exp.tracking.writer import client, model_of

VERSIONS_TAG = "mlflow.modelVersions"
"""The tag of a logged model from which its page tells under what names it is registered (mlflow/utils/mlflow_tags.py)."""


@dataclass(frozen=True)
class Registered:
    """A model in the registry."""

    version: str
    changed: bool  # it was not there before
    store: str  # no password in it


def register(run: RunDir, name: str, *, workspace: Path, uri: str | None = None) -> Registered:
    """Record a run, and put its model into the registry of the same store.

    The store is one that the user has named: of a run that somebody else wrote, `sync_runs` refuses the server that only
    its folder names.

    Args:
        run: the run.
        name: of the registered model; it is made at need.
        workspace: where the embedded store lies.
        uri: as of `sync_runs`.

    Raises:
        StoreTroubleError: the run cannot be recorded, has no model, or the store refuses it.
    """
    (recorded,) = sync_runs([run.path], workspace=workspace, uri=uri)
    if recorded.problem is not None:
        raise StoreTroubleError(f"{run.name} is not recorded in MLflow", recorded.problem)
    target = store_uri(workspace, uri) if uri else store_of(run.path, workspace) or store_uri(workspace)
    database = store.database(target)
    # two at once would make two versions
    alone = database or workspace / "cache" / f"mlflow-{run.name}"
    with contextlib.ExitStack() as stack:
        if alone.parent.is_dir():
            stack.enter_context(store.written_alone(alone, wait=LOCK_SECONDS))
        try:
            return _register(client(target), recorded.run_id, run, name, without_password(target))
        except StoreTroubleError:
            raise
        except Exception as error:  # what MLflow and its drivers raise has no bound
            said = hidden(" ".join(str(error).split()))[:400]
            raise StoreTroubleError(f"{without_password(target)}: {said}", "nothing was registered") from error


def _register(mlflow: Any, run_id: str, run: RunDir, name: str, shown: str) -> Registered:
    model = model_of(mlflow, mlflow.get_run(run_id))
    if model is None:
        raise StoreTroubleError(
            f"{run.name} has no model of its own that was scored",
            f"register a training that is done; it is {run.state().state}",
        )
    quoted = name.replace("'", "''")
    if not mlflow.search_registered_models(f"name = '{quoted}'", max_results=1):
        mlflow.create_registered_model(name)
    for version in mlflow.search_model_versions(f"name = '{quoted}'"):
        if version.tags.get("htr_exp.model_id") == model.model_id:
            _tell_model(mlflow, model, name, str(version.version))
            return Registered(str(version.version), False, shown)
    tags = {key: value for key, value in model.tags.items() if key.startswith("htr_exp.")}
    tags["htr_exp.model_id"] = model.model_id
    made = mlflow.create_model_version(
        name, model.artifact_location, run_id=run_id, tags=tags, description=model.tags.get("mlflow.note.content"),
        model_id=model.model_id,
    )  # fmt: skip
    _tell_model(mlflow, model, name, str(made.version))
    return Registered(str(made.version), True, shown)


def _tell_model(mlflow: Any, model: Any, name: str, version: str) -> None:
    """Let the page of the model say that it is registered: a server notes it by itself, a client with a database does not."""
    known = json.loads(mlflow.get_logged_model(model.model_id).tags.get(VERSIONS_TAG) or "[]")
    if (name, version) not in {(one["name"], str(one["version"])) for one in known}:
        said = [*known, {"name": name, "version": version}]
        mlflow.set_logged_model_tags(model.model_id, {VERSIONS_TAG: json.dumps(said)})
