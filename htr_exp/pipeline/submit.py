"""Gives runs to Slurm: as one job or one array, after a job that compiles what several of them need."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from htr_exp.config.schema import Slurm
from htr_exp.core import machine
from htr_exp.core.errors import SubmissionError, plainly
from htr_exp.core.files import utc_now
from htr_exp.core.lock import locked
from htr_exp.core.run_state import RunState
from htr_exp.pipeline import lost_step, slurm_job
from htr_exp.runs import provenance, status
from htr_exp.runs.records import SubmissionRecord
from htr_exp.runs.run_dir import RunDir
from htr_exp.slurm import programs, refusals, sbatch
from htr_exp.slurm.jobs import cancel


@dataclass(frozen=True)
class RunToSubmit:
    """A run to be submitted: its folder, and the compiled files that it lacks."""

    path: Path
    to_compile: tuple[Path, ...]


@dataclass(frozen=True)
class Arrangement:
    """Which jobs a list of runs becomes.

    Attributes:
        packs: the runs of each job.
        work: what those jobs are asked for.
        groups: runs that need the same data compiled beforehand.
        compiling: what the job that does so is asked for, or None where it is not needed.
    """

    packs: list[list[Path]]
    work: sbatch.Work
    groups: list[list[Path]]
    compiling: sbatch.Work | None

    def scripts(self) -> list[str]:
        """The sbatch scripts in the order in which they are sent."""
        if self.compiling is None:
            return [sbatch.script(self.work, len(self.packs))]
        waiting = replace(self.work, after="NUMBER_OF_THE_JOB_ABOVE")
        return [sbatch.script(self.compiling, 1), sbatch.script(waiting, len(self.packs))]


def arrange(runs: Sequence[RunToSubmit], settings: Slurm, *, name: str, cache: Path, code: Path) -> Arrangement:
    """Arrange runs into jobs; nothing is written.

    Args:
        runs: at least one.
        settings: what each of them asks for.
        name: of the jobs, as squeue shows it.
        cache: the workspace's cache, where submitit keeps its files.
        code: the folder from which jobs import us.
    """
    size = settings.runs_per_gpu or 1
    packs = [[run.path for run in runs[start : start + size]] for start in range(0, len(runs), size)]
    work = sbatch.Work(settings, name, cache / "jobs", code, packed=min(size, len(runs)), if_lost=lost_step.__name__)
    by_data: dict[tuple[Path, ...], list[Path]] = {}
    for run in runs:
        if run.to_compile:
            by_data.setdefault(run.to_compile, []).append(run.path)
    compiling = None
    if by_data and (len(packs) > 1 or settings.compile_partition):
        elsewhere = settings.compile_partition
        asked = replace(settings, partition=elsewhere, gres=None, constraint=None) if elsewhere else settings
        compiling = replace(work, slurm=asked, name=f"{name}-compile", packed=1)
    return Arrangement(packs, work, list(by_data.values()) if compiling else [], compiling)


def submit_runs(wanted: Sequence[RunToSubmit], settings: Slurm, *, name: str, cache: Path) -> dict[Path, str]:
    """Give those of some runs to Slurm that are neither done nor under way, and return the job of each.

    Args:
        wanted: runs of one workspace.
        settings: what each of them asks for.
        name: of the jobs, as squeue shows it.
        cache: the workspace's cache.

    Raises:
        SubmissionError: sbatch refuses.
        HtrExpError: the workspace cannot be written.
    """
    try:
        # of two commands at once, the second sees what the first has submitted
        with locked(wanted[0].path.parent / ".submission.lock", wait=lambda owner: True):
            todo = _waiting(wanted)
            return _submit(todo, settings, name, cache) if todo else {}
    except OSError as error:
        raise plainly(error, cache) from None


def _waiting(wanted: Sequence[RunToSubmit]) -> list[RunToSubmit]:
    found, _ = status.look([RunDir(run.path) for run in wanted])
    return [run for run in wanted if found[run.path].job is None and found[run.path].state.can_submit]


def _submit(wanted: Sequence[RunToSubmit], settings: Slurm, name: str, cache: Path) -> dict[Path, str]:
    code = provenance.keep_code(cache)
    terms = slurm_job.Terms(str(code), settings.time_min or 0, settings.signal_delay_s or 0, settings.max_requeues or 0)
    runs = [RunDir(run.path) for run in wanted]
    for run in runs:
        run.revive()
        run.write_state(RunState.QUEUED)  # before the job may start and say otherwise
    compile_job: str | None = None
    plan = arrange(wanted, settings, name=name, cache=cache, code=code)
    try:
        work = plan.work
        if plan.compiling is not None:
            groups = [[str(path) for path in group] for group in plan.groups]
            (compile_job,) = sbatch.submit(plan.compiling, slurm_job.compile_data, [(groups, terms)])
            work = replace(work, after=compile_job)
        jobs = sbatch.submit(work, slurm_job.work, [([str(path) for path in pack], terms) for pack in plan.packs])
    except sbatch.RefusedError as error:
        if compile_job is not None:
            with contextlib.suppress(programs.SlurmSilent):  # it compiles then, which harms nobody
                cancel([compile_job])
        why = refusals.meaning(str(error), asdict(settings))
        for run in runs:
            run.write_state(RunState.INTERRUPTED, reason=f"not submitted: {why}; the same command tries again")
        raise SubmissionError("Slurm did not take the runs:", [why]) from None
    given: dict[Path, str] = {}
    for job, pack in zip(jobs, plan.packs):
        for path in pack:
            given[path] = job
            RunDir(path).add_submission(_record(job, compile_job, work, len(pack)))
    return given


def _record(job: str, compile_job: str | None, work: sbatch.Work, packed: int) -> SubmissionRecord:
    settings = {key: value for key, value in asdict(work.slurm).items() if value not in (None, {})}
    return {
        "time": utc_now(),
        "by": machine.user(),
        "job": job,
        "compile_job": compile_job,
        "log": str(sbatch.log_of(work.folder, job)),
        "packed": packed,
        "slurm": settings,
    }
