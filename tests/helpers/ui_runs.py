"""The MLflow UI as a process, and what a browser or another account does with it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from helpers.folders import FAKES
from helpers.waiting import until

FAKE = FAKES / "fake_mlflow.py"

NOBODY = 65534

_CODE = """\
import sys
from pathlib import Path
from htr_exp.core.errors import HtrExpError
from htr_exp.tracking import ui
if sys.argv[2]:
    ui.SERVER = (sys.executable, sys.argv[2], sys.argv[3])
try:
    ui.serve_ui(Path(sys.argv[1]), uri=sys.argv[4] or None, port=0)
except HtrExpError as error:
    sys.exit("; ".join(str(problem) for problem in error.reasons()))
"""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def cookie(self) -> str:
        return self.headers["Set-Cookie"].partition(";")[0]


@dataclass
class Ui:
    process: subprocess.Popen[str]
    said: Path
    temporary: Path

    def line(self, beginning: str) -> str:
        """The line of its output that begins so."""

        def found() -> str:
            assert self.process.poll() is None, self.said.read_text()
            lines = self.said.read_text().splitlines(keepends=True)
            return next((one for one in lines if one.startswith(beginning) and one.endswith("\n")), "")

        return str(until(found, beginning))

    @property
    def port(self) -> int:
        return int(re.findall(r"http://127\.0\.0\.1:([0-9]+)", self.line("MLflow is at"))[0])

    @property
    def token(self) -> str:
        return re.findall(r"token=([\w-]+)", self.said.read_text())[-1]

    @property
    def folders(self) -> list[Path]:
        """The private folder of the socket, while there is one."""
        return list(self.temporary.iterdir())

    def ask(self, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Answer:
        return ask(self.port, path, method, body, **headers)

    def enter(self) -> str:
        """The cookie of a browser that is let in."""
        self.line("MLflow is at")
        return self.ask(f"/?token={self.token}").cookie


def ask(port: int, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return Answer(answer.status, dict(answer.getheaders()), answer.read())
    finally:
        connection.close()


@contextlib.contextmanager
def ui(workspace: Path, output: Path, *, fake: str | None = "tells", mode: int = 0o600, uri: str = "") -> Iterator[Ui]:
    """Run the UI of a workspace with a fake MLflow (or the real one), its output in a file; kill it at the end."""
    output.touch()
    output.chmod(mode)
    argv = [sys.executable, "-c", _CODE, str(workspace), str(FAKE) if fake else "", fake or "", uri]
    # every account can come as far as this folder: what is kept from others is kept by the UI
    with tempfile.TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True) as temporary:
        Path(temporary).chmod(0o711)
        with open(output, "w") as said:
            environment = os.environ | {"TMPDIR": temporary}
            process = subprocess.Popen(argv, stdout=said, stderr=subprocess.STDOUT, text=True, env=environment)
        try:
            yield Ui(process, output, Path(temporary))
        finally:
            process.kill()
            process.wait()


def processes(pid: int) -> list[int]:
    """A process and all that it has started."""
    return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]


def as_nobody(function: Callable[[], Any]) -> Any:
    """What a function finds when another account calls it; its value as JSON. Only root can ask."""
    here, there = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            os.write(there, json.dumps(function()).encode())
        finally:
            os._exit(0)
    os.close(there)
    with open(here, "rb") as said:
        value = said.read()
    os.waitpid(child, 0)
    return json.loads(value)
