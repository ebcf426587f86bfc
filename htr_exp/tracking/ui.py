"""The MLflow UI of a workspace: MLflow's server behind a port that lets one account in, both until we are told to end."""

from __future__ import annotations

import asyncio
import contextlib
import html
import importlib.util
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import webbrowser
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType

from htr_exp.core.errors import HtrExpError
from htr_exp.core.own_python import python_module
from htr_exp.core.secrets import without_password
from htr_exp.core.terminal import say
from htr_exp.tracking import pages, store
from htr_exp.tracking.store import INSTALL, LOCK_SECONDS, StoreTroubleError, store_uri
from htr_exp.tracking.ui_access import Access
from htr_exp.tracking.ui_server import SOCKET

CANNOT = "the MLflow UI cannot be shown"

SERVER = python_module("htr_exp.tracking.ui_server")
"""The program that runs MLflow's server; what it shows is the first line that it reads."""

PORTS = range(5000, 5050)
"""The ports that are tried where none is named."""

START_S = 180.0
"""How long MLflow's server may take to start, seconds: it may have to make or change the database."""

END_S = 10.0
"""How long it may take to end before it is killed, seconds."""

LOOK_S = 0.2
"""Between two looks at whether it is over, seconds."""

SOCKET_BYTES = 90
"""The longest path of a socket; systems allow 103 bytes or more, and it is in a folder of its own."""

PAGE = "open.html"
"""The page that leads the browser to us, in the folder of the socket: an argument would show others the token."""

LOG = "mlflow.log"
"""What MLflow's server says, in the same folder."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def serve_ui(
    workspace: Path,
    *,
    uri: str | None = None,
    port: int | None = None,
    open_browser: bool = False,
    run_ids: Sequence[str] = (),
    experiments: Mapping[str, str] | None = None,
) -> None:
    """Show the MLflow UI on this machine's loopback until Ctrl-C; for a tracking server, only say where it is.

    Args:
        workspace: the workspace whose store is shown.
        uri: another store, as for `sync`.
        port: 5000 if None, or the next free one if that is taken.
        open_browser: open the page in the user's browser.
        run_ids: MLflow's ids of the runs that the user has named; a single one is opened on its own page.
        experiments: of a tracking server: name of each experiment that has runs of ours -> its id there.

    Raises:
        HtrExpError: the store or the port cannot be used, or the UI is not installed.
    """
    target = store_uri(workspace, uri)
    if target.startswith(("http://", "https://")):
        address = without_password(target)
        tables = {name: pages.table_of(address, number) for name, number in (experiments or {}).items()}
        front = next(iter(tables.values())) if len(tables) == 1 else pages.list_of(address)
        say(f"MLflow is at {front}")
        _say_tables(tables)
        if open_browser:
            webbrowser.open(front)
        return
    if any(importlib.util.find_spec(name) is None for name in ("mlflow", "flask", "aiohttp")):
        raise HtrExpError(CANNOT, [f"MLflow's server is not installed: {INSTALL}"])
    database = store.database(target)
    with _told_to_end() as told, _listening(port) as listening, _private_folder() as folder:
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        say(f"starting MLflow on {address} (some 10 seconds)")
        with contextlib.ExitStack() as stack:
            try:
                with contextlib.ExitStack() as starting:  # it makes or opens the database: no sync meanwhile
                    if database:
                        starting.enter_context(store.written_alone(database, wait=LOCK_SECONDS, say=say))
                        store.probe(database)
                        if database.parent == workspace.resolve():
                            store.relocate(database, workspace)
                    child = stack.enter_context(_mlflow(target, workspace, folder))
                    _wait_until_up(child, folder)
            except StoreTroubleError as trouble:
                raise HtrExpError(CANNOT, [str(trouble)]) from trouble
            tables = store.tables(database, address) if database else {}
            entrance = _Entrance(address, folder, store.front(database, address, run_ids) if database else None)
            told.breaks_off = False
            asyncio.run(_serve(listening, entrance, tables, child, told, open_browser))
        if not told.to_end:
            raise HtrExpError("MLflow's server ended", [_last_words(folder, child)])


class _Told:
    """Whether a signal has told us to end; while `breaks_off`, that also ends what we do by KeyboardInterrupt."""

    def __init__(self) -> None:
        self.to_end, self.breaks_off = False, True

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        breaks_off, self.breaks_off = self.breaks_off, False  # once: what is being ended is ended in peace
        self.to_end = True
        if breaks_off:
            raise KeyboardInterrupt


@contextlib.contextmanager
def _told_to_end() -> Iterator[_Told]:
    told = _Told()
    # SIGINT, too: a shell starts background programs with it ignored
    before = {number: signal.signal(number, told) for number in _SIGNALS}
    try:
        with contextlib.suppress(KeyboardInterrupt):
            yield told
        if told.to_end:
            say()
            say("MLflow ended")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _listening(port: int | None) -> Iterator[socket.socket]:
    """Take a port of the loopback, and keep it: between a look and its use, another account could take it."""
    why = "all are taken"
    for candidate in PORTS if port is None else (port,):
        with socket.socket() as place:
            place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                place.bind(("127.0.0.1", candidate))
                place.listen(128)
            except (OSError, OverflowError) as error:
                why = getattr(error, "strerror", None) or "a port is a number up to 65535"
                continue
            yield place
            return
    named = f"port {port}" if port is not None else f"ports {PORTS[0]} to {PORTS[-1]}"
    raise HtrExpError(CANNOT, [f"{named}: {why[0].lower()}{why[1:]}; choose another with --port"])


@contextlib.contextmanager
def _private_folder() -> Iterator[Path]:
    """A folder that no other account can enter, while the body runs; its path is short enough for a socket."""
    usual = tempfile.gettempdir()
    with tempfile.TemporaryDirectory(
        prefix="htr-exp-ui-", dir=usual if len(os.fsencode(usual)) < SOCKET_BYTES - 30 else "/tmp", ignore_cleanup_errors=True  # noqa: S108 (made by mkdtemp)
    ) as folder:  # fmt: skip
        yield Path(folder)


@contextlib.contextmanager
def _mlflow(target: str, workspace: Path, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run MLflow's server on a socket in `folder`, and end it with all that it has started."""
    within = store.artifact_folders(workspace, store.database(target))
    order = {
        "store": target,
        "artifacts": store.artifact_root(workspace),
        "within": [str(place) for place in within],
    }
    # What opens the server to others is ours to say.
    told = {key: value for key, value in store.environment().items() if not key.startswith("MLFLOW_SERVER_")}
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "_MLFLOW_"))}
    environment = kept | told | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "PYTHONWARNINGS": "ignore"}
    said = folder / LOG
    said.touch(0o600)
    with open(said, "wb") as log:
        child = subprocess.Popen(
            [*SERVER, str(folder)],
            env=environment,
            start_new_session=True,  # Ctrl-C reaches us alone
            stdin=subprocess.PIPE,  # it ends when this is closed, which it is when we are killed
            stdout=subprocess.DEVNULL,
            stderr=log,
        )
    assert child.stdin is not None  # noqa: S101 - opened as a pipe above
    try:
        with contextlib.suppress(OSError):  # it died at once, which is seen below
            child.stdin.write(json.dumps(order).encode() + b"\n")
            child.stdin.flush()
        yield child
    finally:
        for how in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, how)
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(END_S)
        with contextlib.suppress(OSError):
            child.stdin.close()


