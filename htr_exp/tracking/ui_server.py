"""The process in which MLflow's server runs for `ui`: on a Unix socket alone, with artifacts of the workspace alone.

It ends with its standard input, which the process of `ui` holds open, and takes the socket's folder with it.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from htr_exp.tracking import store

SOCKET = "mlflow.sock"
"""The socket in the folder that `ui` has made."""

GRACE_S = 2
"""How long an answer under way may take when the server is told to end, seconds."""

LOCAL = ("", "file")
"""Schemes of artifacts on this machine."""

LOOKED_UP = ("runs", "models")
"""Schemes whose artifacts are looked up, and then asked for by the scheme of their place."""

CHOSEN = {
    "mlflow.workflowType_v1": json.dumps("machine_learning"),
    "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": json.dumps(True),
}
"""What MLflow's page keeps in the browser -> our choice for a browser that has none.

MLflow 3 shows language models unless the address or the browser says otherwise: an experiment opens on its traces then, a
run is an evaluation of an assistant, and a third of the window is an assistant itself.
"""


def _on_training(page: str) -> str:
    """MLflow's page so that experiments open as tables of runs, and runs as runs, by whatever address."""
    script = (
        "for (const [key, value] of Object.entries(%s)) localStorage.getItem(key) ?? localStorage.setItem(key, value)"
    )
    return page.replace("<head>", f"<head><script>{script % json.dumps(CHOSEN)}</script>", 1)


def _confined_artifacts(within: Sequence[Path]) -> None:
    """Let MLflow have artifacts nowhere but in these folders: not elsewhere, not through links, not on other machines."""
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import PERMISSION_DENIED
    from mlflow.store.artifact.artifact_repository_registry import (
        get_artifact_repository,
        get_registered_artifact_repositories,
    )
    from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    def refused(why: object) -> MlflowException:
        return MlflowException(f"Artifacts are only shown from the workspace: {why}", PERMISSION_DENIED)

    def here(artifact_uri: str, *more: Any, **named: Any) -> LocalArtifactRepository:
        repository = LocalArtifactRepository(artifact_uri, *more, **named)
        try:
            store.confine(Path(repository.artifact_dir), within)
        except store.StoreTroubleError as trouble:
            raise refused(trouble) from None
        return repository

    def elsewhere(artifact_uri: str, *_more: Any, **_named: Any) -> LocalArtifactRepository:
        raise refused(f"{artifact_uri} is on another machine")

    # Every way to an artifact, and MLflow has many, leads through this table.
    table: dict[str, Any] = get_registered_artifact_repositories()
    for scheme in table.keys() - set(LOOKED_UP):
        table[scheme] = here if scheme in LOCAL else elsewhere

    create: Any = SqlAlchemyStore.create_experiment

    def create_experiment(self: Any, name: str, artifact_location: str | None = None, *more: Any, **named: Any) -> Any:
        if artifact_location:
            get_artifact_repository(artifact_location)
        return create(self, name, artifact_location, *more, **named)

    SqlAlchemyStore.create_experiment = create_experiment  # type: ignore[method-assign]


def _serve(uri: str, artifacts: str, within: Sequence[Path], place: Path) -> None:
    """Serve a store on the socket `place` until a signal ends it."""
    ours = {"_MLFLOW_SERVER_FILE_STORE": uri, "_MLFLOW_SERVER_ARTIFACT_ROOT": artifacts, "_MLFLOW_SGI_NAME": "uvicorn"}
    os.environ.update(ours)  # before the import: the app is made by it
    import uvicorn
    from mlflow.server import app as pages
    from mlflow.server.fastapi_app import app
    from mlflow.server.handlers import initialize_backend_stores

    page = _on_training((Path(pages.static_folder or "") / "index.html").read_text(encoding="utf-8"))
    pages.view_functions["serve"] = lambda: page

    _confined_artifacts(within)
    initialize_backend_stores(uri, uri, artifacts)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(place))
        place.chmod(0o600)
        config = uvicorn.Config(
            app,
            lifespan="off",  # it would look for containers of MLflow's assistant
            proxy_headers=False,
            access_log=False,
            log_level="warning",
            timeout_graceful_shutdown=GRACE_S,
        )
        uvicorn.Server(config).run([listening])


def _end_with_input(folder: Path) -> None:
    while os.read(0, 4096):
        pass
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


def main() -> None:
    """Serve what the first line of standard input names, a JSON object: it may hold a password, and arguments are seen.

    The only argument is the socket's folder, so that it is removed also where `ui` is killed before it has written that line.
    """
    folder = Path(sys.argv[-1])
    line = b""
    while not line.endswith(b"\n"):
        read = os.read(0, 1)
        if not read:
            shutil.rmtree(folder, ignore_errors=True)
            return
        line += read
    order = json.loads(line)
    threading.Thread(target=_end_with_input, args=(folder,), daemon=True).start()
    _serve(order["store"], order["artifacts"], [Path(place) for place in order["within"]], folder / SOCKET)


if __name__ == "__main__":
    main()
