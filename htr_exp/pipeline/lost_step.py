"""What a job does whose step Slurm could not start, or lost: it asks for another start, as often as `slurm.max_requeues` allows.

The job's script runs this on the node. srun fails where the node has lost its slurmd, or kills the next start of a job in place of
an earlier one. Slurm itself starts a job again for a node that it knows to have failed, not for this.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from pathlib import Path

from htr_exp.core import machine
from htr_exp.core.run_state import RunState
from htr_exp.core.terminal import guarded, say
from htr_exp.core.text import counted
from htr_exp.pipeline.slurm_job import requeues_of, start_again
from htr_exp.runs.run_dir import RunDir
from htr_exp.runs.status import tail
from htr_exp.slurm import failures, jobs, programs, sbatch

OUT_OF_MEMORY = (125, 253)
"""srun's exit codes for a step that had too little memory: the next start would have no more."""

PATIENCE_S = 300.0
"""How long Slurm's controller is waited for: what took a node's slurmd away may have taken that, too."""


def main(folder: Path, code: int) -> None:
    """Ask for another start of the job that this process is in, where that is right. Ends the process, by 0 where it is granted.

    Args:
        folder: where submitit keeps its files.
        code: srun's exit code.
    """
    given = machine.allocation()
    if given is None or code in OUT_OF_MEMORY:
        sys.exit(1)
    called, terms = sbatch.call_of(folder, given.job)
    runs = [run for run in map(RunDir, _paths(called)) if not run.is_gone and not run.state().state.is_settled]
    if not runs or _is_ended_by_slurm(given.raw):
        sys.exit(1)
    said = failures.of_step(tail(sbatch.log_of(folder, given.job))) or f"srun ended with exit code {code}"
    lost = f"Slurm lost its work on {given.node or 'the node'} ({said})"
    for run in runs:
        run.note(lost)
    used = requeues_of(given.job, runs)
    if used < terms.max_requeues:
        start_again(runs, given.job, lost, counted=True)
        sys.exit(1)
    why = f"{lost}, after {counted(used, 'requeue')} (slurm.max_requeues): {failures.GOES_ON}, slurm.exclude={given.node or 'NODE'} on another node"
    say(why)
    for run in runs:
        run.write_state(RunState.FAILED, reason=why, stage=run.state().stage)
    sys.exit(1)


def _paths(called: Iterable[str | Iterable[str]]) -> list[Path]:
    """The folders of a job's runs, of one that compiles in groups."""
    return [Path(path) for one in called for path in ([one] if isinstance(one, str) else one)]


def _is_ended_by_slurm(job: str) -> bool:
    """Whether the job is being cancelled, preempted or requeued, or has met its limit; also where Slurm does not say."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            return jobs.outlook(job).ending
        except programs.SlurmSilent as silent:
            if time.monotonic() > until:
                say(f"Slurm does not answer ({silent})")
                return True
        time.sleep(10)


if __name__ == "__main__":
    with guarded(lasting=True):
        main(Path(sys.argv[1]), int(sys.argv[2]))
