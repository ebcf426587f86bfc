"""The shipped values of a task: what a key is where nobody has changed it."""

from __future__ import annotations

from functools import cache
from typing import Any

from omegaconf import OmegaConf

from htr_exp.config.choices import conf_dir
from htr_exp.config.schema import Experiment, experiment_of
from htr_exp.core.task import RECOGNITION, Task


def shipped(task: Task = RECOGNITION) -> Experiment:
    """An experiment with the shipped values of a task's training and scores, of split, classes, leakage and a search; nothing else is set."""
    return _shipped(task)


@cache
def _shipped(task: Task) -> Experiment:
    files = {
        "training": task.name,
        "scores": task.name,
        "split": "by_page",
        "classes": "as_they_are",
        "leakage": "default",
        "launch": "local",
    }
    typed = experiment_of(task)
    values: Any = OmegaConf.create()  # one of all, as scores.pad is training.pad
    for section, name in files.items():
        loaded = OmegaConf.load(conf_dir() / section / f"{name}.yaml")
        values[section] = OmegaConf.merge(OmegaConf.structured(getattr(typed, section)), loaded)
    search = OmegaConf.load(conf_dir() / "launch" / "search" / "optuna.yaml")
    values["launch"].search = OmegaConf.merge(values["launch"].search, search)
    sections: dict[str, Any] = {section: OmegaConf.to_object(values[section]) for section in files}
    return Experiment(**sections)
