"""What trainings cost, by what they recorded of themselves; what nobody measured is said to be unknown."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import cast

from htr_exp.core.resource_use import CPU_TIME, GPU_MEMORY, MEMORY
from htr_exp.core.task import Epoch
from htr_exp.core.text import counted, duration, joined
from htr_exp.runs.records import Results

UNKNOWN = "energy: not known"
"""No run measures it."""


@dataclass(frozen=True)
class Cost:
    """What some trainings cost together.

    Attributes:
        gpu_s: seconds of epochs on a GPU, by the clock; None where no run computed on one.
        cpu_s: the same without a GPU.
        untimed: runs of which no time, or no device, is known, evaluations among them.
        cpu_time_s: CPU time of all epochs, of all cores together; None where some run did not record it.
        memory_gb: the most that one of them held at once; None where no one knows.
        gpu_memory_gb: the same of GPUs.
    """

    gpu_s: float | None
    cpu_s: float | None
    untimed: int
    cpu_time_s: float | None
    memory_gb: float | None
    gpu_memory_gb: float | None


def cost(runs: Iterable[tuple[Results, Sequence[Epoch]]]) -> Cost:
    """Sum the times of runs, and find their peaks; an epoch that was lost and trained again counts once.

    Args:
        runs: what each ended with, and its curve.
    """
    gpu, cpu, untimed = list[float](), list[float](), 0
    curves = list[Sequence[Epoch]]()
    for results, epochs in runs:
        curves.append(epochs)
        device, times = results.get("device"), [one.get("seconds") for one in epochs]
        known = [float(one) for one in times if isinstance(one, int | float)]
        if not device or not known or len(known) < len(times):
            untimed += 1
        else:
            (cpu if str(device).startswith("cpu") else gpu).append(sum(known))
    took = [one.get(CPU_TIME) for epochs in curves for one in epochs]
    return Cost(
        gpu_s=sum(gpu) if gpu else None,
        cpu_s=sum(cpu) if cpu else None,
        untimed=untimed,
        cpu_time_s=sum(cast("list[float]", took)) if took and None not in took else None,
        memory_gb=_peak(curves, MEMORY),
        gpu_memory_gb=_peak(curves, GPU_MEMORY),
    )


def said(found: Cost, *, memory: bool = True) -> str:
    """A cost in words, without a full stop.

    Args:
        found: the cost.
        memory: also of peaks of memory, where these are not shown beside it.
    """
    times = [
        f"{duration(seconds)} of epochs {where}"
        for seconds, where in ((found.gpu_s, "on a GPU"), (found.cpu_s, "without a GPU"))
        if seconds is not None
    ]
    peaks = [
        f"{peak:.2f} GB of {what}"
        for peak, what in ((found.memory_gb, "memory"), (found.gpu_memory_gb, "GPU memory"))
        if peak is not None
    ]
    words = [joined(times)] if times else []
    words += [f"time of {counted(found.untimed, 'run')} not known"] if found.untimed else []
    words += [f"CPU time {duration(found.cpu_time_s)}" if found.cpu_time_s is not None else "CPU time: not known"]
    words += [f"at most {joined(peaks)} at once in one run" if peaks else "memory: not known"] * memory
    return "; ".join([*words, UNKNOWN])


def _peak(curves: Iterable[Sequence[Epoch]], key: str) -> float | None:
    values = (one.get(key) for epochs in curves for one in epochs)
    return max(
        (float(one) for one in values if isinstance(one, int | float) and abs(one) <= sys.float_info.max), default=None
    )
