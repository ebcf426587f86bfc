"""`training=guide`: what of the users' guide kraken really does, for either task."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from htr_exp.config.compose import compose_experiment
from htr_exp.config.defaults import shipped
from htr_exp.config.rules import problems
from htr_exp.core.task import task_of

GUIDE = {
    "recognition": {
        "quit": "early", "min_epochs": 20, "epochs": 1000, "batch_size": 1, "lrate": 0.0001, "gradient_clip_val": 0,
        "augment": True, "pad": 24, "resize": "new",
    },
    "segmentation": {
        "quit": "early", "min_epochs": 60, "lag": 20, "epochs": 2000, "lrate": 0.0001, "weight_decay": 0.0,
        "gradient_clip_val": 0, "augment": True, "resize": "new",
    },
}  # fmt: skip
"""What differs from the shipped training, or could."""


@pytest.mark.parametrize("task", GUIDE)
@pytest.mark.parametrize("kraken", ["4.3.13", "7.1.1"])
def test_it_is_the_guides_for_the_task_and_breaks_no_rule(task: str, kraken: str, workspace: Path) -> None:
    words = ["dataset=demo", "model=blla", f"task={task}", "training=guide", f"runtime.kraken={kraken}"]
    experiment = compose_experiment(words).experiment
    plain = asdict(compose_experiment([*words[:3]]).experiment.training)
    assert asdict(experiment.training) == plain | GUIDE[task]
    assert (experiment.training.optimizer, experiment.training.weight_decay) == ("Adam", 0.0)
    assert problems(experiment, shipped(task_of(task))) == []


def test_its_values_can_be_changed(workspace: Path) -> None:
    words = ["training=guide", "training.lrate=0.001", "task=segmentation"]
    assert compose_experiment(words).experiment.training.lrate == 0.001
