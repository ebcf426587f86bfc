"""What groups choose is composed once or twice a process, and nothing differs for it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from omegaconf import DictConfig, OmegaConf

from htr_exp.config.chosen_groups import ChosenGroups
from htr_exp.config.compose import compose_experiment, configuration


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["dataset=demo", "model=demo", "training.lrate=1e-4", "seed=7"],
        ["task=segmentation", "dataset.path=pages", "model=none", "architecture=small_segmentation", "training.epochs=3"],
        ["dataset.path=pages", "slurm=template", "slurm.partition=gpu", "slurm.time_min=5", "++slurm.extra.nice=1"],
        ["scores=recognition", "scores.test=final", "split=by_page", "split.test=0.3", "leakage.accept=[near_text]"],
    ],
    ids=["nothing", "recognition", "segmentation", "slurm", "scores"],
)  # fmt: skip
def test_an_experiment_is_the_one_that_hydra_composes(words: list[str]) -> None:
    for _ in range(3):
        given = [*words, "dataset.path=pages"] if not any(word.startswith("dataset") for word in words) else words
        hydras = yaml.safe_load(configuration(given, resolved=True))
        ours = yaml.safe_load(OmegaConf.to_yaml(OmegaConf.create(compose_experiment(given).values)))
        assert {key: value for key, value in hydras.items() if key in ours} == ours


def test_groups_are_composed_twice_at_most_and_values_are_of_one_experiment_alone() -> None:
    composed: list[list[str]] = []

    def compose(words: list[str]) -> DictConfig:
        composed.append(words)
        return OmegaConf.create({"seed": 0, "words": words})

    chosen = ChosenGroups(compose, {"model"}.__contains__)
    several = (["seed=1", "model=a"], ["model=a"], ["seed=2"], ["model=a", "seed=3"], ["model=a"])
    assert [chosen.with_values(words).seed for words in several] == [1, 0, 2, 3, 0]
    assert composed == [["model=a"], ["model=a"], []]


def test_a_file_that_changes_is_read_anew(tmp_path: Path) -> None:
    file = tmp_path / "dataset" / "mine.yaml"
    file.parent.mkdir()
    for pages in ("before", "afterwards"):
        file.write_text(f"defaults: [folder]\npath: {pages}\n")
        assert compose_experiment(["dataset=mine"], [tmp_path]).experiment.dataset.path == pages
