from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml

from helpers.folders import CHECKOUT
from htr_exp.config.defaults import shipped
from htr_exp.core.task import RECOGNITION, SEGMENTATION, Task
from htr_exp.kraken.legs import default_length, kill_costs


def spec_of(architecture: str) -> str:
    return str(yaml.safe_load((CHECKOUT / f"conf/architecture/{architecture}.yaml").read_text())["spec"])


@pytest.mark.parametrize(
    ("task", "network", "samples", "epochs"),
    [
        (RECOGNITION, "small", 150, 10),
        (RECOGNITION, "small", 100_000, 2),
        (RECOGNITION, "guide", 500, 10),
        (RECOGNITION, "guide", 3_000, 4),
        (RECOGNITION, "guide", 100_000, 1),
        (SEGMENTATION, "kraken_segmentation", 20, 10),
        (SEGMENTATION, "kraken_segmentation", 300, 2),
    ],
)
def test_the_default_leg_is_an_hour_of_one_core_by_samples_and_network(
    task: Task, network: str, samples: int, epochs: int
) -> None:
    assert default_length(task, spec_of(network), samples) == epochs


def test_a_network_of_unknown_work_has_the_longest_legs() -> None:
    assert default_length(RECOGNITION, "wav2vec", 1000) == 10


@pytest.mark.parametrize(
    ("changes", "version", "epochs"),
    [
        ({"quit": "early", "lag": 7}, "7.1.1", 7),
        ({"quit": "fixed"}, "7.1.1", 1),
        ({"quit": "fixed", "leg_epochs": 0, "epochs": 40}, "7.1.1", 40),
        ({"quit": "early", "exact": True, "leg_epochs": 3}, "7.1.1", 3),
        ({"quit": "fixed", "exact": True, "leg_epochs": 3, "epochs": 2}, "7.1.1", 2),
        ({"quit": "early"}, "4.3.13", 1),
    ],
)
def test_what_a_kill_costs_at_most(changes: dict[str, Any], version: str, epochs: int) -> None:
    assert kill_costs(replace(shipped().training, **changes), version) == epochs
