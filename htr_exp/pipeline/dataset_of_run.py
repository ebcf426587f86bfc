"""The ground truth of an evaluation that names a run alone: `split.run=RUN` says which pages are the test, and where they are."""

from __future__ import annotations

from pathlib import Path

from omegaconf import OmegaConf

from htr_exp.config.choices import conf_dir
from htr_exp.config.compose import Composed
from htr_exp.config.places import places_of
from htr_exp.core.errors import ConfigError
from htr_exp.core.problem import Problem
from htr_exp.runs import configuration
from htr_exp.runs.selection import named


def with_dataset_of_run(composed: Composed) -> Composed:
    """An evaluation with the dataset of the run whose test pages it scores, where no dataset is set.

    Raises:
        ConfigError: there is no such run, or a key of the dataset is set although the run decides it.
    """
    experiment = composed.experiment
    word = str(experiment.split.run or "")
    if experiment.dataset.path or experiment.split.kind != "of_run" or not word or Path(word).is_file():
        return composed
    try:
        run = named(places_of(experiment).runs, word)
    except ConfigError as error:
        raise ConfigError(f"split.run={error}") from None
    values = composed.values["dataset"]
    usual = OmegaConf.load(conf_dir() / "dataset" / "folder.yaml")
    if typed := [key for key, value in values.items() if value != usual.get(key)]:
        what = f"dataset.{typed[0]}={values[typed[0]]} changes nothing: the ground truth is that of {run.name}"
        raise ConfigError("the dataset:", [Problem(what, "remove it, or name the dataset: dataset=NAME", "dataset")])
    recorded = configuration.section(run.experiment.read_text("utf-8"), "dataset")
    used = {key: value for key, value in recorded.items() if key in values}
    return composed.with_settings("dataset", **used | {"name": run.facts()["dataset"]["name"]})
