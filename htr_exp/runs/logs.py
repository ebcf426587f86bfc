"""Follows and ends runs that are under way: their logs as they grow, and `cancel`."""

from __future__ import annotations

import codecs
import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from htr_exp.core import machine
from htr_exp.core.run_state import RunState
from htr_exp.runs.run_dir import RunDir, StateRecord
from htr_exp.runs.selection import runs_in
from htr_exp.runs.status import RunStatus, compile_log, look, of_folder, tail
from htr_exp.slurm import jobs as slurm_jobs
from htr_exp.slurm.programs import SlurmSilent

LOOK_S = 0.5  # between two looks into a log
ASK_S = 20.0  # between two questions to Slurm

BLOCK = 1 << 16  # bytes


@dataclass(frozen=True)
class Cancelled:
    """What `cancel` did to a run."""

    run: RunDir
    state: RunState
    said: str


def cancel(runs: Sequence[RunDir]) -> tuple[list[Cancelled], list[str]]:
    """End runs, and return what was done to each and what could not be done.

    A run that has ended stays as it is. The others are marked first: whatever works in it ends within seconds, and no job begins it. A Slurm job is ended only where
    every run that shares it is over.

    Raises:
        OSError: a run folder cannot be written.
    """
    found, notes = look(runs)
    todo = [run for run in runs if not found[run.path].state.is_settled]
    for run in todo:
        run.cancel(machine.user())
    jobs = _jobs_to_end(todo, {run: found[run.path].job for run in todo})
    problems = [*notes] if any(found[run.path].job for run in todo) else []
    refused = None
    try:
        refused = slurm_jobs.cancel(sorted(jobs)) if jobs else None
    except SlurmSilent as silent:
        refused = str(silent)
    if refused:
        problems.append(
            f"Slurm did not end {', '.join(sorted(jobs))} ({refused}): the runs are marked, and end as soon as their jobs look"
        )
    return [_told(run, found[run.path], jobs, refused) for run in runs], problems


def _jobs_to_end(cancelled: Sequence[RunDir], job_of: dict[RunDir, str | None]) -> set[str]:
    """The jobs whose every run is over, and those that compile for such jobs alone."""
    alive = {job for job in job_of.values() if job}
    if not alive:
        return set()
    wanted: dict[str, bool] = {}  # a job -> whether a run still needs it
    compiles: dict[str, bool] = {}
    for run in runs_in(cancelled[0].path.parent):
        records = run.jobs
        if not records:
            continue
        job, before = records[-1]["job"], records[-1].get("compile_job")
        needed = not run.state().state.is_settled
        wanted[job] = wanted.get(job, False) or needed
        if before:
            compiles[before] = compiles.get(before, False) or needed
    of_cancelled = {run.jobs[-1].get("compile_job") for run in cancelled if job_of.get(run)}
    return {job for job in alive if not wanted.get(job)} | {
        job for job in of_cancelled if job and not compiles.get(job, True)
    }


def _told(run: RunDir, before: RunStatus, ended: set[str], refused: str | None) -> Cancelled:
    name, job = run.name, before.job
    if before.state.is_settled:
        return Cancelled(run, before.state, f"{name}: is {before.state}: nothing changes")
    if job is not None and job in ended and not refused:
        return Cancelled(run, RunState.CANCELLED, f"{name}: cancelled, with its job {job}")
    if job is not None:
        shared = "" if refused else ", which goes on with its other runs"
        return Cancelled(run, RunState.CANCELLED, f"{name}: cancelled; it ends within seconds in job {job}{shared}")
    owner = run.owner()
    if owner is not None:
        where = "" if owner.host == socket.gethostname() else f" on {owner.host}"
        return Cancelled(
            run, RunState.CANCELLED, f"{name}: cancelled; process {owner.pid}{where} ends it within seconds"
        )
    return Cancelled(run, RunState.CANCELLED, f"{name}: cancelled (it was {before.state})")


def last_lines(run: RunDir, lines: int) -> list[str]:
    """The end of a run's log; before it, what Slurm kept of its job where that may tell more."""
    state, kept = run.state().state, _slurms(run)
    said: list[str] = []
    if kept is not None and (not run.log.exists() or state.is_failure or state is RunState.INTERRUPTED):
        words = _last(kept, lines)
        said += [f"== Slurm's output of the job: {kept}", *words] if words else []
        said += [f"== {run.log}"] if words and run.log.exists() else []
    return said + _last(run.log, lines)


def _slurms(run: RunDir) -> Path | None:
    """Slurm's output of the newest job; where it never began, of the one that compiles for it."""
    records = run.jobs
    if not records:
        return None
    logs = (of_folder(run).log, compile_log(records[-1]))
    return next((log for log in logs if log is not None and log.is_file()), None)


def _last(path: Path, lines: int) -> list[str]:
    size = 1 << 14
    while True:
        text = tail(path, size)
        whole = len(text.encode("utf-8", errors="replace")) < size
        found = text.splitlines()
        if whole or len(found) > lines:
            return found[-lines:] if lines else []
        size *= 4


def follow(run: RunDir, say: Callable[[str], None], tell: Callable[[str], None], *, lines: int) -> StateRecord:
    """Show a run's log as it grows, through restarts, until nothing works in the run or will.

    Args:
        run: its folder.
        say: shown each piece of the log.
        tell: told how the run stands whenever that changes.
        lines: how many of those that are there already are shown.
    """
    start = _size(run.log)
    shown = last_lines(run, lines)
    for line in shown:
        say(f"{line}\n")
    pieces = _growing(run.log, start)
    written: StateRecord | None = None
    asked, told = 0.0, ""
    while True:
        # Slurm is asked now and then, and whenever the folder has something new to tell.
        if (now := run.state()) != written or time.monotonic() - asked > ASK_S:
            known, written, asked = look([run])[0][run.path], now, time.monotonic()
        for piece in iter(lambda: next(pieces), ""):
            say(piece)
        over = not is_active(known)
        if over and not shown:
            for line in last_lines(run, lines) if _size(run.log) == start else []:
                say(f"{line}\n")
        words = ": ".join(word for word in (run.name, known.state, known.record.reason) if word)
        if words != told:
            told = words
            tell(words)
        if over:
            return known.record
        time.sleep(LOOK_S)


def is_active(known: RunStatus) -> bool:
    """Whether something works in a run, or a job waits to."""
    return known.state is RunState.RUNNING or (known.job is not None and not known.state.is_settled)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _growing(path: Path, start: int) -> Iterator[str]:
    """Yield what was appended to a file since the last time, "" if nothing; from its beginning once it was cut or replaced."""
    place, file_id = start, _id(path)
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while True:
        try:
            with open(path, "rb") as file:
                status = os.fstat(file.fileno())
                if status.st_size < place or (file_id is not None and status.st_ino != file_id):
                    place = 0
                    decoder.reset()
                file_id = status.st_ino
                file.seek(place)
                block = file.read(BLOCK)
        except OSError:
            block = b""
        place += len(block)
        yield decoder.decode(block)


def _id(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None
