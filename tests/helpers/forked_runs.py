"""Runs in processes of their own that start at once: children of one that has imported the program already.

Started as a program it reads one JSON line for each run, `{"run": FOLDER, "environment": {...}, "hold": [STAGE, SECONDS]}`, and writes
two lines: the child's process number at once, and its status as of `os.waitpid` once it has ended.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.folders import TESTS

HOLD = {
    "verify": ("htr_exp.pipeline.run_inputs", "RunInputs"),
    "score": ("htr_exp.pipeline.recognition", "Recognition"),
}
"""Stages without a kraken, which are over in no time: the module and the class whose method of that name can be held up."""


@dataclass
class Forked:
    """One run under way."""

    server: Server
    pid: int

    def end(self) -> int:
        """Wait for its end; the exit code, negative for a signal."""
        return os.waitstatus_to_exitcode(int(self.server.answer()))


class Server:
    """The process that the runs are children of."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "helpers.forked_runs"],
            cwd=TESTS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def start(self, run: Path, *, hold: tuple[str, float] | None = None, **variables: str) -> Forked:
        """Start a run, or go on with it, as the process of a job does; one at a time.

        Args:
            run: its folder.
            hold: a stage of `HOLD` that is to take so many seconds more.
            variables: of its environment, beside ours.
        """
        assert self._process.stdin is not None
        wanted = {"run": str(run), "environment": dict(os.environ) | variables, "hold": hold}
        self._process.stdin.write(json.dumps(wanted) + "\n")
        self._process.stdin.flush()
        return Forked(self, int(self.answer()))

    def close(self) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        self._process.wait(30)


@contextlib.contextmanager
def server() -> Iterator[Server]:
    """Have such a process while the body runs."""
    found = Server()
    try:
        yield found
    finally:
        found.close()


def _serve() -> None:
    from htr_exp.pipeline import launch

    for line in sys.stdin:
        wanted = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _be(wanted, launch.main)
        print(pid, flush=True)
        print(os.waitpid(pid, 0)[1], flush=True)


def _be(wanted: dict[str, Any], main: Callable[[], int]) -> None:
    code = 70
    try:
        os.setsid()
        os.environ.clear()
        os.environ.update(wanted["environment"])
        nothing, said = (
            os.open(os.devnull, os.O_RDONLY),
            os.open(f"{wanted['run']}/live/terminal.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND),
        )
        os.dup2(nothing, 0)
        os.dup2(said, 1)
        os.dup2(said, 2)
        if wanted["hold"]:
            _hold(*wanted["hold"])
        sys.argv = ["launch", wanted["run"]]
        code = main()
    finally:
        sys.stdout.flush()
        os._exit(code)


def _hold(stage: str, seconds: float) -> None:
    module, name = HOLD[stage]
    owner = getattr(sys.modules[module], name)
    work = getattr(owner, stage)

    def slowly(*arguments: Any) -> Any:
        time.sleep(seconds)
        return work(*arguments)

    setattr(owner, stage, slowly)


if __name__ == "__main__":
    _serve()
