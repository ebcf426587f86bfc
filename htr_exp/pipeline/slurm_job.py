"""What a Slurm job does on its node: its runs, each in a process of its own, through whatever Slurm does to it."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from htr_exp.core import machine
from htr_exp.core.files import append_jsonl, utc_now
from htr_exp.core.run_state import RunState
from htr_exp.core.signals import Stop, asked_within
from htr_exp.core.terminal import guarded, say
from htr_exp.core.text import counted
from htr_exp.pipeline import launch
from htr_exp.pipeline.run_inputs import RunInputs
from htr_exp.runs.provenance import PACKAGE
from htr_exp.runs.run_dir import RunDir
from htr_exp.runs.status import tail
from htr_exp.slurm import failures, jobs, programs, sbatch

LONGEST_GRACE_S = 900.0
"""How long a job that was told to end waits for Slurm to kill it. It must not end by itself: Slurm requeues a preempted
job that it had to kill, and takes one that ended before for failed."""

UNTOLD_S = 120.0
"""After how long it ends by itself where Slurm does not mean to kill it: somebody sent the signal (`scancel --signal`). A
machine that shuts down takes 90 s from SIGTERM to SIGKILL (DefaultTimeoutStopSec of systemd), and is a node failure then."""


@dataclass(frozen=True)
class Terms:
    """What a job was submitted with; plain values, as they are pickled.

    Attributes:
        code: the folder that the job must import us from.
        time_min: its time limit, minutes.
        signal_delay_s: how long before the limit it is told, seconds.
        max_requeues: how often it may go on in a new one after that, or after Slurm lost its step.
    """

    code: str
    time_min: int
    signal_delay_s: int
    max_requeues: int


def work(paths: Sequence[str], terms: Terms) -> None:
    """Do the runs of one job, all at once. Ends the process by its exit code, `sbatch.ENDED` if one of them failed.

    Args:
        paths: their folders.
        terms: what the job was submitted with.
    """
    with _own_end():
        _work(paths, terms)


def _work(paths: Sequence[str], terms: Terms) -> None:
    runs = _there(paths, terms)
    given = machine.allocation()
    share = {"SLURM_CPUS_PER_TASK": str(max(given.cpus // len(paths), 1))} if given else {}

    def start(todo: Sequence[RunDir], stop: Stop) -> dict[RunDir, int]:
        return launch.side_by_side(
            todo, jobs=len(todo), stop=stop, quiet=False, ended=_told, environment=os.environ | share
        )

    def unfinished(run: RunDir) -> bool:
        return not run.state().state.is_settled

    _survive(runs, terms, start, unfinished)
    there = _still_there(runs)
    failed = any(run.state().state.is_failure for run in there)
    sys.exit(1 if failed or len(there) < len(paths) else 0)


def compile_data(groups: Sequence[Sequence[str]], terms: Terms) -> None:
    """Compile what runs need before they can train, once for each group of runs with the same data.

    Ends the process by its exit code, `sbatch.ENDED` if all failed.

    Args:
        groups: run folders; the first that is there of each group does the work, the others learn of its failure.
        terms: what the job was submitted with.
    """
    with _own_end():
        _compile_data(groups, terms)


def _compile_data(groups: Sequence[Sequence[str]], terms: Terms) -> None:
    runs = _there([next(filter(_is_there, group), group[0]) for group in groups], terms)

    def start(todo: Sequence[RunDir], stop: Stop) -> dict[RunDir, int]:
        return launch.side_by_side(todo, jobs=1, stop=stop, quiet=False, ended=_told, last_stage="compile")

    def unfinished(run: RunDir) -> bool:
        return run.state().state is not RunState.FAILED and bool(RunInputs(run).to_compile())

    _survive(runs, terms, start, unfinished)
    failed = [run for run in runs if run.state().state.is_failure]
    for first in failed:
        (group,) = (group for group in groups if str(first.path) in group)
        for path in group:
            if path != str(first.path) and _is_there(path):
                reason = f"its data could not be compiled: {first.state().reason}"
                RunDir(Path(path)).write_state(RunState.FAILED, reason=reason, stage="compile")
    # Slurm ends all that waits for this job where it fails: those whose data is there shall begin
    sys.exit(1 if len(failed) == len(runs) else 0)


@contextlib.contextmanager
def _own_end() -> Iterator[None]:
    """Let the job's script know by the exit code that the step ended by itself: Slurm did not lose it."""
    try:
        with guarded(lasting=True):
            yield
    except SystemExit as end:
        if isinstance(end.code, str):
            say(end.code)
        sys.exit(sbatch.ENDED if end.code else 0)
    except (Exception, KeyboardInterrupt):  # noqa: BLE001 - whatever it is, the next start would meet it, too
        sys.excepthook(*sys.exc_info())
        sys.exit(sbatch.ENDED)


def _there(paths: Sequence[str], terms: Terms) -> list[RunDir]:
    if not PACKAGE.is_relative_to(terms.code):
        sys.exit(
            f"htr_exp was submitted as {terms.code} and is imported from {PACKAGE}: something on the node changes PYTHONPATH"
        )
    return _still_there([RunDir(Path(path)) for path in paths])


