"""What a segmentation takes of memory: the estimate against what was measured, and what is said where it is not there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helpers.sentences import sentences
from htr_exp.audit.memory_estimate import MemoryEstimate, scaled_pixels, values_per_pixel, workers_within
from htr_exp.groundtruth.model import GroundTruthPage

BLLA = "[1,{height},0,3 Cr7,7,64,2,2 Gn32 Cr3,3,128,2,2 Gn32 Cr3,3,128 Gn32 Cr3,3,256 Gn32 Cr3,3,256 Gn32 Lbx32 Lby32 Cr1,1,32 Gn32 Lby32 Lbx32 O{{l_16}}2l4]"

MEASURED = [  # width, height of the images; height of the network; peak of `ketos segtrain` of 7.1.1, GB
    (800, 1120, 400, 1.27),
    (800, 1120, 800, 1.73),
    (800, 1120, 1200, 2.58),
    (800, 1120, 1800, 4.20),
    (854, 1207, 1800, 4.09),
]


def page(width: int, height: int) -> GroundTruthPage:
    return GroundTruthPage("p.xml", Path("p.xml"), Path("p.jpg"), "", "", width, height, (), "")


def memory(width: int, height: int, network_height: int = 1800) -> MemoryEstimate:
    return MemoryEstimate(BLLA.format(height=network_height), 2, [page(width // 2, height), page(width, height)])


@pytest.mark.parametrize(("width", "height", "network_height", "peak"), MEASURED)
def test_the_estimate_is_near_what_was_measured(width: int, height: int, network_height: int, peak: float) -> None:
    estimate = memory(width, height, network_height).peak_gb(0)
    assert estimate == pytest.approx(peak, rel=0.15)


def test_layers_count_by_their_channels_and_strides() -> None:
    assert values_per_pixel("[1,100,0,3 Cr3,3,16,2,2 Mp2,2 Lbx8 O2l9]", 2) == 3 + 16 / 4 + 16 / 16 + 16 / 16 + 2 * 4
    assert values_per_pixel("PPOCRv6 small", 2) is None


def test_a_page_is_scaled_to_the_height_of_the_network() -> None:
    assert scaled_pixels("[1,1800,0,3 Cr3,3,8]", 900, 1800) == 1800 * 900
    assert scaled_pixels("[1,1200,0,3 Cr3,3,8]", 3000, 1500) == 1200 * 2400
    assert scaled_pixels("[1,0,0,3 Cr3,3,8]", 30, 15) == 450


def test_loader_processes_are_as_many_as_memory_has_room_for() -> None:
    said = memory(800, 1200).facts()["memory"]
    found = [workers_within(allocated, said, 8) for allocated in (1.0, said["peak_gb"], said["peak_gb"] + 2, 60.0)]
    assert found == sorted(found)
    assert (found[0], found[1], found[-1]) == (0, 0, 8)
    assert 0 < found[2] < 8
    assert workers_within(None, said, 8) == workers_within(2.0, None, 8) == 8


SLURM = ("slurm=template", "slurm.partition=cpu", "slurm.time_min=10", "runtime.kraken=7.1.1")


def test_a_job_on_the_cpu_that_asks_for_too_little_is_refused_before_it_is_queued(
    layout_experiment: list[str], problems_of: Callable[..., list[str]]
) -> None:
    words = ["model=none", "architecture=kraken_segmentation", "slurm.mem_gb=1", *SLURM]
    (said,) = [one for one in problems_of(layout_experiment, *words) if "mem_gb" in one]
    assert said.startswith("slurm.mem_gb=1: a training on pages like f0")
    assert "scaled to a height of 1800" in said
    assert "give slurm.mem_gb=" in said
    assert not [one for one in problems_of(layout_experiment, *words[:2], "slurm.mem_gb=20", *SLURM) if "mem_gb" in one]


@pytest.fixture
def problems_of() -> Callable[..., list[str]]:
    """All that is wrong with an experiment, changed by words."""
    from htr_exp.config.compose import compose_experiment
    from htr_exp.core.errors import ConfigError
    from htr_exp.pipeline.plan import make_plan

    def found(words: list[str], *changes: str) -> list[str]:
        keys = {change.partition("=")[0] for change in changes} | {"model.path"}
        kept: list[Any] = [word for word in words if word.partition("=")[0] not in keys]
        try:
            make_plan(compose_experiment([*kept, *changes]))
        except ConfigError as error:
            return sentences(error)
        return []

    return found
