"""The sbatch script of a job and its submission, through submitit."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import submitit
from submitit.core.utils import DelayedSubmission, FailedJobError, FailedSubmissionError, JobPaths

from htr_exp.config.schema import Slurm
from htr_exp.core.errors import ConfigError
from htr_exp.core.files import make_folder
from htr_exp.core.lock import locked
from htr_exp.slurm.programs import without_words_for_slurm

# submitit does not even write a script where there is no srun; but srun is called on the node, and sbatch speaks for itself.
submitit.SlurmExecutor.affinity = classmethod(lambda cls: 2)  # type: ignore[method-assign, assignment, unused-ignore]


class RefusedError(Exception):
    """sbatch does not take the job; the text is its own words."""


@dataclass(frozen=True)
class Work:
    """What jobs are asked for.

    Attributes:
        slurm: the settings.
        name: as squeue shows it.
        folder: where submitit keeps its files; both the submitting machine and the nodes see it.
        code: the folder from which the jobs import us.
        packed: runs that share a job.
        after: a job that must have ended well before these begin.
        if_lost: the module that is run on the node, with the folder and srun's exit code, where the job's step did not end by
            itself; it ends with 0 where the job will start again.
    """

    slurm: Slurm
    name: str
    folder: Path
    code: Path
    packed: int = 1
    after: str | None = None
    if_lost: str | None = None


ENDED = 90
"""By this exit code a job's step says that it ended by itself, and not well. srun's own errors end it with 1 or, divided by 256, with
a number of src/common/slurm_errno.c, which are below 40; a signal ends it with more than 128."""


HOLDS = (
    "import runpy, signal, sys; signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGUSR2}); "
    'del sys.argv[:3]; runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)'
)
"""Does what `-u -m MODULE` behind it say, and holds the signals of Slurm until the job listens (`core.signals.Stop.listening`)."""


def script(work: Work, jobs: int) -> str:
    """The sbatch script exactly as `submit` sends it.

    Args:
        work: what is asked for.
        jobs: how many; more than one make an array.

    Raises:
        ConfigError: an option has a line break.
    """
    executor = _executor(work)
    if jobs > 1:
        executor.parameters["map_count"] = jobs
    return str(executor._make_submission_file_text(executor._submitit_command_str, ""))


def submit(work: Work, function: Callable[..., Any], calls: Sequence[tuple[Any, ...]]) -> list[str]:
    """Submit one job for each call, as an array where there are several, and return their numbers as squeue shows them.

    Args:
        work: what is asked for.
        function: what each job does; pickled by its name, so that it is imported from `work.code`.
        calls: its arguments, one tuple a job: plain values.

    Raises:
        RefusedError: sbatch does not take it.
        ConfigError: an option has a line break.
        OSError: the folder cannot be written.
    """
    executor = _executor(work)
    make_folder(work.folder, below=work.folder.parent)
    # one submission at a time: what is temporary in the folder is then left by one that has ended
    with locked(work.folder / ".lock", wait=lambda owner: True):
        try:
            with _settings_alone(), contextlib.redirect_stderr(io.StringIO()):  # submitit prints a refusal, too
                if len(calls) == 1:
                    return [executor.submit(function, *calls[0]).job_id]
                return [job.job_id for job in executor.map_array(function, *zip(*calls))]
        except (FailedJobError, FailedSubmissionError, subprocess.CalledProcessError) as error:
            raise RefusedError(str(error)) from None
        finally:
            _remove_temporary(work.folder)


def _remove_temporary(folder: Path) -> None:
    """Remove what submitit leaves in its folder: a link to each script, and the script and the calls of a refused job."""
    for path in [*folder.glob(".submission_file_*.sh"), *folder.glob("*.pkl")]:
        if path.suffix == ".sh" or re.fullmatch("[0-9a-f]{32}", path.stem):
            path.unlink(missing_ok=True)


def log_of(folder: Path, job: str) -> Path:
    """The file that gets everything a job's processes say.

    Args:
        folder: where submitit keeps its files.
        job: its number as squeue shows it.
    """
    return folder / f"{job}_0_log.out"


def call_of(folder: Path, job: str) -> tuple[Any, ...]:
    """The arguments with which a job was submitted.

    Args:
        folder, job: as for `log_of`.

    Raises:
        OSError: they cannot be read.
    """
    return tuple(DelayedSubmission.load(JobPaths(folder, job_id=job).submitted_pickle).args)


@contextlib.contextmanager
def _settings_alone() -> Iterator[None]:
    """Let sbatch see the settings alone, not what the shell or the job that we are in has set for it."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(without_words_for_slurm(before))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _executor(work: Work) -> submitit.SlurmExecutor:
    settings = work.slurm
    # Until Python runs, a signal would end the job as failed. `python -c` looks for modules in the current directory, which
    # is /tmp where Slurm cannot enter the folder of the job: nobody else writes in /.
    python = f"""sh -c 'trap "" TERM USR2; cd /; exec "$@"' sh {shlex.quote(sys.executable)} -c {shlex.quote(HOLDS)}"""
    executor = submitit.SlurmExecutor(folder=work.folder, python=python)
    cpus = (settings.cpus_per_task or 1) * work.packed
    more: dict[str, Any] = {"requeue": True, "chdir": str(work.folder)}
    if work.after is not None:
        more["kill-on-invalid-dep"] = "yes"
    wanted = {
        "job_name": work.name,
        "partition": settings.partition,
        "time": settings.time_min,
        "nodes": 1,
        "ntasks_per_node": 1,
        "gres": settings.gres,
        "constraint": settings.constraint,
        "cpus_per_task": cpus,
        "mem": f"{round(settings.mem_gb * 1024 * work.packed)}M" if settings.mem_gb else None,
        "account": settings.account,
        "qos": settings.qos,
        "mail_type": settings.mail_type,
        "mail_user": settings.mail_user,
        "nodelist": settings.nodelist,
        "exclude": settings.exclude,
        "signal_delay_s": settings.signal_delay_s,
        "array_parallelism": settings.array_parallelism,
        "dependency": f"afterok:{work.after}" if work.after else None,
        "wckey": None,
        "stderr_to_stdout": True,
        # since 22.05 srun no longer takes it from sbatch, and a step would get one CPU
        "srun_args": [f"--cpus-per-task={cpus}"],
        "setup": [
            f"export PYTHONPATH={shlex.quote(str(work.code))}${{PYTHONPATH:+:$PYTHONPATH}}",
            "export SLURM_EXPORT_ENV=ALL",  # srun would else pass on as little as slurm.extra.export lets sbatch
        ],
        "teardown": _if_lost(work),
        "additional_parameters": more | {key: value for key, value in settings.extra.items() if value not in (None, False)},
    }  # fmt: skip
    _refuse_line_breaks(work, wanted)
    executor.update_parameters(**wanted)
    return executor


def _if_lost(work: Work) -> list[str]:
    """The end of the script: where Slurm could not start the step, or lost it, this may ask for another start."""
    if work.if_lost is None:
        return []
    python = f"{shlex.quote(sys.executable)} -u -m {work.if_lost} {shlex.quote(str(work.folder))}"  # in /, as above
    return [
        "ended=$?",
        f"[ $ended = {ENDED} ] && exit 1",
        f"[ $ended = 0 ] || (cd / && exec {python} $ended) && exit 0",
        "exit $ended",
    ]


def _refuse_line_breaks(work: Work, wanted: Mapping[str, Any]) -> None:
    """Make sure that each option stays in its line of the script: what stands in the next one is run by the shell."""
    options = {key: value for key, value in wanted.items() if key not in ("setup", "teardown", "srun_args")}
    options |= options.pop("additional_parameters") | {"folder": work.folder}
    broken = [key for key, value in options.items() if re.search(r"[\x00-\x1f\x7f]", f"{key}{value}")]
    if broken:
        said = [
            f"{key!r}: its value has a line break or another control character, which a job cannot have"
            for key in broken
        ]
        raise ConfigError("the jobs cannot be submitted:", said)
