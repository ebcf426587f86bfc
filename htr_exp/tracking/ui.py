"""The MLflow UI of a workspace, as a child process that ends with us."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import webbrowser
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType

from htr_exp.core.errors import HtrExpError
from htr_exp.core.terminal import say
from htr_exp.tracking import store
from htr_exp.tracking.store import INSTALL, LOCK_SECONDS, StoreTroubleError, store_uri


def serve_ui(workspace: Path, *, uri: str | None = None, port: int | None = None, open_browser: bool = False) -> None:
    """Show the MLflow UI on this machine's loopback until Ctrl-C; for a tracking server, only say where it is.

    Args:
        workspace: the workspace whose store is shown.
        uri: another store, as for `sync`.
        port: 5000 if None, or the next free one if that is taken.
        open_browser: open the page in the user's browser.

    Raises:
        HtrExpError: the store or the port cannot be used, or the UI is not installed.
    """
    target = store_uri(workspace, uri)
    if target.startswith(("http://", "https://")):
        say(f"MLflow is at {target}")
        if open_browser:
            webbrowser.open(target)
        return
    if importlib.util.find_spec("mlflow") is None or importlib.util.find_spec("flask") is None:
        raise HtrExpError("the MLflow UI cannot be shown", [f"MLflow's server is not installed: {INSTALL}"])
    port = _free_port(port)
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", target]
    command += ["--default-artifact-root", store.artifact_root(workspace)]
    command += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"} | store.environment()
    database = store.database(target)
    address = f"http://127.0.0.1:{port}"
    say(f"starting MLflow on {address} (some 10 seconds)")
    with contextlib.ExitStack() as stack:
        try:
            with contextlib.ExitStack() as starting:  # it makes or opens the database: no sync meanwhile
                if database:
                    starting.enter_context(store.written_alone(database, wait=LOCK_SECONDS, say=say))
                    store.probe(database)
                    if database.parent == workspace.resolve():
                        store.relocate(database, workspace)
                child = stack.enter_context(_child(command, environment))
                _wait_until_up(child, address)
        except StoreTroubleError as trouble:
            raise HtrExpError("the MLflow UI cannot be shown", [str(trouble)]) from trouble
        # Its front page is about language models unless the address says otherwise.
        front = f"{address}/#/experiments?workflowType=machine_learning"
        tables = store.tables(database, address) if database else {}
        say(f"MLflow is at {front}  (Ctrl-C ends it)")
        for name, table in tables.items():
            say(f"  {name}: {table}")
        if open_browser:
            webbrowser.open(next(iter(tables.values())) if len(tables) == 1 else front)
        child.wait()


def _free_port(port: int | None) -> int:
    candidates = (port,) if port is not None else range(5000, 5050)
    for candidate in candidates:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", candidate))
                return candidate
    raise HtrExpError("the MLflow UI cannot be shown", [f"port {port or '5000 to 5049'} is taken: choose another"])


@contextlib.contextmanager
def _child(command: Sequence[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program in a process group of its own and end all of it, also when a signal ends us."""

    def leave(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    # SIGINT, too: a shell starts background programs with it ignored
    before = {number: signal.signal(number, leave) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    child = subprocess.Popen(command, env=environment, start_new_session=True, stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    try:
        yield child
    except KeyboardInterrupt:
        say()
        say("MLflow ended")
    finally:
        for how in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, how)
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(10)
        for number, handler in before.items():
            signal.signal(number, handler)


def _wait_until_up(child: subprocess.Popen[bytes], address: str) -> None:
    until = time.monotonic() + 180
    while time.monotonic() < until:
        if child.poll() is not None:
            raise StoreTroubleError(
                f"MLflow's server ended with code {child.returncode}: see `python -m mlflow server`"
            )
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{address}/health", timeout=2):  # noqa: S310 (our own loopback)
            return
        time.sleep(0.3)
    raise StoreTroubleError("MLflow's server did not answer within 3 minutes: try again, or `python -m mlflow server`")
