"""What is wrong with the keys of an evaluation that scores the predictions of another system."""

from __future__ import annotations

from collections.abc import Iterator

from htr_exp.config.schema import Experiment
from htr_exp.core.problem import Problem
from htr_exp.core.task import task_of

OWN = ("predictions", "system", "system_trained_on")
"""The keys that only such an evaluation has."""


def predictions_problems(experiment: Experiment, *, evaluate: bool) -> Iterator[Problem]:
    """Yield why predictions cannot be scored as configured, and keys that mean nothing without them.

    Args:
        experiment: as composed.
        evaluate: a model, or predictions, are only scored.
    """
    given = {key: value for key in OWN if (value := getattr(experiment, key)) is not None}
    if not evaluate:
        for key, value in given.items():
            what = f"{key}={value}: only `evaluate` scores the predictions of other systems"
            yield Problem(what, f"remove it, or write `evaluate` in the place of `train`{_without_model(key)}", key)
        return
    if experiment.predictions is None:
        for key, value in given.items():
            yield Problem(
                f"{key}={value} changes nothing without predictions", "give predictions=FOLDER, or remove it", key
            )
        return
    if experiment.system is None:
        remedy = 'give system=NAME, in quotes where it has blanks: system="Transkribus Titan"'
        yield Problem(
            "predictions are given, and system is not set: no table could name what is scored", remedy, "system"
        )
    elif "/" in experiment.system or experiment.system.startswith((".", "-")) or not experiment.system.isprintable():
        what = f"system={experiment.system}: it names a folder, too"
        yield Problem(what, "write it in one line without /, and without . or - at the beginning", "system")
    yield from _unused(experiment)


def _without_model(key: str) -> str:
    return " and name no model" if key == "predictions" else ""


def _unused(experiment: Experiment) -> Iterator[Problem]:
    """Yield what predictions have no use for: nothing is read, and nothing runs for long."""
    model, task = experiment.model, task_of(experiment.task.name)
    if model.path or model.doi or model.name is not None:
        said = f"model.path={model.path}" if model.path and model.name is None else f"model={model.name}"
        what = f"{said}: either the predictions of another system are scored or a model"
        yield Problem(what, "remove one of the two", "model")
    if experiment.segmentation_model.path or experiment.segmentation_model.doi:
        what = "segmentation_model changes nothing with predictions: they are of the lines of the ground truth"
        yield Problem(what, "remove it", "segmentation_model")
    if not task.reads_text:
        what = f"task={task.name}: predictions of other systems are texts of lines"
        yield Problem(what, "remove task, which is recognition then", "task")
    if experiment.slurm.submit:
        what = f"slurm={experiment.slurm.name}: predictions are scored in moments, and nothing is submitted"
        yield Problem(what, "write slurm=none, or leave it out", "slurm")
    if experiment.split.kind not in ("drawn", "of_run"):
        what = f"split={experiment.split.kind}: predictions are scored on all pages of the dataset, or on the test pages of a run"
        yield Problem(what, "leave it out, or write split=of_run split.run=RUN", "split")
