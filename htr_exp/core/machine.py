"""This machine as a training sees it: its GPU, its processors, and the Slurm job that this process runs in."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
from dataclasses import dataclass


@dataclass(frozen=True)
class Allocation:
    """The job that this process runs in."""

    job: str  # 123, or 123_4
    raw: str  # the number alone; each task of an array has its own
    node: str | None
    restarts: int
    cpus: int


def allocation() -> Allocation | None:
    """Return the job that this process runs in, or None."""
    get = os.environ.get
    raw = get("SLURM_JOB_ID")
    if not raw:
        return None
    array, task = get("SLURM_ARRAY_JOB_ID"), get("SLURM_ARRAY_TASK_ID")
    restarts, cpus = get("SLURM_RESTART_COUNT", ""), get("SLURM_CPUS_PER_TASK") or get("SLURM_CPUS_ON_NODE") or ""
    return Allocation(
        job=f"{array}_{task}" if array and task else raw,
        raw=raw,
        node=get("SLURMD_NODENAME"),
        restarts=int(restarts) if restarts.isdigit() else 0,
        cpus=int(cpus) if cpus.isdigit() else usable_cpus(),
    )


def user() -> str:
    """Return the name of who runs this, or, where they have none, their number: a container may know no names."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def usable_cpus() -> int:
    """Return the CPUs that the system lets this process use."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux alone
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def device(asked: str) -> str:
    """Return the device that `training.device` means on this machine: `auto` is CUDA where there is one, else the CPU."""
    if asked != "auto":
        return asked
    smi = shutil.which("nvidia-smi")
    if smi and subprocess.run([smi, "-L"], capture_output=True, text=True).stdout.startswith("GPU"):
        return "cuda:0"
    return "cpu"


def workers(asked: int | None, device: str) -> int:
    """Return how many processes load lines for a training.

    On the CPU they cost 2 to 11 times the time of the training itself; a GPU waits for them. More than eight were never of use.

    Args:
        asked: training.workers.
        device: as kraken names it.
    """
    if asked is not None:
        return asked
    return 0 if device.startswith("cpu") else max(min(_cpus() - 1, 8), 0)


def _cpus() -> int:
    """Return the CPUs that this process may use: those of its Slurm job, where it is in one."""
    given = os.environ.get("SLURM_CPUS_PER_TASK", "")
    allowed = usable_cpus()
    return min(int(given), allowed) if given.isdigit() else allowed