def _still_there(runs: Sequence[RunDir]) -> list[RunDir]:
    """Those that are where they were submitted; of the others it is said."""
    for run in runs:
        if run.is_gone:
            _say(failures.GONE.format(run=run.path))
    return [run for run in runs if not run.is_gone]


def _is_there(path: str) -> bool:
    return not RunDir(Path(path)).is_gone


def _survive(
    runs: Sequence[RunDir],
    terms: Terms,
    start: Callable[[Sequence[RunDir], Stop], dict[RunDir, int]],
    unfinished: Callable[[RunDir], bool],
) -> None:
    """Start the runs and return when all have ended by themselves; where Slurm ends the job before, so does this process."""
    began, stop = time.monotonic(), Stop()
    # submitit's own handlers would call a job that ends well a failed one
    with stop.listening(afterwards=signal.SIG_IGN):
        # a submitted run is queued: one that failed did so in this job's earlier start, or in the job that compiles for it
        todo = [run for run in runs if run.state().state not in (RunState.DONE, RunState.CANCELLED, RunState.FAILED)]
        codes = start(todo, stop)
        left = [run for run in todo if not run.is_gone and unfinished(run) and run.cancelled() is None]
        if left and asked_within(stop) is not None:  # they may have been ended before we are told to end
            if stop() == "preempted":
                _requeue(left, terms, began)
            _say("waits for Slurm to end this job")
            _wait_to_be_killed()
            sys.exit("this job was told to stop, and Slurm did not end it")
    for run in left:
        if run.owner() is not None or run.written_state().state is RunState.INTERRUPTED:
            continue  # another process works in it; or its own was told to end, as it says
        settings = asdict(RunInputs(run).experiment.slurm)
        why = failures.of_process(codes.get(run, 0), tail(run.terminal), settings)
        run.write_state(RunState.FAILED, reason=why, stage=run.state().stage)


def _wait_to_be_killed() -> None:
    """Wait as long as Slurm may still kill this job."""
    given = machine.allocation()
    told = asked = time.monotonic()
    while (now := time.monotonic()) - told < LONGEST_GRACE_S:
        if given is not None and now - told >= UNTOLD_S and now - asked >= 10:
            asked = now
            with contextlib.suppress(programs.SlurmSilent):
                seen = jobs.outlook(given.raw)
                if not seen.ending and (seen.left_s is None or seen.left_s > UNTOLD_S):
                    return
        time.sleep(1)  # a signal more does not end it


def _limit_is_near(job: str, terms: Terms, began: float) -> bool:
    """Whether a job was told to end since its time is up. Slurm's own limit counts: it may be shorter than what was asked for."""
    try:
        seen = jobs.outlook(job)
        left_s = math.inf if seen.ending or seen.left_s is None else seen.left_s
    except programs.SlurmSilent:
        left_s = terms.time_min * 60 - (time.monotonic() - began)
    return left_s < terms.signal_delay_s + 90  # Slurm looks at limits every 30 s and may speak up to a minute early


def _requeue(runs: Sequence[RunDir], terms: Terms, began: float) -> None:
    """Ask Slurm for another start: near the time limit a counted one, before it one that makes room for another job."""
    given = machine.allocation()
    job = given.job if given else ""
    near_limit = _limit_is_near(given.raw if given else "", terms, began)
    if near_limit:
        used = requeues_of(job, runs)
        if used >= terms.max_requeues:
            for run in runs:
                run.write_state(
                    RunState.TIMED_OUT,
                    reason=f"its time limit was over, after {counted(used, 'requeue')} (slurm.max_requeues): resume it, with slurm.time_min=... for more at a time",
                    stage=run.state().stage,
                )
            sys.exit(1)
    why = "its time limit was near" if near_limit else "it made room for another job"
    start_again(runs, job, why, counted=near_limit)


def requeues_of(job: str, runs: Sequence[RunDir]) -> int:
    """How many of its `Terms.max_requeues` a job has used."""
    return max(sum(record["job"] == job for record in run.requeued) for run in runs)


def start_again(runs: Sequence[RunDir], job: str, why: str, *, counted: bool) -> None:
    """Ask Slurm for another start, and end this process where it is granted.

    Args:
        runs: of the job.
        job: its number as squeue shows it.
        why: how its present start ended.
        counted: whether this is one of `Terms.max_requeues`.
    """
    for run in runs:
        if counted:
            append_jsonl(run.requeues, {"time": utc_now(), "job": job})
        run.write_state(
            RunState.QUEUED, reason=f"requeued, as {why}; goes on from its checkpoint", stage=run.state().stage
        )
    try:
        refused = jobs.requeue(job)
    except programs.SlurmSilent as silent:
        refused = str(silent)
    if refused is None:
        _say("starts again in a while")
        sys.exit(0)
    _say(f"another start was refused: {refused}")  # as where Slurm is requeueing it already


def _told(run: RunDir, state: object) -> None:
    """What became of a run stands in its folder, which is all that anyone looks at."""


def _say(text: str) -> None:
    say(f"{utc_now()} {text}")
