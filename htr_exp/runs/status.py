"""The status of runs: what their folders say, together with what Slurm knows of their jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from htr_exp.core import machine
from htr_exp.core.lock import Locked
from htr_exp.core.run_state import RunState
from htr_exp.runs.records import SubmissionRecord
from htr_exp.runs.run_dir import RunDir, StateRecord
from htr_exp.slurm import jobs as slurm_jobs
from htr_exp.slurm.failures import of_job
from htr_exp.slurm.jobs import Job, queue
from htr_exp.slurm.programs import SlurmSilent
from htr_exp.slurm.waiting import why_waiting

SKEW_S = 30.0
"""How far the clocks of a node and of Slurm may be apart."""

TAIL = 16384  # bytes of a log that are read for its last words


@dataclass(frozen=True)
class RunStatus:
    """The status of a run: what its folder says, and what Slurm knows of its jobs."""

    record: StateRecord
    job: str | None = None  # that works or waits for it now; None where none does
    node: str | None = None
    left_s: float | None = None  # until the job's time limit
    requeued: int = 0  # how often its newest job was started again
    log: Path | None = None  # what Slurm kept of its newest job's output
    jobs: tuple[str, ...] = ()  # all that it ever had, oldest first

    @property
    def state(self) -> RunState:
        return self.record.state


def look(runs: Sequence[RunDir]) -> tuple[dict[Path, RunStatus], list[str]]:
    """The status of runs, by folder, and what a reader must know of it.

    squeue is asked once, sacct at most once, and neither if no run waits for Slurm.
    """
    found: dict[Path, RunStatus] = {}
    open_: dict[Path, tuple[RunDir, SubmissionRecord]] = {}
    for run in runs:
        records = run.jobs
        found[run.path] = _of(run, run.state(), records)
        if records and not found[run.path].state.is_settled:
            open_[run.path] = (run, records[-1])
    if not open_:
        return found, []
    notes: list[str] = []
    try:
        jobs = queue({record["by"] for _, record in open_.values() if record.get("by")})
    except SlurmSilent as silent:
        unsure = {path: replace(found[path], job=record["job"]) for path, (_, record) in open_.items()}
        return found | unsure, [f"Slurm does not answer ({silent}): this is what the run folders say"]
    accounts = _accounts([record for _, record in open_.values()], jobs, notes)
    for path, (run, record) in open_.items():
        found[path] = _with_slurm(run, found[path], record, jobs, accounts)
    return found, notes


def of_folder(run: RunDir) -> RunStatus:
    """The status of a run by its folder alone."""
    return _of(run, run.state(), run.jobs)


def _of(run: RunDir, state: StateRecord, records: Sequence[SubmissionRecord]) -> RunStatus:
    if not records:
        return RunStatus(state)
    last = records[-1]
    begun = [start.get("restart", 0) for start in run.begun if start.get("job") == last["job"]]
    return RunStatus(
        state,
        requeued=max([*begun, sum(record.get("job") == last["job"] for record in run.requeued)]),
        log=Path(last["log"]) if last.get("log") else None,
        jobs=tuple(record["job"] for record in records),
    )


def _accounts(records: Sequence[SubmissionRecord], jobs: Mapping[str, Job], notes: list[str]) -> dict[str, Job] | None:
    """Ask sacct for jobs that squeue does not show, or does not say by whom they were cancelled; None if it cannot say."""
    wanted = [
        record
        for record in records
        if (job := jobs.get(record["job"])) is None or (job.state == "CANCELLED" and job.by is None)
    ]
    ids = [id for record in wanted for id in (record["job"], record.get("compile_job")) if id]
    if not ids:
        return {}
    try:
        return slurm_jobs.accounts(ids, min(record["time"] for record in wanted))
    except SlurmSilent as silent:
        if any(record["job"] not in jobs for record in wanted):
            notes.append(f"how ended jobs ended is not known ({silent})")
        return None


def _with_slurm(
    run: RunDir,
    before: RunStatus,
    record: SubmissionRecord,
    jobs: Mapping[str, Job],
    accounts: Mapping[str, Job] | None,
) -> RunStatus:
    id, settings = record["job"], record.get("slurm") or {}
    job, waited = jobs.get(id), record.get("compile_job")
    if job is not None and not job.ended:
        requeued = max(before.requeued, job.restarts or 0)
        state = _of_live(run, before.record, job, record)
        return replace(before, record=state, job=id, node=job.node, left_s=job.left_s, requeued=requeued)
    remembered = (accounts or {}).get(id)
    if job is None:
        job = remembered
    elif remembered is not None and remembered.ended:
        job = replace(job, by=remembered.by)
    # The job may have ended between the look into the folder and squeue's answer: only now is its last word there.
    state = run.state()
    if state.state.is_settled or _at_work_here(run):
        return replace(before, record=state)
    if job is None and record.get("by") not in (None, machine.user()):  # whose jobs Slurm may hide from us
        return replace(before, record=state, job=id)
    if job is None and state.state is RunState.INTERRUPTED:
        return replace(before, record=state)
    if job is None:
        lost = f"its job {id} is no longer in the queue, and "
        lost += "accounting is off" if accounts is None else "accounting does not know it"
        return replace(
            before, record=StateRecord(RunState.INTERRUPTED, f"{lost}: `resume RUN` goes on", state.stage, state.since)
        )
    if not job.ended:  # accounting is behind the queue
        return replace(before, record=state, job=id)
    if _later(state.since, job.ended_at):  # somebody began or tried something since
        return replace(before, record=state)
    compiled = (jobs.get(waited) or (accounts or {}).get(waited)) if waited else None
    log = compile_log(record) if compiled is not None and job.state == "CANCELLED" else before.log
    word, reason = of_job(job, tail(log), settings, compiled)
    known = StateRecord(word, reason, state.stage, job.ended_at or state.since)
    requeued = max(before.requeued, job.restarts or 0)
    return replace(before, record=_written(run, known, state), node=job.node, requeued=requeued)


def _written(run: RunDir, known: StateRecord, before: StateRecord) -> StateRecord:
    """Write a state learnt from Slurm into the folder, where that can be done; return what the folder says then."""
    if known.state is before.state is RunState.INTERRUPTED and known.reason == before.reason:
        return before
    try:
        # Holding the run asks the file server for the folder's newest state, and keeps out whoever begins the run now.
        with run.locked():
            now = run.state()  # who holds the run is ourselves: "running" is what the job that is gone wrote
            if now.state.is_settled:
                return now
            if now.since == before.since:
                run.write_state(known.state, reason=known.reason, stage=known.stage)
                return run.state()
        return run.state()
    except (Locked, OSError):
        return known


def _of_live(run: RunDir, state: StateRecord, job: Job, record: SubmissionRecord) -> StateRecord:
    """The state of a run whose job Slurm still has."""
    if job.state in ("RUNNING", "COMPLETING", "SIGNALING", "STAGE_OUT", "RESIZING"):
        reason = state.reason if state.state is RunState.QUEUED else None
        return StateRecord(RunState.RUNNING, reason, state.stage, state.since)
    if job.state in ("SUSPENDED", "STOPPED"):
        return StateRecord(
            RunState.RUNNING, f"job {job.id} is suspended: Slurm lets it go on", state.stage, state.since
        )
    compiles = record.get("compile_job")
    if state.state is RunState.RUNNING and compiles and (owner := run.owner()) is not None and owner.job == compiles:
        return StateRecord(RunState.RUNNING, f"job {compiles} compiles its data", state.stage, state.since)
    if job.state == "CONFIGURING":
        return StateRecord(RunState.QUEUED, "its node is made ready", state.stage, state.since)
    return StateRecord(RunState.QUEUED, why_waiting(job, record), state.stage, state.since)


def compile_log(record: SubmissionRecord) -> Path | None:
    """Slurm's output file of the job that compiles for a submission: it stands beside the submission's own."""
    before, log = record.get("compile_job"), record.get("log")
    return Path(log).with_name(Path(log).name.replace(record["job"], before, 1)) if before and log else None


def tail(log: Path | None, size: int = TAIL) -> str:
    """The end of a log, "" where there is none; a run folder may name anything, as a pipe at which one waits."""
    if log is None or not log.is_file():
        return ""
    try:
        with open(log, "rb") as file:
            file.seek(max(file.seek(0, 2) - size, 0))
            return file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""


def _at_work_here(run: RunDir) -> bool:
    """Whether a process that is no job's works in the run: its user went on without Slurm."""
    owner = run.owner()
    return owner is not None and owner.job is None


def _later(since: str, ended: str | None) -> bool:
    try:
        form = "%Y-%m-%dT%H:%M:%SZ"
        return datetime.strptime(since, form) > datetime.strptime(ended or "", form) + timedelta(seconds=SKEW_S)
    except ValueError:
        return False