def _wait_until_up(child: subprocess.Popen[bytes], folder: Path) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        if child.poll() is not None:
            raise StoreTroubleError("MLflow's server ended", _last_words(folder, child))
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(folder / SOCKET))
            return
        time.sleep(LOOK_S)
    raise StoreTroubleError(f"MLflow's server did not start within {START_S:.0f} s", "try again")


def _last_words(folder: Path, child: subprocess.Popen[bytes]) -> str:
    """The last line that MLflow's server wrote, and how it ended."""
    said = (folder / LOG).read_text(encoding="utf-8", errors="replace").split("\n")
    return f"{next((line for line in reversed(said) if line.strip()), 'it said nothing')} (code {child.returncode})"


class _Entrance:
    """The addresses that let a browser in, said where no other account reads them."""

    def __init__(self, address: str, folder: Path, front: str | None) -> None:
        self.address, self.page, self.access = address, folder / PAGE, Access()
        self._part = (front or pages.list_of(address)).removeprefix(address)

    def write(self) -> str:
        """Write the page that leads in, and return how to open MLflow: by the address that the page holds, too."""
        front = f"{self.address}/?token={self.access.token}{self._part.removeprefix('/')}"
        link = html.escape(front)
        self.page.unlink(missing_ok=True)
        self.page.touch(0o600)
        self.page.write_text(
            f'<!doctype html><meta charset="utf-8"><title>MLflow</title><meta http-equiv="refresh" content="0; url={link}">'
            f'<a href="{link}">MLflow</a>\n'
        )
        if _others_read_what_we_print():
            return f"{self.address}, by the address in {self.page} (others may read what is printed here)"
        return front


def _others_read_what_we_print() -> bool:
    """Whether it goes into a file that other accounts may read; a terminal and a pipe are the user's own."""
    with contextlib.suppress(OSError, ValueError):
        mode = os.fstat(sys.stdout.fileno()).st_mode
        return stat.S_ISREG(mode) and bool(mode & 0o077)
    return False


def _say_tables(tables: Mapping[str, str]) -> None:
    for name, table in tables.items():
        say(f"  {name}: {table}")


async def _serve(
    listening: socket.socket,
    entrance: _Entrance,
    tables: Mapping[str, str],
    child: subprocess.Popen[bytes],
    told: _Told,
    open_browser: bool,
) -> None:
    """Let browsers in until we are told to end, or MLflow's server has ended."""
    from htr_exp.tracking import ui_proxy

    def entered() -> None:
        say(f"MLflow was opened. Another browser: {entrance.write()}")

    async with ui_proxy.opened(
        listening, entrance.page.with_name(SOCKET), entrance.access, account=os.getuid(), entered=entered
    ):
        say(f"MLflow is at {entrance.write()}  (Ctrl-C ends it)")
        say("  this address lets one browser in, once")
        _say_tables(tables)
        if open_browser:
            await asyncio.to_thread(webbrowser.open, entrance.page.as_uri())
        while not told.to_end and child.poll() is None:
            await asyncio.sleep(LOOK_S)
