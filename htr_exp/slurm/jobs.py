"""Jobs as squeue and sacct tell of them; ending them and putting them back into the queue."""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from htr_exp.slurm.programs import (
    SlurmSilent,
    answer,
    known,
    moment,
    own_words,
    run_program,
    seconds,
    silence,
    state_word,
)

ALIVE = frozenset(("PENDING", "RUNNING", "COMPLETING", "CONFIGURING", "SUSPENDED", "STOPPED", "REQUEUED", "REQUEUE_FED",
                   "REQUEUE_HOLD", "RESIZING", "SIGNALING", "STAGE_OUT", "SPECIAL_EXIT"))  # fmt: skip
"""States of a job that Slurm will still run, runs, or tidies up after; in every other one it has ended."""


@dataclass(frozen=True)
class Job:
    """A job, or a task of an array, as Slurm sees it."""

    id: str  # 123, or 123_4
    state: str  # Slurm's word: PENDING, RUNNING, COMPLETED, TIMEOUT, ...
    reason: str | None = None  # why it is pending, or how it ended, squeue's word
    node: str | None = None
    left_s: float | None = None  # until its time limit, of a running job
    restarts: int | None = None  # how often Slurm started it again; sacct does not say
    exit_code: str | None = None  # 1:0 = exit code 1, 0:9 = ended by signal 9
    by: str | None = None  # who cancelled it; squeue does not say
    starts_at: str | None = None  # when Slurm expects to start it, UTC, of a pending job
    ended_at: str | None = None  # UTC

    @property
    def ended(self) -> bool:
        return self.state not in ALIVE


COLUMNS = {"JobArrayID": 40, "State": 20, "TimeLeft": 20, "StartTime": 24, "EndTime": 24, "RestartCnt": 8, "exit_code": 12,
           "NodeList": 80, "Reason": 200}  # fmt: skip
"""squeue's columns and their widths. The reason comes last: it alone may hold anything."""


def queue(others: Iterable[str] = ()) -> dict[str, Job]:
    """The present user's jobs, tasks of arrays one by one, with those that ended a moment ago.

    Args:
        others: names of users whose jobs are wanted, too; names that this machine does not know are left out.

    Raises:
        SlurmSilent: squeue does not answer.
    """
    # Without -t all a site without accounting would never tell how a job ended.
    wanted = ",".join(f"{name}:{width}" for name, width in COLUMNS.items())
    users = ",".join(dict.fromkeys([str(os.getuid()), *(name for name in others if _is_user(name))]))
    said = answer(["squeue", "-h", "-r", "-t", "all", "-u", users, "-O", wanted])
    return {job.id: job for job in _rows_of_queue(said)}


def _rows_of_queue(text: str) -> Iterator[Job]:
    for line in text.splitlines():
        values, start = [], 0
        for width in COLUMNS.values():
            values.append(line[start : start + width].strip())
            start += width
        id, state, left, starts, ends, restarts, exit_code, node, reason = values
        if not id:
            continue
        state = state_word(state)
        yield Job(
            id=id,
            state=state,
            reason=known(reason) if state not in ("RUNNING", "COMPLETING") else None,
            node=known(node),
            left_s=seconds(left) if state in ("RUNNING", "SUSPENDED") else None,
            restarts=int(restarts) if restarts.isdigit() else None,
            exit_code=_of_wait(exit_code) if state not in ALIVE else None,
            starts_at=moment(starts) if state == "PENDING" else None,
            ended_at=moment(ends) if state not in ALIVE else None,
        )


def _of_wait(text: str) -> str | None:
    """What squeue calls an exit code, the status of wait(2), as sacct writes it: 768 is 3:0, 9 is 0:9."""
    if ":" in text or not text.isdigit():
        return text or None
    status = int(text)
    return f"0:{status & 0x7F}" if status & 0x7F else f"{_of_shell(status >> 8)}:0"


def _of_shell(code: int) -> int:
    return code - 128 if code > 128 else code  # sacct writes 128 + signal so, too


