"""One key of the first level of an experiment.yaml, read alone, is what it is in the whole."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from htr_exp.config.compose import compose_experiment
from htr_exp.runs import configuration
from htr_exp.runs.configuration import flat, parsed, section, settings

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


@pytest.mark.parametrize("flow", [False, True])
def test_settings_are_those_of_the_whole(flow: bool) -> None:
    composed = compose_experiment(["dataset=demo", "model=none", "architecture=small"]).values
    for values in (composed, ODD, {"a": {"b": [1, {"c": 2}]}, "list": [1, 2], "empty": {}, "nothing": None}):
        text = "# a command\n" + yaml.safe_dump(values, sort_keys=False, default_flow_style=flow)
        assert settings(text) == flat(parsed(text))
        assert settings(text) == settings(text)  # also from what is kept of the first time


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a:\n- 1\n- 2\nb: 3\n", {"a": [1, 2], "b": 3}),
        ("a: 'one\n  b: 2'\nc: 3\n", {"a": "one b: 2", "c": 3}),
        ("a: |\n  one\n\n  b: 2\nc: 3\n", {"a": "one\n\nb: 2\n", "c": 3}),
        ("a: 1\na: 2\n", {"a": 2}),
        ('"a": 1\nb: 2\n', {"a": 1, "b": 2}),
        ("a:\n  b: 1\n# a: 2\n  c: 3\n", {"a.b": 1, "a.c": 3}),
        ("---\na: 1\n", {"a": 1}),
    ],
)
def test_settings_written_by_hand_are_read_as_yaml_is(text: str, expected: dict[str, Any]) -> None:
    assert settings(text) == expected == flat(parsed(text))


@pytest.mark.parametrize(
    "text", ["", "- 1\n", "one\n", "a: [1\nb: 2\n", "a: &x 1\nb: *x\n", "a: " + "[" * 200 + "]" * 200]
)
def test_settings_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each says another thing
        settings(text)


def test_a_section_that_runs_share_is_parsed_once_whatever_letters_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def noting(text: str) -> Any:
        read.append(text)
        return parsed(text)

    monkeypatch.setattr(configuration, "parsed", noting)
    shared = {"dataset": {"pattern": "*.tiff, of this test"}, "scores": {"folding": ["& et, of this test"]}}
    for seed in (71, 72, 73):
        settings(yaml.safe_dump(shared | {"seed": seed}, sort_keys=False))
    assert len([text for text in read if "of this test" in text]) == 2


def test_a_section_that_is_read_alone_is_the_readers_own() -> None:
    text = yaml.safe_dump({"training": {"epochs": 3}})
    section(text, "training")["epochs"] = 9
    assert section(text, "training") == {"epochs": 3}


def test_a_key_that_does_not_stand_by_itself_is_none() -> None:
    assert section("seed: 1\n", "training") is None
    assert section(yaml.safe_dump(ODD, default_flow_style=True), "training") is None


@pytest.mark.parametrize(
    "text", ["training:\n  epochs: [1\nseed: 1\n", "training:\n  a: *elsewhere\nb: &elsewhere 1\n"]
)
def test_what_is_no_yaml_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="line"):
        section(text, "training")
