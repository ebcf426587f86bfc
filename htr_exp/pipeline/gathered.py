"""What the plan of one experiment is made from, gathered from the sources; what could not be had is a problem."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from htr_exp.audit.training_data import TrainingData
from htr_exp.config import rules
from htr_exp.config.places import Places, absolute
from htr_exp.config.schema import Experiment
from htr_exp.core.errors import DatasetError, HtrExpError
from htr_exp.core.file_cache import user_cache
from htr_exp.core.problem import Problem
from htr_exp.core.task import SEGMENTATION, task_of
from htr_exp.groundtruth.model import Dataset
from htr_exp.kraken.runtime import Kraken
from htr_exp.pipeline.sources import BaseModel, Sources, versions_of
from htr_exp.runs.records import LeftOutRecord
from htr_exp.scoring.other_systems.predictions import Predictions, read_predictions
from htr_exp.splits import leakage, seen_pages
from htr_exp.splits.leakage import LeakageReport
from htr_exp.splits.split import Split
from htr_exp.splits.tables import Metadata

Value = TypeVar("Value")


@dataclass
class Gathered:
    """What one plan is made from; None is what could not be had, and `problems` says why.

    Attributes:
        experiment: as composed.
        evaluate: the base model is only scored.
        settings: what is wrong with the configuration itself.
        folders: of the dataset, absolute.
        named: whether a base model is named.
    """

    experiment: Experiment
    evaluate: bool
    settings: list[Problem]
    places: Places
    folders: Sequence[Path]
    named: bool
    problems: list[Problem]
    dataset: Dataset | None = None
    split: Split | None = None
    base: BaseModel | None = None
    segmenter: BaseModel | None = None
    kraken: Kraken | None = None
    predictions: Predictions | None = None
    training_data: TrainingData | None = None
    leaks: LeakageReport | None = None
    left_out: LeftOutRecord | None = None
    metadata: Metadata | None = None  # also where there is no table
    cluster: Sequence[Problem] = ()

    def is_sound(self, *sections: str) -> bool:
        """Whether nothing is wrong with these sections of the configuration."""
        return not any(problem.section in sections for problem in self.settings)

    @property
    def versions(self) -> tuple[str, ...]:
        """The versions of kraken that may do the run; none if it is not known."""
        return versions_of(self.experiment.runtime, self.kraken) if self.kraken else ()


def gather(
    experiment: Experiment,
    sources: Sources,
    settings: list[Problem],
    *,
    places: Places,
    folders: Sequence[Path],
    evaluate: bool,
) -> Gathered:
    """Read all that a plan is made from; what depends on something that could not be had is left out.

    Args:
        experiment: as composed.
        sources: shared by the plans of one command.
        settings: what is wrong with the configuration itself: nothing is read by a setting that cannot be used.
        places: of this machine.
        folders: of the dataset.
        evaluate: the base model is only scored.
    """
    model, task = experiment.model, task_of(experiment.task.name)
    named = model.name != "none" and bool(model.path or model.doi)
    found = Gathered(experiment, evaluate, settings, places, folders, named, [])

    def attempt(read: Callable[[], Value]) -> Value | None:
        try:
            return read()
        except HtrExpError as error:
            found.problems += error.reasons()
            return None

    found.cluster = sources.slurm_problems(experiment.slurm)
    scores_predictions = evaluate and experiment.predictions is not None
    if not scores_predictions:
        found.settings += sources.device_problems(experiment.training.device, submits=experiment.slurm.submit)
    if folders:
        found.dataset = attempt(lambda: sources.dataset(experiment, folders))
    if named:
        start = f"task={task} starts from"
        found.base = attempt(lambda: sources.base_model(model, task, places, needed_for=start))
    if evaluate and rules.segments(experiment):
        segmenter = experiment.segmentation_model
        start = "segmentation_model is"
        found.segmenter = attempt(lambda: sources.base_model(segmenter, SEGMENTATION, places, needed_for=start))
    if not scores_predictions:
        found.kraken = attempt(lambda: sources.kraken(experiment.runtime, submits=experiment.slurm.submit))
    if (dataset := found.dataset) is None or not (evaluate or found.is_sound("split", "leakage")):
        return found
    if (split := attempt(lambda: sources.split(experiment, dataset, evaluate=evaluate))) is None:
        return found
    found.split = split
    found.metadata = attempt(lambda: sources.metadata(experiment, dataset))
    if scores_predictions:
        found.predictions = attempt(lambda: _given(experiment, dataset, split, places.cache))
    found.left_out = sources.left_out(experiment, dataset, split, places.runs)
    if (found.base is not None or not named) and found.is_sound("classes"):
        found.training_data = attempt(
            lambda: sources.training_data(experiment, found.base, dataset, split, evaluate=evaluate)
        )
    if found.is_sound("leakage"):
        found.leaks = attempt(lambda: _guarded(found, sources, dataset, split))
    return found


def _given(experiment: Experiment, dataset: Dataset, split: Split, cache: Path) -> Predictions:
    tested = [page for page in dataset.pages if page.name in set(split.pages["test"])]
    try:
        return read_predictions(absolute(str(experiment.predictions)), tested, cache)
    except DatasetError as error:
        raise DatasetError(f"predictions={experiment.predictions}: {error.headline}", error.problems) from None


def _guarded(found: Gathered, sources: Sources, dataset: Dataset, split: Split) -> LeakageReport:
    experiment, places = found.experiment, found.places
    models = {}
    if found.base is not None:
        models["base_model"] = sources.lineage(found.base, experiment.model, "model", places)
    if found.segmenter is not None:
        segmenter = experiment.segmentation_model
        models["segmentation_model"] = sources.lineage(found.segmenter, segmenter, "segmentation_model", places)
    if found.evaluate and experiment.predictions is not None:
        models["system"] = seen_pages.of_system(experiment.system_trained_on, user_cache())
    pages = {page.name: page for page in dataset.pages}
    similar = sources.similar_pages(experiment, dataset)
    return leakage.guard(split.pages, pages, similar, models, experiment.leakage)
