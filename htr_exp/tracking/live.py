"""The process that reports one run to a tracking server while the run is under way: it looks at the folder and nothing else.

Whatever the server does, only this process waits for it. It ends with its standard input, which the run's process holds open.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from htr_exp.runs.run_dir import RunDir
from htr_exp.tracking import run_view, subprocesses, sync

LOOK_S = 5.0
"""Between two looks at the run folder."""

FIRST_LOOK_S = 1.0
"""Before the first look: MLflow is best imported while the run is being prepared, since that takes seconds."""

LONGEST_PAUSE_S = 300.0
"""The longest wait before a server that failed is tried again; the first is LOOK_S, and each is twice the one before."""

LAST_S = 5.0
"""How long it stays after SIGTERM for the run's last words, and as long again for recording them."""


def follow(run: RunDir, workspace: Path, uri: str, over: Callable[[float], bool]) -> None:
    """Report a run until it is over.

    Args:
        run: of our parent process; what others do in it is theirs to report.
        workspace: paths are shown relative to it.
        uri: the server.
        over: waits up to so many seconds for the end, and says whether it has come.
    """
    shown, pause, again = "", 0.0, 0.0
    while True:
        ended = over(LOOK_S if shown or pause else FIRST_LOOK_S)
        if ended and pause:
            return  # the server failed the last time: the run's process is not to wait until it does so again
        if _is_ours(run, ended) and time.monotonic() >= again and (mark := run_view.fingerprint(run.path)) != shown:
            problem = _record(run, workspace, uri)
            if problem is None:
                shown, pause = mark, 0.0
            else:
                if not pause:
                    subprocesses.note(run, problem)
                pause = min(pause * 2 or LOOK_S, LONGEST_PAUSE_S)
                again = time.monotonic() + pause
        if ended:
            return


def _record(run: RunDir, workspace: Path, uri: str) -> str | None:
    """Bring MLflow up to date; return what is wrong, or None."""
    try:
        (recorded,) = sync.sync_runs([run.path], workspace=workspace, uri=uri)
    except Exception as error:  # a fault of ours ends this process alone, but not without a word
        subprocesses.note(run, f"{type(error).__name__}: {error}")
        raise
    return recorded.problem


def _is_ours(run: RunDir, ended: bool) -> bool:
    """Whether our parent works in the run, or has just ended doing so."""
    owner = run.owner()
    if owner is None:
        return ended  # before it has begun, the folder says how the last start ended
    return (owner.host, owner.pid) == (socket.gethostname(), os.getppid())


def _leave(_number: int, _frame: FrameType | None) -> None:
    sys.exit(1)  # also from within a request: locks are given up on the way


def main() -> None:
    """Report the run named on the command line; the server is the first line of standard input."""
    woken, wake = os.pipe()

    def leave_soon(_number: int, _frame: FrameType | None) -> None:
        os.write(wake, b".")
        signal.alarm(int(2 * LAST_S))  # Slurm kills soon after

    for number in (signal.SIGINT, signal.SIGUSR2, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, leave_soon)
    signal.signal(signal.SIGALRM, _leave)
    uri = b""
    while not uri.endswith(b"\n"):
        read = os.read(0, 1)
        if not read:
            return  # the run ended before it began
        uri += read

    def over(seconds: float) -> bool:
        ready, _, _ = select.select([0, woken], [], [], seconds)
        if ready == [woken]:
            select.select([0], [], [], LAST_S)
        return bool(ready)

    with contextlib.suppress(FileNotFoundError):  # the run folder is gone
        follow(RunDir(Path(sys.argv[1])), Path(sys.argv[2]), uri.decode().strip(), over)


if __name__ == "__main__":
    main()
