"""Starts a list of runs on this machine: one after the other here, or several at a time, each in a process of its own."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from htr_exp.core import machine
from htr_exp.core.console import console
from htr_exp.core.errors import HtrExpError, Lacking, of_memory
from htr_exp.core.lock import STALE_S, Locked, LockLost
from htr_exp.core.memory_reserve import keep_memory_back
from htr_exp.core.own_python import python_module
from htr_exp.core.signals import SIGNALS, Stop, bound_to_us
from htr_exp.core.terminal import guarded, say_error
from htr_exp.core.text import counted
from htr_exp.pipeline.progress import Progress
from htr_exp.pipeline.run import run_stages
from htr_exp.pipeline.run_inputs import RunInputs
from htr_exp.runs.run_dir import RunDir, StateRecord
from htr_exp.runs.run_place import RunGoneError
from htr_exp.slurm import failures
from htr_exp.tracking import run_view, subprocesses, sync


def launch_runs(
    runs: Sequence[RunDir],
    *,
    jobs: int,
    stop: Stop,
    quiet: bool,
    ended: Callable[[RunDir, StateRecord], None],
    called: Mapping[RunDir, str] | None = None,
) -> None:
    """Run all, and return when they have ended or were stopped.

    Args:
        runs: what is to be done.
        jobs: how many at a time.
        stop: what the user asked; runs that were not begun are then left as they are.
        quiet: show no progress.
        ended: told of each run as it ends.
        called: what a run is called while it is worked on, where it is one of several: `run 2 of 3, lrate=0.003`.

    Raises:
        HtrExpError: a run folder cannot be written, or was moved away; the other runs are done then.
    """
    lost: list[LockLost] = []
    if jobs == 1 or len(runs) == 1:
        for run in runs:
            if stop() is None:
                try:
                    ended(run, run_here(run, stop=stop, quiet=quiet, called=(called or {}).get(run)))
                except LockLost as error:  # the others can be done all the same
                    lost.append(error)
    else:
        side_by_side(runs, jobs=jobs, stop=stop, quiet=quiet, ended=ended, called=called)
        lost = [RunGoneError(run) for run in runs if run.is_gone]
    if len(lost) == 1:
        raise lost[0]
    if lost:
        raise HtrExpError("some runs could not go on:", [problem for error in lost for problem in error.reasons()])


def run_here(
    run: RunDir,
    *,
    stop: Stop,
    quiet: bool,
    last_stage: str | None = None,
    patience_s: float = 0.0,
    called: str | None = None,
) -> StateRecord:
    """Do one run in this process; one that another process works in is left to it.

    For the arguments see `job.run` and `launch_runs`.
    """
    out = None if quiet else console()
    if out is not None:
        out.print(f"{called}: {run.name}" if called else f"run {run.path}", soft_wrap=True)
    try:
        with Progress(out) as progress, _reported(run, last_stage):
            return run_stages(run, stop=stop, observer=progress, last_stage=last_stage, patience_s=patience_s)
    except Locked as other:
        if out is not None:
            out.print(f"  process {other.owner.pid} on {other.owner.host} is working on it")
        return run.state()


def _reported(run: RunDir, last_stage: str | None) -> contextlib.AbstractContextManager[None]:
    """Report a whole run as it goes, where its experiment says that it has a tracking server."""
    kind, uri = run_view.tracked(run.path)
    if kind == "server" and last_stage is None:
        if server := sync.unnamed_server(run.path):
            subprocesses.note(run, f"only its own record names the server {server}")
            return contextlib.nullcontext()
        with contextlib.suppress(
            OSError, ValueError, KeyError, HtrExpError
        ):  # the job says what is wrong with its folder
            return subprocesses.reporting(run, Path(RunInputs(run).places["workspace"]), uri)
    return contextlib.nullcontext()


def side_by_side(
    runs: Sequence[RunDir],
    *,
    jobs: int,
    stop: Stop,
    quiet: bool,
    ended: Callable[[RunDir, StateRecord], None],
    last_stage: str | None = None,
    environment: Mapping[str, str] | None = None,
    called: Mapping[RunDir, str] | None = None,
) -> dict[RunDir, int]:
    """Run all, each in a process of its own; what signals ask of us is passed on to them.

    Args:
        runs, jobs, stop, quiet, ended, called: as for `launch_runs`.
        last_stage: as for `job.run`.
        environment: variables of the processes; default: our own.

    Returns:
        The exit codes of the processes, negative for a signal.
    """
    codes: dict[RunDir, int] = {}
    out = None if quiet else console()
    runs = list(runs)
    working: dict[RunDir, subprocess.Popen[bytes]] = {}
    told: str | None = None

    def step() -> None:
        nonlocal told
        while runs and len(working) < jobs and stop() is None:
            run = runs.pop(0)
            if run.is_gone:
                continue
            working[run] = _started(run, last_stage, environment)
            if out is not None:
                out.print(f"{called[run]}: {run.name}" if called else f"run {run.path}", soft_wrap=True)
        if stop() is not None:
            runs.clear()
            if told != stop():
                told = stop()
                _send(working, next(number for number, word in SIGNALS.items() if word == told))
        for run, process in list(working.items()):
            if (code := process.poll()) is not None:
                codes[run] = code
                del working[run]
                if run.is_gone:
                    continue
                state = run.state()
                if out is not None:
                    out.print(
                        f"  {called[run] if called else run.name}: {state.state}{f': {state.reason}' if state.reason else ''}"
                    )
                ended(run, state)
        time.sleep(0.2)

    ends = False
    with stop.answered(lambda: f"stopping: {counted(len(working), 'run')} that are at work score their best models"):
        while runs or working:
            try:
                step()
            except KeyboardInterrupt:
                if ends:
                    raise
                ends = True
                _send(working, signal.SIGTERM)  # they end at once then, whatever they are doing, and say how they stand
    return codes


def _send(working: Mapping[RunDir, subprocess.Popen[bytes]], number: signal.Signals) -> None:
    for process in working.values():
        process.send_signal(number)


def _started(run: RunDir, last_stage: str | None, environment: Mapping[str, str] | None) -> subprocess.Popen[bytes]:
    run.live.mkdir(exist_ok=True)
    with open(run.terminal, "ab") as output:
        return subprocess.Popen(
            python_module("htr_exp.pipeline.launch", str(run.path), *([last_stage] if last_stage else [])),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches us, who pass it on
            preexec_fn=bound_to_us(signal.SIGTERM, held=SIGNALS),  # it hears Slurm itself
        )


def main() -> int:
    """Do the run named on the command line, in a process of its own."""
    keep_memory_back()
    stop = Stop()
    # after a node failed, the lock of the job's earlier start may have to grow old
    patience_s = STALE_S + 30 if machine.allocation() else 0.0
    with guarded(lasting=True), stop.listening():
        try:
            run_here(
                RunDir(Path(sys.argv[1])),
                stop=stop,
                quiet=False,
                last_stage=sys.argv[2] if len(sys.argv) > 2 else None,
                patience_s=patience_s,
            )
        except HtrExpError as error:  # the run was lost to another process, or its folder cannot be written
            return _cannot(error)
        except (MemoryError, OSError, RuntimeError, SystemError) as error:
            if (lacking := of_memory(error)) is None:
                raise
            return _cannot(lacking)
    return 0


def _cannot(error: HtrExpError) -> int:
    say_error(error)
    lacks = error.what if isinstance(error, Lacking) else None
    return next((code for code, what in failures.LACKED.items() if what == lacks), 1)


if __name__ == "__main__":
    sys.exit(main())
