"""How much memory kraken takes to learn the layout of pages: what a network keeps of a page grows with the page it is shown.

A page is scaled to the network's height. For each pixel of it the layers keep as many values as they have channels, divided
by their strides, forwards and for the gradients. Measured on the CPU (docs/adr/0008-segmentation.md); where a GPU computes,
most of it is the GPU's.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psutil

from htr_exp.config.schema import Experiment
from htr_exp.core.problem import Problem
from htr_exp.groundtruth.model import GroundTruthPage
from htr_exp.kraken.vgsl import blocks_of

# With the bounds of kraken/vgsl.py: a specification may come from anybody's model file.
_N, _1 = r"(\d{1,6})", r"(0*[1-9]\d{0,5})"
_INPUT = re.compile(rf"\d{{1,6}},{_N},{_N},{_N}", re.ASCII)
_CONVOLUTION = re.compile(rf"C[a-zA-Z]*\d{{1,6}},\d{{1,6}},{_N}(?:,{_1},{_1})?$", re.ASCII)
_POOLING = re.compile(f"Mp{_1},{_1}(?:,{_1},{_1})?$", re.ASCII)
_RECURRENT = re.compile(f"[LG](f|r|b)[xy]s?{_N}$", re.ASCII)

START_GB = 1.1
"""Of a training before it has seen a page: Python, torch and kraken."""

TIMES = 2.05
"""How often the values of all layers are held at the peak, forwards and backwards."""

WORKER_GB = 0.5
"""Of a loader, beside the page: two processes, one for training and one for validation, of what they do not share."""

PAGE_BYTES = 4
"""Of each pixel of an image while it is read and scaled."""


@dataclass(frozen=True)
class MemoryEstimate:
    """What a segmentation training takes.

    Attributes:
        network: its VGSL specification.
        outputs: how many classes of lines and regions it tells apart.
        pages: that are trained on and validated with.
    """

    network: str
    outputs: int
    pages: Sequence[GroundTruthPage]

    def peak_gb(self, workers: int) -> float | None:
        """Memory at the peak on the CPU, GB (10^9 bytes); None where the specification does not tell.

        Args:
            workers: processes that load pages, each of which holds one.
        """
        values = values_per_pixel(self.network, self.outputs)
        scaled = [scaled_pixels(self.network, page.width, page.height) or 0 for page in self.pages]
        if values is None or not any(scaled):
            return None
        largest = max(page.width * page.height for page in self.pages)
        loading = (1 + workers) * PAGE_BYTES * largest / 1e9 + workers * WORKER_GB
        return START_GB + TIMES * 4 * values * max(scaled) / 1e9 + loading

    def problems(self, experiment: Experiment) -> list[Problem]:
        """That a job on the CPU asks for less than it takes."""
        asked, needed = experiment.slurm.mem_gb, self._needed(experiment)
        if not experiment.slurm.submit or asked is None or needed is None or needed <= asked:
            return []
        if not experiment.training.device.startswith("cpu"):
            return []
        remedy = f"give slurm.mem_gb={math.ceil(needed * 1.2)}"
        return [Problem(f"slurm.mem_gb={asked:g}: {self._said(needed)}", remedy, "slurm.mem_gb")]

    def warnings(self, experiment: Experiment) -> Iterator[str]:
        """Yield that a GPU, or this machine, may have less than it takes."""
        needed, settings = self._needed(experiment), experiment.slurm
        if needed is None:
            return
        if settings.submit and not experiment.training.device.startswith("cpu"):
            if settings.mem_gb is not None and needed > settings.mem_gb:
                yield (
                    f"slurm.mem_gb={settings.mem_gb:g}: {self._said(needed)} on the CPU; where a GPU computes, most of it must fit into the GPU's"
                )
        elif not settings.submit and needed * 1e9 > psutil.virtual_memory().total:
            yield (
                f"{self._said(needed)}, and this machine has {psutil.virtual_memory().total / 1e9:.0f} GB: "
                "smaller images do not help, a network of less height does"
            )

    def facts(self) -> dict[str, Any]:
        """The estimate for the record."""
        alone, with_one = self.peak_gb(0), self.peak_gb(1)
        if alone is None or with_one is None:
            return {"memory": None}
        return {"memory": {"peak_gb": round(alone, 2), "worker_gb": round(with_one - alone, 2)}}

    def _needed(self, experiment: Experiment) -> float | None:
        return self.peak_gb(experiment.training.workers or 0)

    def _said(self, needed: float) -> str:
        page = max(self.pages, key=lambda one: scaled_pixels(self.network, one.width, one.height) or 0)
        blocks = blocks_of(self.network)
        height = _INPUT.match(blocks[0]) if blocks else None
        return (
            f"a training on pages like {page.name} ({page.width} x {page.height} pixels, scaled to a height of {height[1] if height else '?'}) "
            f"takes about {needed:.1f} GB"
        )


def workers_within(allocated_gb: float | None, said: Mapping[str, float] | None, most: int) -> int:
    """Number of loader processes that fit into the memory beside a training, at most `most`.

    Args:
        allocated_gb: None: nobody says.
        said: what `Memory.facts` says of the training; None: nothing.
        most: how many the CPUs have room for.
    """
    if allocated_gb is None or not said:
        return most
    room = allocated_gb - said["peak_gb"]
    return max(min(most, int(room / said["worker_gb"])), 0)


def scaled_pixels(network: str, width: int, height: int) -> int | None:
    """Number of pixels of a page after it was scaled for the network; None where the specification does not tell."""
    blocks = blocks_of(network)
    entry = _INPUT.match(blocks[0]) if blocks else None
    if entry is None or not width or not height:
        return None
    to_height, to_width = int(entry[1]), int(entry[2])
    if to_height and to_width:
        return to_height * to_width
    if to_height:
        return to_height * math.ceil(width * to_height / height)
    return math.ceil(height * to_width / width) * to_width if to_width else width * height


def values_per_pixel(network: str, outputs: int) -> float | None:
    """Number of values that a network keeps for each input pixel: the channels of its layers, divided by their strides.

    Args:
        network: its VGSL specification.
        outputs: how many classes of lines and regions it tells apart.
    """
    blocks = blocks_of(network)
    entry = _INPUT.match(blocks[0]) if blocks else None
    if entry is None:
        return None
    channels, stride = int(entry[3]), 1
    total = float(channels)
    for block in blocks[1:]:
        if found := _CONVOLUTION.match(block):
            channels = int(found[1])
            stride *= int(found[2] or 1) * int(found[3] or 1)
        elif found := _POOLING.match(block):
            stride *= int(found[3] or found[1]) * int(found[4] or found[2])
        elif found := _RECURRENT.match(block):
            channels = int(found[2]) * (2 if found[1] == "b" else 1)
        elif block.startswith("O"):
            continue
        total += channels / stride
    # the prediction is brought back to the page's size and compared there with a target; both have the ends of lines, too
    return total + 2 * (outputs + 2)
