"""What trainings cost, by what they recorded of themselves; what nobody measured is said to be unknown."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TypedDict, cast

from htr_exp.core.gpu_energy import ENERGY
from htr_exp.core.resource_use import CPU_TIME, GPU_MEMORY, MEMORY
from htr_exp.core.task import Epoch
from htr_exp.core.text import counted, duration, joined
from htr_exp.runs.records import Results

UNKNOWN = "energy: not known"
"""Said where no run measured it: it needs a card of NVIDIA's that computes for nobody else, or a site that measures its nodes."""


class Cost(TypedDict):
    """What a training cost, or several together."""

    gpu_s: float | None  # seconds of epochs on a GPU, by the clock; None where nothing is known to be computed on one
    cpu_s: float | None  # the same without a GPU
    untimed: int  # runs of which no time, or no device, is known
    cpu_time_s: float | None  # CPU time of all epochs, of all cores together; None where some run did not record it
    memory_gb: float | None  # the most that one run held at once; None where no one knows
    gpu_memory_gb: float | None  # the same of GPUs
    gpu_energy_wh: float | None  # of the GPUs, of runs that know it of each epoch; None where none does
    job_energy_wh: float | None  # of all that ran on the nodes of the jobs, of those runs that know only this
    unmeasured: int  # runs of which no energy is known


def cost(results: Results, epochs: Sequence[Epoch]) -> Cost:
    """What a run cost; an epoch that was lost and trained again counts once.

    Args:
        results: what it ended with.
        epochs: its curve.
    """
    device, time = str(results.get("device") or ""), _sum(epochs, "seconds")
    timed, on_cpu = bool(device) and time is not None, device.startswith("cpu")
    of_gpus, of_job = _sum(epochs, ENERGY), _figure(results.get("job_energy_wh"))
    return Cost(
        gpu_s=time if timed and not on_cpu else None,
        cpu_s=time if timed and on_cpu else None,
        untimed=int(not timed),
        cpu_time_s=_sum(epochs, CPU_TIME),
        memory_gb=_most(one.get(MEMORY) for one in epochs),
        gpu_memory_gb=_most(one.get(GPU_MEMORY) for one in epochs),
        gpu_energy_wh=of_gpus,
        job_energy_wh=of_job if of_gpus is None else None,
        unmeasured=int(of_gpus is None and of_job is None),
    )


def together(costs: Sequence[Cost]) -> Cost:
    """What several runs cost: sums, and of memory the most."""

    def known(key: str) -> list[float]:
        return [value for one in costs if (value := cast("dict[str, float | None]", one)[key]) is not None]

    def total(key: str) -> float | None:
        return sum(known(key)) if known(key) else None

    return Cost(
        gpu_s=total("gpu_s"),
        cpu_s=total("cpu_s"),
        untimed=sum(one["untimed"] for one in costs),
        cpu_time_s=total("cpu_time_s") if len(known("cpu_time_s")) == len(costs) else None,
        memory_gb=_most(known("memory_gb")),
        gpu_memory_gb=_most(known("gpu_memory_gb")),
        gpu_energy_wh=total("gpu_energy_wh"),
        job_energy_wh=total("job_energy_wh"),
        unmeasured=sum(one["unmeasured"] for one in costs),
    )


def said(found: Cost, *, memory: bool = True) -> str:
    """A cost in words, without a full stop.

    Args:
        found: the cost.
        memory: also of peaks of memory, where these are not shown beside it.
    """
    times = [
        f"{duration(seconds)} of epochs {where}"
        for seconds, where in ((found["gpu_s"], "on a GPU"), (found["cpu_s"], "without a GPU"))
        if seconds is not None
    ]
    peaks = [
        f"{peak:.2f} GB of {what}"
        for peak, what in ((found["memory_gb"], "memory"), (found["gpu_memory_gb"], "GPU memory"))
        if peak is not None
    ]
    words = [joined(times)] if times else []
    words += [f"time of {counted(found['untimed'], 'run')} not known"] if found["untimed"] else []
    words += [f"CPU time {duration(found['cpu_time_s'])}" if found["cpu_time_s"] is not None else "CPU time: not known"]
    words += [f"at most {joined(peaks)} at once in one run" if peaks else "memory: not known"] * memory
    return "; ".join([*words, *_said_energy(found)])


def _said_energy(found: Cost) -> list[str]:
    of = (found["gpu_energy_wh"], "the GPUs"), (found["job_energy_wh"], "all that ran on the nodes of the jobs")
    words = [f"energy of {what} {energy / 1000:.3g} kWh" for energy, what in of if energy is not None]
    if not words:
        return [UNKNOWN]
    return [*words, *[f"energy of {counted(found['unmeasured'], 'run')} not known"] * bool(found["unmeasured"])]


def _sum(epochs: Sequence[Epoch], key: str) -> float | None:
    """Of a figure that each epoch has; None where one lacks it."""
    known = [_figure(one.get(key)) for one in epochs]
    return sum(cast("list[float]", known)) if known and None not in known else None


def _most(values: Iterable[object]) -> float | None:
    return max((one for value in values if (one := _figure(value)) is not None), default=None)


def _figure(value: object) -> float | None:
    is_one = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= sys.float_info.max
    return float(cast("float", value)) if is_one else None
