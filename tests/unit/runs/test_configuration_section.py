"""One key of the first level of an experiment.yaml, read alone, is what it is in the whole."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from htr_exp.config.compose import compose_experiment
from htr_exp.runs.configuration import parsed, section

ODD: dict[str, Any] = {
    "question": "one line\n\ntraining:\n  epochs: 9\n",
    "training": {"epochs": 3, "note": "a paragraph\n\nand another, " + "long " * 40, "words": ["a", {"b": None}]},
    "training2": {"epochs": 4},
    "seed": 1,
    "tracking": {"uri": None},
}


def test_every_key_of_a_composed_experiment_is_read_alone() -> None:
    values = compose_experiment(["dataset=demo", "model=none", "architecture=small"]).values
    text = yaml.safe_dump(values, sort_keys=False)
    assert {name: section(text, name) for name in values} == parsed(text)


def test_odd_values_are_read_as_they_are_in_the_whole() -> None:
    text = yaml.safe_dump(ODD, sort_keys=False)
    assert {name: section(text, name) for name in ODD} == parsed(text)


def test_a_key_that_does_not_stand_by_itself_is_none() -> None:
    assert section("seed: 1\n", "training") is None
    assert section(yaml.safe_dump(ODD, default_flow_style=True), "training") is None


@pytest.mark.parametrize(
    "text", ["training:\n  epochs: [1\nseed: 1\n", "training:\n  a: *elsewhere\nb: &elsewhere 1\n"]
)
def test_what_is_no_yaml_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="line"):
        section(text, "training")
