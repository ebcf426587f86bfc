"""Base models."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from fakes.scenario import weights
from helpers.findings import named
from htr_exp.cli.doctor import (
    models,
)
from htr_exp.cli.doctor.finding import Finding
from htr_exp.config.compose import compose_experiment


def of_models(folder: Path, *words: str, asked: bool = False, config_dirs: Sequence[Path] = ()) -> dict[str, Finding]:
    return named(models.findings(compose_experiment(words, config_dirs).experiment, folder, config_dirs, asked=asked))


def test_models_are_told_by_what_they_say_of_themselves(workspace: Path) -> None:
    folder = workspace / "models"
    folder.mkdir()
    (folder / "good.mlmodel").write_bytes(weights())
    (folder / "cut.mlmodel").write_bytes(weights()[:-50])
    (folder / "note.mlmodel").write_text("version https://git-lfs.github.com/spec/v1\n")
    (folder / "old.pronn").write_bytes(b"x")
    (folder / "readme.txt").write_text("not a model")
    os.mkfifo(folder / "pipe.mlmodel")
    found = of_models(folder)
    assert found["good.mlmodel"].state == "ok"
    assert re.fullmatch(r"recognition, 37 characters, \S+ \S+, network \[1,12,.*\]", found["good.mlmodel"].found)
    for name, told in (("cut.mlmodel", "ends too early"), ("note.mlmodel", "Git LFS"), ("old.pronn", "format of 2014")):
        assert found[name].state == "warning"
        assert told in found[name].found
    assert not {"readme.txt", "pipe.mlmodel"} & set(found)


def test_published_models_that_are_not_here_are_notes(workspace: Path) -> None:
    found = of_models(workspace / "models")
    assert found["models"].state == "note"
    assert (found["model=tridis"].state, "10.5281/zenodo.13862096" in found["model=tridis"].found) == ("note", True)
    assert "model=demo" not in found
    (workspace / "models").mkdir()
    (workspace / "models" / "tridis_v2_medieval_earlymodern.mlmodel").write_bytes(weights())
    found = of_models(workspace / "models")
    assert found["tridis_v2_medieval_earlymodern.mlmodel"].state == "ok"
    assert "model=tridis" not in found


def test_a_choice_of_ones_own_that_is_no_yaml_is_told(workspace: Path) -> None:
    (workspace / "mine" / "model").mkdir(parents=True)
    (workspace / "mine" / "model" / "broken.yaml").write_text("doi: [\n")
    (workspace / "mine" / "model" / "here.yaml").write_text("doi: 10.1/x\npath: here.mlmodel\n")
    told = of_models(workspace / "models", config_dirs=[workspace / "mine"])
    assert "model=here" not in told
    found = told["model=broken"]
    assert found.state == "warning"
    assert "broken.yaml cannot be read" in found.found


@pytest.mark.parametrize(
    ("words", "state", "told"),
    [
        (("model.path=good.mlmodel",), "ok", "recognition, 37 characters"),
        (("model.path=cut.mlmodel",), "error", "ends too early"),
        (("model.path=nowhere.mlmodel",), "error", "is not there"),
        (("model=tridis",), "note", "is not here yet"),
        (("model=demo",), "ok", "recognition"),
    ],
)
def test_the_model_that_is_asked_for_is_looked_at(
    words: tuple[str, ...], state: str, told: str, workspace: Path
) -> None:
    (workspace / "good.mlmodel").write_bytes(weights())
    (workspace / "cut.mlmodel").write_bytes(weights()[:-50])
    (found,) = of_models(workspace / "models", *words, asked=True).values()
    assert found.state == state
    assert told in found.found


def test_training_from_scratch_needs_no_model(workspace: Path) -> None:
    assert of_models(workspace / "models", "model=none", asked=True) == {}


def test_a_model_on_a_dead_disk_is_given_up(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "TIMEOUT_S", 0.3)
    monkeypatch.setattr(models, "read_header", lambda file: time.sleep(2))
    (workspace / "good.mlmodel").write_bytes(weights())
    (found,) = of_models(workspace, "model.path=good.mlmodel", asked=True).values()
    assert (found.state, "does not answer within 0.3 s" in found.found) == ("error", True)
