from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import pytest
import yaml

from helpers.folders import CHECKOUT
from htr_exp.config.compose import compose_experiment
from htr_exp.kraken.model_file import ModelHeader
from htr_exp.pipeline.learning_rate import default_rate, rate_of


@dataclass
class Header:
    network: str


def spec_of(architecture: str) -> str:
    return str(yaml.safe_load((CHECKOUT / f"conf/architecture/{architecture}.yaml").read_text())["spec"])


def base(architecture: str) -> ModelHeader:
    return cast("ModelHeader", Header(spec_of(architecture)))


def test_small_networks_learn_at_the_rate_that_was_measured() -> None:
    assert default_rate(base("small"), None).value == 0.003
    assert default_rate(None, spec_of("small")).value == 0.003


def test_a_large_base_model_gets_the_careful_rate_and_the_plan_can_say_why() -> None:
    rate = default_rate(base("kraken_default"), None)
    assert rate.value == 0.0001
    assert "can ruin a large base model" in rate.reason
    assert "4.0 million weights" in rate.reason


def test_a_large_network_from_scratch_gets_krakens_own_rate() -> None:
    assert default_rate(None, spec_of("guide")).value == 0.001


def test_a_network_of_unknown_size_is_treated_as_a_large_one() -> None:
    assert default_rate(cast("ModelHeader", Header("wav2vec")), None).value == 0.0001


@pytest.mark.parametrize("words", [["training.lrate=0.02"], ["task=segmentation"]])
def test_a_rate_that_is_given_stays(words: list[str]) -> None:
    experiment = compose_experiment(["dataset=folder", "dataset.path=x", "model=none", *words]).experiment
    assert rate_of(experiment, None) is None


def test_the_record_holds_the_number() -> None:
    composed = compose_experiment(["dataset=folder", "dataset.path=x", "model=none", "architecture=small"])
    rate = rate_of(composed.experiment, None)
    assert rate is not None
    found = composed.with_settings("training", lrate=rate.value)
    assert found.experiment.training.lrate == found.values["training"]["lrate"] == 0.003
    assert composed.experiment.training.lrate is None