def accounts(ids: Iterable[str], since: str) -> dict[str, Job]:
    """What accounting knows of jobs, the latest record of each.

    Args:
        ids: 123, 123_4; more may be returned (other tasks of the same arrays).
        since: when the oldest of them was submitted, UTC as `utc_now` writes it: numbers come back after years.

    Raises:
        SlurmSilent: sacct does not answer, or the site keeps no accounts.
    """
    masters = sorted({id.partition("_")[0] for id in ids})
    if not masters:
        return {}
    # An hour of grace: the clocks of a login node and of the accounting host need not agree.
    start = datetime.strptime(since, "%Y-%m-%dT%H:%M:%SZ") - timedelta(hours=1)
    said = answer(
        ["sacct", "-a", "-X", "-P", "-n", "--delimiter=|", "--format=JobID,State,ExitCode,Submit,End,NodeList",
         "-S", start.strftime("%Y-%m-%dT%H:%M:%S"), "-j", ",".join(masters)]
    )  # fmt: skip
    if "accounting storage is disabled" in said:
        raise SlurmSilent(f"sacct: {own_words(said)}")
    found: dict[str, tuple[str, Job]] = {}
    for line in said.splitlines():
        if line.count("|") != 5:
            continue
        id, state, exit_code, submitted, ended, node = line.split("|")
        by = re.search(r"\bby (\S+)", state)
        for one in _expanded(id):
            if one not in found or found[one][0] <= submitted:
                job = Job(
                    id=one,
                    state=state_word(state),
                    node=known(node),
                    exit_code=known(exit_code),
                    by=_user(by[1]) if by else None,
                    ended_at=moment(ended),
                )
                found[one] = (submitted, job)
    return {id: job for id, (_, job) in found.items()}


@dataclass(frozen=True)
class Outlook:
    """What Slurm means to do with a job that it runs."""

    ending: bool  # it is being cancelled, requeued or preempted
    left_s: float | None  # until its time limit, which an administrator may have changed; None without one


def outlook(job: str) -> Outlook:
    """Ask Slurm what it means to do with a job.

    Args:
        job: the number alone, of a task of an array as well.

    Raises:
        SlurmSilent: squeue does not answer, or does not know the job.
    """
    words = answer(["squeue", "-h", "-j", job, "-O", "State:20,TimeLeft:20,PreemptTime:24"]).split()
    if len(words) != 3:
        raise SlurmSilent(f"squeue: job {job} is not there")
    state, left, preempted = words
    over = left == "INVALID"  # so squeue writes a time below zero
    return Outlook(ending=state != "RUNNING" or known(preempted) is not None, left_s=0.0 if over else seconds(left))


def cancel(ids: Sequence[str]) -> str | None:
    """End jobs; one that has ended already is no fault. Return what scancel refused, in its own words, or None.

    Raises:
        SlurmSilent: scancel does not answer.
    """
    refused = []
    numbers = [
        job for job in ids if re.fullmatch(r"\d+(_\d+)?", job)
    ]  # a run folder may name anything, as `--user=NAME`
    for start in range(0, len(numbers), 500):  # a command line has an end
        code, said = run_program(["scancel", *numbers[start : start + 500]])
        if silent := silence("scancel", said):
            raise SlurmSilent(silent)
        if code and not re.search(r"already completing or completed|Invalid job id", said):
            refused.append(own_words(said))
    return "; ".join(refused) or None


def requeue(job: str) -> str | None:
    """Put a job that runs back into the queue. Return scontrol's words if it is refused, or None.

    Raises:
        SlurmSilent: scontrol does not answer.
    """
    code, said = run_program(["scontrol", "requeue", job])
    if silent := silence("scontrol", said):
        raise SlurmSilent(silent)
    return (own_words(said) or f"scontrol requeue {job}: exit code {code}") if code else None


def _is_user(name: str) -> bool:
    try:
        return pwd.getpwnam(name) is not None
    except (KeyError, ValueError):  # the second: no text that a name can be
        return False


def _user(name: str) -> str:
    try:
        return pwd.getpwuid(int(name)).pw_name
    except (ValueError, KeyError):
        return name


def _expanded(id: str) -> Iterator[str]:
    """Yield the tasks that an array's record stands for: `123_[4-6%2]` is 123_4, 123_5 and 123_6."""
    master, _, tasks = id.partition("_")
    if not tasks.startswith("["):
        yield id
        return
    for part in tasks.strip("[]").partition("%")[0].split(","):
        first, _, last = part.partition("-")
        last, _, step = last.partition(":")
        if first.isdigit():
            yield from (f"{master}_{task}" for task in range(int(first), int(last or first) + 1, int(step or 1)))
