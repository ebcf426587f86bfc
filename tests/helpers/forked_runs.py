"""Runs in processes of their own that start at once: children of one that has imported the program already.

Started as a program it reads one JSON line for each child (`Order`), and writes two lines: the child's process number at once, and
its status as of `os.waitpid` once it has ended.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

from helpers.folders import TESTS
from helpers.waiting import TIMEOUT_S

HOLD = {
    "verify": ("htr_exp.pipeline.run_inputs", "RunInputs"),
    "score": ("htr_exp.pipeline.stages", "Stages"),
}
"""Stages without a kraken, which are over in no time: the module and the class whose method can be held up."""

METHODS = {"verify": "verify", "score": "_common_results"}
"""That method: of score one in the middle of it."""

JOB = "job"


@dataclass(frozen=True)
class Order:
    """What a child is to do.

    Attributes:
        run: the run folder.
        work: `job` (what a job of Slurm, and each of several runs on one machine, starts), a verb of the command line that works in
            the run's workspace (`resume`), or `record`: in the MLflow store `uri`.
        workspace: the run's.
        environment: its variables.
        hold: a stage of `HOLD` that is to take so many seconds more.
        display: where it prints: "" a file in the run folder, "full" a full disk, "closed" a pipe that nobody reads.
        uri: of the MLflow store.
    """

    run: str
    work: str
    workspace: str
    environment: dict[str, str]
    hold: tuple[str, float] | None
    display: str
    uri: str


@dataclass
class Forked:
    """One child under way."""

    server: Server
    pid: int

    def end(self) -> int:
        """Wait for its end; the exit code, negative for a signal."""
        return os.waitstatus_to_exitcode(int(self.server.answer()))


class Server:
    """The process that the runs are children of.

    Args:
        records: its children record in MLflow, whose import takes seconds.
    """

    def __init__(self, *, records: bool = False) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "helpers.forked_runs", *(["records"] if records else [])],
            cwd=TESTS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def start(
        self,
        run: Path,
        *,
        work: str = JOB,
        workspace: Path | None = None,
        hold: tuple[str, float] | None = None,
        display: str = "",
        uri: str = "",
        variables: dict[str, str] | None = None,
    ) -> Forked:
        """Start a run, or go on with it; one at a time. For the arguments see `Order`; `variables` come beside ours."""
        assert self._process.stdin is not None
        environment = dict(os.environ) | (variables or {})
        order = Order(str(run), work, str(workspace or run.parent.parent), environment, hold, display, uri)
        self._process.stdin.write(json.dumps(asdict(order)) + "\n")
        self._process.stdin.flush()
        return Forked(self, int(self.answer()))

    def close(self) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        self._process.wait(TIMEOUT_S)


@contextlib.contextmanager
def server(*, records: bool = False) -> Iterator[Server]:
    """Have such a process while the body runs."""
    found = Server(records=records)
    try:
        yield found
    finally:
        found.close()


def _serve(records: bool) -> None:
    if records:
        import mlflow.store.tracking.sqlalchemy_store  # noqa: F401

        from htr_exp.tracking import sync, writer  # noqa: F401
    else:
        from htr_exp.cli import resume, start  # noqa: F401
        from htr_exp.pipeline import launch  # noqa: F401

    for line in sys.stdin:
        order = Order(**json.loads(line))
        pid = os.fork()
        if pid == 0:
            _be(order)
        print(pid, flush=True)
        print(os.waitpid(pid, 0)[1], flush=True)


def _be(order: Order) -> None:
    code = 70
    try:
        os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.environ.clear()
        os.environ.update(order.environment)
        os.chdir(order.workspace)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        said = os.open(f"{order.run}/live/terminal.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(_display(order.display, said), 1)
        os.dup2(said, 2)
        if order.hold:
            _hold(*order.hold)
        _follow_clock(Path(f"{order.run}.clock"))
        code = _work(order)
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - told, whatever it is
        import traceback

        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()
        os._exit(code)


def _work(order: Order) -> int:
    if order.work == JOB:
        from htr_exp.pipeline import launch

        sys.argv = ["launch", order.run]
        return launch.main()
    if order.work == "record":
        from htr_exp.tracking.sync import sync_runs

        (recorded,) = sync_runs([Path(order.run)], workspace=Path(order.workspace), uri=order.uri)
        print(recorded.problem or "", file=sys.stderr)
        return int(recorded.problem is not None)
    from htr_exp.cli.main import main

    return main([order.work, Path(order.run).name, f"--workspace={order.workspace}"])


def _display(kind: str, said: int) -> int:
    if kind == "full":
        return os.open("/dev/full", os.O_WRONLY)
    if kind == "closed":
        reader, writer = os.pipe()
        os.close(reader)
        return writer
    return said


def _follow_clock(steps: Path) -> None:
    """Let the clock be ahead by as many seconds as a file says, from the moment on that it says so."""
    from htr_exp.core import files

    right = time.time

    def now() -> float:
        try:
            return right() + float(steps.read_text())
        except OSError:
            return right()

    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Clock:
            return cls.fromtimestamp(now(), tz)

    time.time = now
    files.datetime = Clock  # type: ignore[attr-defined]


def _hold(stage: str, seconds: float) -> None:
    module, name = HOLD[stage]
    owner = getattr(sys.modules[module], name)
    work = getattr(owner, METHODS[stage])

    def slowly(*arguments: Any) -> Any:
        time.sleep(seconds)
        return work(*arguments)

    setattr(owner, METHODS[stage], slowly)


if __name__ == "__main__":
    _serve("records" in sys.argv[1:])
