"""The plan of a run: everything resolved and checked, every problem listed at once, nothing written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from htr_exp.audit.classes import ClassNames
from htr_exp.audit.training_data import TrainingData
from htr_exp.config.compose import Composed
from htr_exp.config.defaults import shipped
from htr_exp.config.places import Places, dataset_folders, places_of
from htr_exp.config.rules import segments
from htr_exp.config.schema import CHOICES, Experiment
from htr_exp.core.errors import ConfigError, HtrExpError
from htr_exp.core.files import digest_json
from htr_exp.core.problem import Problem
from htr_exp.core.task import Task, task_of
from htr_exp.groundtruth.model import Dataset, GroundTruthPage
from htr_exp.kraken.legs import default_length, kill_costs
from htr_exp.kraken.runtime import Kraken
from htr_exp.pipeline import plan_checks
from htr_exp.pipeline.dataset_of_run import with_dataset_of_run
from htr_exp.pipeline.gathered import Gathered, gather
from htr_exp.pipeline.learning_rate import LearningRate, rate_of
from htr_exp.pipeline.preparation import preparation_of
from htr_exp.pipeline.sources import BaseModel, Sources, versions_of
from htr_exp.runs.records import NO_KRAKEN, LeftOutRecord
from htr_exp.scoring.other_systems.predictions import Predictions
from htr_exp.scoring.text_order import main_direction
from htr_exp.splits import from_config
from htr_exp.splits.leakage import LeakageReport
from htr_exp.splits.split import Split
from htr_exp.splits.tables import Metadata


@dataclass(frozen=True)
class Plan:
    """One run, ready to be written."""

    composed: Composed
    places: Places
    dataset_name: str
    folders: tuple[Path, ...]
    dataset: Dataset
    split: Split
    leaks: LeakageReport
    base: BaseModel | None
    segmenter: BaseModel | None
    kraken: Kraken | None  # None: predictions of another system are scored, and nothing is run
    device: str
    warnings: tuple[str, ...]
    training_data: TrainingData
    left_out: LeftOutRecord
    metadata: Metadata | None = None  # what a table says of the pages
    default_rate: LearningRate | None = None  # None: the user gave one
    evaluate: bool = False  # score the base model, or predictions, and train nothing
    predictions: Predictions | None = None

    @property
    def experiment(self) -> Experiment:
        return self.composed.experiment

    @property
    def name(self) -> str:
        """The run folder's name without its key."""
        system = "_".join((self.experiment.system or "").split())  # so that nobody has to quote it
        of = self.base.name if self.base else system or self.experiment.architecture.name or "scratch"
        return self.experiment.name or f"{'evaluate-' * self.evaluate}{self.dataset_name}-{of}"

    @cached_property
    def pages(self) -> dict[str, GroundTruthPage]:
        """Every usable page by its name."""
        return {page.name: page for page in self.dataset.pages}

    @property
    def versions(self) -> tuple[str, ...]:
        """The versions of kraken that may do the run."""
        return versions_of(self.experiment.runtime, self.kraken) if self.kraken else ()

    @property
    def kill_costs(self) -> int | None:
        """How many epochs a kill costs at most; None where nothing is trained."""
        trains = not self.evaluate and self.kraken is not None
        return kill_costs(self.experiment.training, self.kraken.version) if trains and self.kraken else None

    @cached_property
    def compiled(self) -> dict[str, Path]:
        """Where the cache holds, or will hold, the compiled lines of each side of the split."""
        if self.evaluate or self.kraken is None:
            return {}
        digests = {side: [self.pages[name].digest for name in names] for side, names in self.split.pages.items()}
        preparation = preparation_of(self.experiment)
        return preparation.compiled(self.experiment, self.places.cache, self.kraken.version, digests)

    @cached_property
    def naming(self) -> ClassNames | None:
        """What the types of lines and regions are called on the staged pages; None: as in the ground truth."""
        return preparation_of(self.experiment).naming(self.experiment)

    @cached_property
    def key(self) -> str:
        """The run's identity: all that decides its result, and nothing that only says where it runs and what it is called."""
        values = self.composed.values
        if self.predictions is not None:
            who = {"system": self.experiment.system, "predictions": self.predictions.sha256}
            return digest_json(
                {"task": values["task"], "question": values["question"], "split": self.split.digest, **who}
            )
        learnt = {"training": values["training"], "seed": values["seed"]}
        read = {"training": {key: values["training"][key] for key in ("device", "precision", "threads")}}
        return digest_json(
            {
                "task": values["task"],
                **(read if self.evaluate else learnt),
                "scores": _unlike_shipped(values["scores"], task_of(self.experiment.task.name)),
                **({"classes": _in_order(values["classes"])} if "classes" in values else {}),
                **({} if self.segmenter is None else {"segmentation_model": self.segmenter.sha256}),
                "question": values["question"],
                "split": self.split.digest,
                "model": self.base.sha256 if self.base else None,
                "network": None if self.base else values["architecture"]["spec"],
                "kraken": self.kraken.version if self.kraken else None,
                "runtime": values["runtime"]["kind"],
            }
        )


