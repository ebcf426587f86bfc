"""The shipped values of a task: what a key is where nobody has changed it."""

from __future__ import annotations

from functools import cache
from typing import Any

from omegaconf import OmegaConf

from htr_exp.config.choices import conf_dir
from htr_exp.config.schema import Experiment, experiment_of
from htr_exp.core.task import RECOGNITION, Task


@cache
def shipped(task: Task = RECOGNITION) -> Experiment:
    """An experiment with the shipped values of a task's training and scores, of split, classes, leakage and a search; nothing else is set."""
    files = {
        "training": task.name,
        "scores": task.name,
        "split": "by_page",
        "classes": "as_they_are",
        "leakage": "default",
        "launch": "local",
    }
    values: Any = OmegaConf.structured(experiment_of(task))
    for section, name in files.items():
        loaded = OmegaConf.load(conf_dir() / section / f"{name}.yaml")
        values[section] = OmegaConf.merge(values[section], loaded)
    search = OmegaConf.load(conf_dir() / "launch" / "search" / "optuna.yaml")
    values["launch"].search = OmegaConf.merge(values["launch"].search, search)
    sections: dict[str, Any] = {section: OmegaConf.to_object(values[section]) for section in files}
    return Experiment(**sections)
