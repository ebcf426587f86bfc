"""Starts a list of runs on this machine: one after the other here, or several at a time, each in a process of its own."""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from htr_exp import job
from htr_exp.claim import Held
from htr_exp.rundir import RunDir, State
from htr_exp.stop import Stop
from htr_exp.terminal import Progress, console


def launch(
    runs: Sequence[RunDir],
    *,
    jobs: int,
    stop: Stop,
    quiet: bool,
    ended: Callable[[RunDir, State], None],
) -> None:
    """Run all, and return when they have ended or were stopped.

    Args:
        runs: what is to be done.
        jobs: how many at a time.
        stop: what the user asked; runs that were not begun are then left as they are.
        quiet: show no progress.
        ended: told of each run as it ends.

    Raises:
        HtrExpError: a run folder cannot be written.
    """
    if jobs == 1 or len(runs) == 1:
        for run in runs:
            if stop() is None:
                ended(run, run_here(run, stop=stop, quiet=quiet))
        return
    _side_by_side(list(runs), jobs=jobs, stop=stop, quiet=quiet, ended=ended)


def run_here(run: RunDir, *, stop: Stop, quiet: bool) -> State:
    """Do one run in this process; one that another process works in is left to it."""
    out = None if quiet else console()
    if out is not None:
        out.print(f"run {run.path}", markup=False)
    try:
        with Progress(out) as progress:
            return job.run(run, stop=stop, hear=progress)
    except Held as held:
        if out is not None:
            out.print(f"  process {held.owner.pid} on {held.owner.host} is working on it", markup=False)
        return run.state()


def _side_by_side(
    runs: list[RunDir], *, jobs: int, stop: Stop, quiet: bool, ended: Callable[[RunDir, State], None]
) -> None:
    out = None if quiet else console()
    working: dict[RunDir, subprocess.Popen[bytes]] = {}
    told: str | None = None
    while runs or working:
        while runs and len(working) < jobs and stop() is None:
            run = runs.pop(0)
            working[run] = _started(run)
            if out is not None:
                out.print(f"run {run.path}", markup=False)
        if stop() is not None:
            runs.clear()
            if told != stop():
                told = stop()
                for process in working.values():
                    process.send_signal(signal.SIGINT if told == "user" else signal.SIGTERM)
        for run, process in list(working.items()):
            if process.poll() is not None:
                del working[run]
                state = run.state()
                if out is not None:
                    out.print(f"  {run.name}: {state.state}{f': {state.reason}' if state.reason else ''}", markup=False)
                ended(run, state)
        time.sleep(0.2)


def _started(run: RunDir) -> subprocess.Popen[bytes]:
    def ends_with_parent() -> None:
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG of linux/prctl.h

    run.live.mkdir(exist_ok=True)
    with open(run.live / "terminal.txt", "ab") as said:
        return subprocess.Popen(
            [sys.executable, "-m", "htr_exp.launch", str(run.path)],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches us, who pass it on
            preexec_fn=ends_with_parent if sys.platform == "linux" else None,
        )


def record(runs: Sequence[RunDir], workspace: Path, uri: str | None) -> list[str]:
    """Record runs in MLflow through a short process of its own; return what did not work, in plain words.

    MLflow's import alone takes 150 MB, and a training must never fail because of it.
    """
    argv = [
        sys.executable,
        "-m",
        "htr_exp",
        "sync",
        "--json",
        f"--workspace={workspace}",
        *([f"--uri={uri}"] if uri else []),
        *(str(run.path) for run in runs),
    ]
    try:
        said = subprocess.run(argv, capture_output=True, text=True, timeout=600)
        rows = read_rows(said.stdout)
    except (OSError, subprocess.TimeoutExpired, ValueError) as error:
        return [f"not recorded in MLflow: {error}; `python -m htr_exp sync` tries again"]
    return list(dict.fromkeys(row["problem"] for row in rows if row.get("problem")))


def read_rows(text: str) -> list[dict[str, Any]]:
    """Return the JSON list that a verb printed as its last line.

    Raises:
        ValueError: there is none.
    """
    import json

    last = [line for line in text.splitlines() if line.strip()][-1:]
    if not last:
        raise ValueError("it said nothing")
    rows: list[dict[str, Any]] = json.loads(last[0])
    return rows


def main() -> int:
    """Do the run named on the command line, in a process of its own."""
    stop = Stop()
    with stop.listening():
        return 0 if run_here(RunDir(Path(sys.argv[1])), stop=stop, quiet=False).state in ("done", "stopped") else 1


if __name__ == "__main__":
    sys.exit(main())