def _unlike_shipped(scores: dict[str, Any], task: Task) -> dict[str, Any]:
    """The scores without what is as shipped and was not there before: a run of before has the same key, so it goes on."""
    usual = vars(shipped(task).scores)
    return {
        key: value
        for key, value in scores.items()
        if not (key == "test" or key.startswith(("folding", "convention"))) or value != usual[key]
    }


def _in_order(classes: dict[str, Any]) -> dict[str, Any]:
    """The classes with the order of their patterns, of which the first that fits counts."""
    return {key: list(value.items()) if isinstance(value, dict) else value for key, value in classes.items()}


def make_plan(composed: Composed, sources: Sources | None = None, *, evaluate: bool = False) -> Plan:
    """Resolve and check one experiment.

    Args:
        composed: the configuration.
        sources: shared by the plans of one command.
        evaluate: score the base model, or the predictions of another system, instead of training.

    Raises:
        ConfigError: with every problem of configuration, ground truth, split, base model and kraken.
    """
    sources = sources or Sources()
    of_run: list[Problem] = []
    try:
        composed = with_dataset_of_run(composed) if evaluate else composed
    except HtrExpError as error:
        of_run = error.reasons()
    experiment = composed.experiment
    checked = plan_checks.setting_problems(composed, evaluate=evaluate)
    settings = [*of_run, *(one for one in checked if not of_run or one.where != "dataset")]
    if experiment.task.name not in CHOICES["task.name"]:
        raise ConfigError("the experiment cannot run:", settings)
    places = places_of(experiment)
    folders: Sequence[Path] = ()
    try:
        folders = sources.opened(dataset_folders(experiment), places)
    except HtrExpError as error:
        settings += error.reasons()
    gathered = gather(experiment, sources, settings, places=places, folders=folders, evaluate=evaluate)
    problems = plan_checks.problems(gathered)
    dataset, split, kraken = gathered.dataset, gathered.split, gathered.kraken
    leaks, data, left_out = gathered.leaks, gathered.training_data, gathered.left_out
    if (
        problems
        or dataset is None
        or split is None
        or (kraken is None and gathered.predictions is None)
        or leaks is None
        or data is None
        or left_out is None
    ):
        raise ConfigError("the experiment cannot run:", problems)
    if gathered.predictions is not None:  # tables show the system where a model stands
        composed = composed.with_settings("model", name=experiment.system)
        experiment = composed.experiment
    rate = rate_of(experiment, gathered.base.header if gathered.base else None) if kraken else None
    if rate is not None:
        composed = composed.with_settings("training", lrate=rate.value)
    if not evaluate and (length := _leg_length(gathered)) is not None:
        composed = composed.with_settings("training", leg_epochs=length)
    if (segments(experiment) or not task_of(experiment.task.name).reads_text) and not experiment.scores.text_direction:
        direction = main_direction(line.text for page in dataset.pages for line in page.lines)
        composed = composed.with_settings("scores", text_direction=direction)
    if (
        kraken is not None and kraken.kind == "host" and experiment.runtime.ketos is not None
    ):  # jobs stand in another folder
        composed = composed.with_settings("runtime", ketos=kraken.program("ketos"))
    return Plan(
        composed=composed,
        places=places,
        dataset_name=experiment.dataset.name or folders[0].name,
        folders=tuple(folders),
        dataset=dataset,
        split=split,
        leaks=leaks,
        base=gathered.base,
        segmenter=gathered.segmenter,
        kraken=kraken,
        device=sources.device(experiment.training.device, submits=experiment.slurm.submit) if kraken else NO_KRAKEN,
        warnings=(*composed.warnings, *plan_checks.warnings(gathered, sources)),
        training_data=data,
        left_out=left_out,
        metadata=gathered.metadata,
        default_rate=rate,
        evaluate=evaluate,
        predictions=gathered.predictions,
    )


def _leg_length(gathered: Gathered) -> int | None:
    """The epochs of a leg of an exact training that does not say it; None: nothing is to be found out."""
    experiment, split = gathered.experiment, gathered.split
    if not experiment.training.exact or experiment.training.leg_epochs is not None:
        return None
    network = gathered.base.header.network if gathered.base else str(experiment.architecture.spec)
    task = task_of(experiment.task.name)
    trained = set(split.pages["train"]) if split else set()
    pages = [page for page in gathered.dataset.pages if page.name in trained] if gathered.dataset else []
    return default_length(task, network, sum(len(page.lines) for page in pages) if task.reads_text else len(pages))


def points_of(composed: Composed, sources: Sources) -> list[Composed]:
    """One experiment for each fold where every fold is asked for, else the experiment itself.

    So it is, too, where its ground truth cannot be read or grouped: `make_plan` says why, with all else that is wrong.
    """
    experiment = composed.experiment
    paths = dataset_folders(experiment)
    if not paths or not from_config.has_folds(experiment):
        return [composed]
    try:
        folders = sources.opened(paths, places_of(experiment))
        names = sources.folds(experiment, sources.dataset(experiment, folders))
    except HtrExpError:
        return [composed]
    return [from_config.with_fold(composed, fold) for fold in names]
