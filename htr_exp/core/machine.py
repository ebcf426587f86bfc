"""This machine as a training sees it: its GPU, its processors, and the Slurm job that this process runs in."""

from __future__ import annotations

import getpass
import os
import pwd
import re
import shutil
from dataclasses import dataclass

from htr_exp.core.errors import RuntimeUnavailableError
from htr_exp.core.problem import Problem
from htr_exp.core.program import NoAnswer, ask

GPU_TIMEOUT_S = 60.0
"""How long the driver may take to say what GPUs there are; where it is loaded for each question, that is many seconds."""

DRIVERS = ("/dev/nvidia0", "/dev/kfd")
"""Where drivers show the first GPU, NVIDIA's and AMD's."""


@dataclass(frozen=True)
class Allocation:
    """The job that this process runs in."""

    job: str  # 123, or 123_4
    raw: str  # the number alone; each task of an array has its own
    node: str | None
    restarts: int
    cpus: int


def allocation() -> Allocation | None:
    """The job that this process runs in; None outside Slurm."""
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
    """The name of who runs this, or, where they have none, their number: a container may know no names."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def settle_home() -> None:
    """Let programs find a home and a name where the account has neither, as in a container that runs under any number.

    Python and its libraries would else fail, or make a folder `~` in the current directory. A home that cannot be written is
    one that all of them know.
    """
    try:
        known = pwd.getpwuid(os.getuid())
    except KeyError:
        known = None
    if not os.environ.get("HOME"):
        os.environ["HOME"] = known.pw_dir if known else "/"
    if known is None and not any(os.environ.get(name) for name in ("LOGNAME", "USER", "LNAME", "USERNAME")):
        os.environ["LOGNAME"] = str(os.getuid())


def usable_cpus() -> int:
    """How many CPUs the system lets this process use."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux alone
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def gpus() -> list[str]:
    """The GPUs of this machine, and their MIG instances, as the lines of `nvidia-smi -L`.

    Raises:
        NoAnswer: nvidia-smi is here and does not answer.
    """
    smi = shutil.which("nvidia-smi")
    lines = ask([smi, "-L"], timeout_s=GPU_TIMEOUT_S, name="nvidia-smi").output.splitlines() if smi else []
    return [line for line in lines if line.lstrip().startswith(("GPU", "MIG"))]


def driver() -> str | None:
    """The version of the GPUs' driver; None without a GPU.

    Raises:
        NoAnswer: nvidia-smi is here and does not answer.
    """
    smi = shutil.which("nvidia-smi")
    if smi is None:
        return None
    words = [smi, "--query-gpu=driver_version", "--format=csv,noheader"]
    answer = ask(words, timeout_s=GPU_TIMEOUT_S, name="nvidia-smi")
    versions = answer.output.split() if answer.code == 0 else []
    return versions[0] if versions else None


def device(asked: str) -> str:
    """The device that `training.device` means on this machine: `auto` is CUDA where there is one, else the CPU.

    Raises:
        RuntimeUnavailableError: `auto`, and nvidia-smi does not answer: a training must not go to the CPU unseen.
    """
    if asked != "auto":
        return asked
    try:
        return "cuda:0" if gpus() else "cpu"
    except NoAnswer as silent:
        said = Problem(
            f"training.device=auto: {silent}", "set training.device=cpu or training.device=cuda:0", "training.device"
        )
        raise RuntimeUnavailableError("it is not known whether there is a GPU", [said]) from None


def device_problem(asked: str, *, here: bool) -> Problem | None:
    """Why a device cannot be the one that a training runs on; None if it can.

    Args:
        asked: as kraken names it, or `auto`.
        here: the training runs on this machine.
    """
    key = "training.device"
    kind, number = re.fullmatch(r"([a-z]*):?(\d*).*", asked, re.DOTALL).groups()  # type: ignore[union-attr]
    if here and kind in ("cuda", "gpu") and not _has_gpu():
        return Problem(
            f"{key}={asked}: this machine has no GPU that kraken can use", "leave it out: the CPU is used", key
        )
    if asked in ("auto", "cpu", "mps") or re.fullmatch(r"(cuda|hpu|ipu|tpu):\d+", asked):
        return None
    if kind in ("cuda", "gpu"):
        what = f"{key}={asked}: kraken wants the number of the GPU"
        return Problem(what, f"write {key}=cuda:{number or 0}", key)
    return Problem(f"{key}={asked}: kraken knows no such device", f"write {key}=auto, cpu or cuda:0", key)


def _has_gpu() -> bool:
    """Whether there may be a GPU: nvidia-smi lists one, does not answer, or is missing beside a driver of NVIDIA's or AMD's."""
    if shutil.which("nvidia-smi") is None:
        return any(map(os.path.exists, DRIVERS))
    try:
        return bool(gpus())
    except NoAnswer:
        return True


def workers(asked: int | None, device: str) -> int:
    """How many processes load lines for a training.

    On the CPU they cost 2 to 11 times the time of the training itself; a GPU waits for them. More than eight were never of use.

    Args:
        asked: training.workers.
        device: as kraken names it.
    """
    if asked is not None:
        return asked
    return 0 if device.startswith("cpu") else max(min(_cpus() - 1, 8), 0)


def _cpus() -> int:
    """How many CPUs this process may use: those of its Slurm job, where it is in one."""
    given = os.environ.get("SLURM_CPUS_PER_TASK", "")
    allowed = usable_cpus()
    return min(int(given), allowed) if given.isdigit() else allowed
