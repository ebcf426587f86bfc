"""The plan of a run: everything resolved and checked, every problem listed at once, nothing written."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from htr_exp.audit import training_data
from htr_exp.audit.classes import ClassNames, setting_problems
from htr_exp.config import conventions, rules
from htr_exp.config.compose import Composed, conf_dir, word_problems
from htr_exp.config.places import Places, absolute, dataset_folders, places_of
from htr_exp.config.schema import CHOICES, Experiment, Model, Runtime, Slurm
from htr_exp.core import machine
from htr_exp.core.errors import ConfigError, HtrExpError
from htr_exp.core.files import digest_json, sha256_file
from htr_exp.groundtruth.as_kraken.values import refused
from htr_exp.groundtruth.examine import examine_folders
from htr_exp.groundtruth.file_cache import user_cache
from htr_exp.groundtruth.model import Dataset, GroundTruthPage
from htr_exp.kraken import model_store, options, runtime
from htr_exp.kraken.model_file import ModelHeader, read_header
from htr_exp.kraken.releases import release, unloadable
from htr_exp.runs.run_dir import compiled_file
from htr_exp.slurm import cluster, programs, refusals, sbatch
from htr_exp.splits import from_config, leakage, seen_pages
from htr_exp.splits.split import Split, everything


@dataclass(frozen=True)
class Base:
    """The base model."""

    name: str
    path: Path
    sha256: str
    header: ModelHeader
    doi: str | None


@dataclass(frozen=True)
class Plan:
    """One run, ready to be written."""

    composed: Composed
    places: Places
    dataset_name: str
    folders: tuple[Path, ...]
    dataset: Dataset
    split: Split
    leaks: leakage.LeakageReport
    base: Base | None
    segmenter: Base | None
    kraken: runtime.Kraken
    device: str
    warnings: tuple[str, ...]
    material: training_data.TrainingData
    evaluate: bool = False  # score the base model on all pages, train nothing

    @property
    def experiment(self) -> Experiment:
        return self.composed.experiment

    @property
    def name(self) -> str:
        """The run folder's name without its key."""
        of = self.base.name if self.base else self.experiment.architecture.name or "scratch"
        return self.experiment.name or f"{'evaluate-' * self.evaluate}{self.dataset_name}-{of}"

    @cached_property
    def pages(self) -> dict[str, GroundTruthPage]:
        """Every usable page by its name."""
        return {page.name: page for page in self.dataset.pages}

    @property
    def versions(self) -> tuple[str, ...]:
        """The versions of kraken that may do the run."""
        return _versions(self.experiment.runtime, self.kraken)

    @cached_property
    def compiled(self) -> dict[str, Path]:
        """Where the cache holds, or will hold, the compiled lines of each side of the split."""
        return {
            side: compiled_file(
                self.places.cache,
                sorted(self.pages[name].digest for name in names),
                kraken=self.kraken.version,
                legacy_polygons=self.experiment.training.legacy_polygons,
            )
            for side, names in self.split.pages.items()
            if names and not self.evaluate and self.naming is None
        }

    @cached_property
    def naming(self) -> ClassNames | None:
        """What the types of lines and regions are called on the staged pages of a segmentation; None for recognition."""
        return ClassNames(self.experiment.classes) if self.experiment.task.name == "segmentation" else None

    @cached_property
    def key(self) -> str:
        """The run's identity: all that decides its result, and nothing that only says where it runs and what it is called."""
        values = self.composed.values
        foreign = rules.foreign(self.experiment)
        training, scores = (
            {key: value for key, value in values[section].items() if f"{section}.{key}" not in foreign}
            for section in ("training", "scores")
        )
        learnt = {"training": training, "seed": values["seed"]}
        read = {"training": {key: values["training"][key] for key in ("device", "precision", "threads")}}
        return digest_json(
            {
                "task": values["task"],
                **(read if self.evaluate else learnt),
                "scores": scores,
                **({} if self.naming is None else {"classes": _in_order(values["classes"])}),
                **({} if self.segmenter is None else {"segmentation_model": self.segmenter.sha256}),
                "question": values["question"],
                "split": self.split.digest,
                "model": self.base.sha256 if self.base else None,
                "network": None if self.base else values["architecture"]["spec"],
                "kraken": self.kraken.version,
                "runtime": values["runtime"]["kind"],
            }
        )


def _in_order(classes: dict[str, Any]) -> dict[str, Any]:
    """Return the classes with the order of their patterns, of which the first that fits counts."""
    return {key: list(value.items()) if isinstance(value, dict) else value for key, value in classes.items()}


@dataclass
class Memory:
    """What plans of one command share: no folder is read, no file hashed twice."""

    fetch: bool = True  # base models that are not on disk
    progress: Callable[[int, int], None] | None = None
    datasets: dict[Any, Dataset] = field(default_factory=dict)
    splits: dict[Any, Split] = field(default_factory=dict)
    similar: dict[Any, leakage.Similar] = field(default_factory=dict)
    lineages: dict[Any, seen_pages.Lineage] = field(default_factory=dict)
    tables: from_config.Tables = field(default_factory=dict)
    bases: dict[Any, Base] = field(default_factory=dict)
    krakens: dict[Any, runtime.Kraken] = field(default_factory=dict)
    devices: dict[str, str] = field(default_factory=dict)
    slurm: dict[str, list[str]] = field(default_factory=dict)
    missing: dict[Any, list[str]] = field(default_factory=dict)
    materials: dict[Any, training_data.TrainingData] = field(default_factory=dict)
    defaults: dict[str, Experiment] = field(default_factory=dict)

    def shipped(self, task: str = "recognition") -> Experiment:
        """Return the shipped values of a task's training and scores, and of split and classes."""
        if task not in self.defaults:
            files = {"training": task, "scores": task, "split": "by_page", "classes": "as_they_are"}
            values: Any = OmegaConf.structured(Experiment)
            for section, name in files.items():
                loaded = OmegaConf.load(conf_dir() / section / f"{name}.yaml")
                values[section] = OmegaConf.merge(values[section], loaded)
            sections: dict[str, Any] = {section: OmegaConf.to_object(values[section]) for section in files}
            self.defaults[task] = Experiment(**sections)
        return self.defaults[task]


def make_plan(composed: Composed, memory: Memory | None = None, *, evaluate: bool = False) -> Plan:
    """Resolve and check one experiment.

    Args:
        composed: the configuration.
        memory: what plans of one command share.
        evaluate: score the base model on every page instead of training.

    Raises:
        ConfigError: with every problem of configuration, ground truth, split, base model and kraken.
    """
    memory = memory or Memory()
    experiment = composed.experiment
    problems = word_problems(composed.values)
    if problems and experiment.task.name not in CHOICES["task.name"]:
        raise ConfigError("the experiment cannot run:", problems)
    problems += rules.problems(experiment, memory.shipped(experiment.task.name), evaluate=evaluate)
    problems += (misnamed := setting_problems(experiment.classes))
    problems += slurm_problems(experiment, memory)
    problems += (misset := leakage.setting_problems(experiment.leakage))
    places = places_of(experiment)

    def attempt(step: Callable[[], Any]) -> Any:
        try:
            return step()
        except HtrExpError as error:
            about = error.headline.rstrip(":")
            problems.extend([f"{about}: {problem}" for problem in error.problems] or [about])
            return None

    folders = dataset_folders(experiment)
    dataset = attempt(lambda: _dataset(experiment, folders, memory)) if folders else None
    splittable = evaluate or not any(problem.startswith(("split.", "split=", "leakage.")) for problem in problems)
    split = None
    if dataset is not None and splittable:
        split = attempt(lambda: _split(experiment, dataset, memory, evaluate))
    named = experiment.model.name != "none" and (experiment.model.path or experiment.model.doi)
    base = attempt(lambda: _base(experiment, experiment.model, experiment.task.name, places, memory)) if named else None
    segmenter = None
    if evaluate and rules.segments(experiment):
        segmenter = attempt(lambda: _base(experiment, experiment.segmentation_model, "segmentation", places, memory))
    kraken = attempt(lambda: _kraken(experiment, memory))
    if kraken is not None:
        problems += _kraken_problems(experiment, kraken, [base, segmenter], evaluate)
    if kraken is not None and dataset is not None and not evaluate and experiment.task.name == "recognition":
        problems += _text_problems(dataset, _versions(experiment.runtime, kraken))
    if evaluate and experiment.model.name == "none":
        problems = [problem for problem in problems if not problem.startswith("model=none")] + [
            "model=none: choose a model to evaluate"
        ]
    lines = None
    if dataset is not None and split is not None and (base is not None or not named) and not misnamed:
        lines = attempt(lambda: _material(experiment, base, dataset, split, memory, evaluate))
    if lines is not None:
        versions = _versions(experiment.runtime, kraken) if kraken is not None else ()
        problems += lines.problems(experiment, base.name if base else None, versions)
    guarded = None
    if dataset is not None and split is not None and not misset:
        guarded = attempt(lambda: _guarded(experiment, dataset, split, base, places, memory))
    problems += [f"leakage: {problem}" for problem in guarded.problems()] if guarded else []
    if problems or dataset is None or split is None or kraken is None or guarded is None or lines is None:
        raise ConfigError("the experiment cannot run:", list(dict.fromkeys(problems)))
    return Plan(
        composed=composed,
        places=places,
        dataset_name=experiment.dataset.name or folders[0].name,
        folders=tuple(folders),
        dataset=dataset,
        split=split,
        leaks=guarded,
        base=base,
        segmenter=segmenter,
        kraken=kraken,
        device=_device(experiment, memory),
        warnings=(
            *_runtime_warnings(experiment, kraken, memory),
            *split.notes,
            *guarded.warnings,
            *_warnings(experiment, base, lines, split, evaluate),
        ),
        material=lines,
        evaluate=evaluate,
    )


def _dataset(experiment: Experiment, folders: Sequence[Path], memory: Memory) -> Dataset:
    config = experiment.dataset
    key = (tuple(folders), config.pattern, tuple(config.exclude), experiment.task.name)
    if key not in memory.datasets:
        memory.datasets[key] = examine_folders(
            folders,
            pattern=config.pattern,
            exclude=config.exclude,
            task=experiment.task.name,  # type: ignore[arg-type]
            cache=user_cache(),
            progress=memory.progress,
        )
    dataset = memory.datasets[key]
    if dataset.errors:
        shown = [f"{problem.file}: {problem.message}" for problem in dataset.errors[:20]]
        if len(dataset.errors) > 20:
            shown.append(f"and {len(dataset.errors) - 20} more; run `python -m htr_exp check` on the folder to see all")
        raise ConfigError("ground truth:", shown)
    return dataset


def _split(experiment: Experiment, dataset: Dataset, memory: Memory, evaluate: bool) -> Split:
    config = experiment.split
    dataset_keys = (id(dataset), experiment.dataset.metadata, experiment.dataset.page_column)
    key = (*dataset_keys, repr(config), repr(experiment.leakage), evaluate)
    if key not in memory.splits and evaluate:
        memory.splits[key] = everything(dataset.pages)
    elif key not in memory.splits:
        # what the guard would refuse is not drawn in the first place
        together = leakage.together(
            pair
            for pair in similar_pages(experiment, dataset, memory).pairs
            if pair.kind not in experiment.leakage.accept
        )
        memory.splits[key] = from_config.made(experiment, dataset.pages, memory.tables, together=together)
    return memory.splits[key]


def points_of(composed: Composed, memory: Memory) -> list[Composed]:
    """Return one experiment for each fold where every fold is asked for, else the experiment itself.

    So it is, too, where its ground truth cannot be read or grouped: `plan` says why, with all else that is wrong.
    """
    experiment = composed.experiment
    folders = dataset_folders(experiment)
    if not folders or not from_config.has_folds(experiment):
        return [composed]
    try:
        pages = _dataset(experiment, folders, memory).pages
        return [from_config.with_fold(composed, fold) for fold in from_config.folds(experiment, pages, memory.tables)]
    except HtrExpError:
        return [composed]


def _base(experiment: Experiment, config: Model, task: str, places: Places, memory: Memory) -> Base:
    key = (config.path, config.doi, config.file, task)
    if key not in memory.bases:
        path = model_store.obtain(
            config, [places.models], timeout_s=config.fetch_timeout_s if memory.fetch else None
        ).absolute()
        header = read_header(path)
        if header.kind != task:
            begins = (
                f"task={task} starts from" if config is not experiment.segmentation_model else "segmentation_model is"
            )
            raise ConfigError(f"{path} is a {header.kind} model: {begins} a {task} model")
        name = config.name if config.name != "none" else None
        memory.bases[key] = Base(name or path.stem, path, sha256_file(path), header, config.doi)
    return memory.bases[key]


def _guarded(
    experiment: Experiment,
    dataset: Dataset,
    split: Split,
    base: Base | None,
    places: Places,
    memory: Memory,
) -> leakage.LeakageReport:
    found = similar_pages(experiment, dataset, memory)
    known = None
    if base is not None:
        listed = experiment.model.trained_on
        key = (base.sha256, listed, places.runs)
        if key not in memory.lineages:
            memory.lineages[key] = seen_pages.of_model(
                base.path, base.sha256, places.runs, absolute(listed) if listed else None
            )
        known = memory.lineages[key]
    pages = {page.name: page for page in dataset.pages}
    return leakage.guard(split.pages, pages, found, known, experiment.leakage)


def similar_pages(experiment: Experiment, dataset: Dataset, memory: Memory) -> leakage.Similar:
    """Return which pages of a dataset are nearly the same; they are compared once a command."""
    config = experiment.leakage
    key = (id(dataset), config.near_image, config.near_text, config.contained_text, config.text_letters)
    if key not in memory.similar:
        memory.similar[key] = leakage.similar(dataset.pages, config, user_cache(), memory.progress)
    return memory.similar[key]


def _kraken(experiment: Experiment, memory: Memory) -> runtime.Kraken:
    wanted = experiment.runtime
    key = (repr(wanted), experiment.slurm.submit)
    if key not in memory.krakens:
        elsewhere = experiment.slurm.submit and (wanted.kraken is not None or wanted.kind != "host")
        memory.krakens[key] = runtime.stated(wanted) if elsewhere else runtime.provide(wanted, prove=False)
    return memory.krakens[key]


def _versions(wanted: Runtime, kraken: runtime.Kraken) -> tuple[str, ...]:
    other = wanted.fallback_kraken if wanted.kind == "module" and wanted.fallback else None
    return (kraken.version,) if other in (None, kraken.version) else (kraken.version, str(other))


def _kraken_problems(
    experiment: Experiment, kraken: runtime.Kraken, models: Sequence[Base | None], evaluate: bool
) -> list[str]:
    """Return what each version that may do the run cannot do of it."""
    found = []
    for version in _versions(experiment.runtime, kraken):
        try:
            if not evaluate:
                found += options.problems(experiment.training, experiment.seed, version, experiment.task.name)
            for model in models:
                if model is not None and (why := unloadable(model.header, version)):
                    found.append(f"{model.path}: {why}")
        except HtrExpError as error:
            found.append(f"runtime.fallback_kraken={version}: {error.headline}")
    return found


def _text_problems(dataset: Dataset, versions: Sequence[str]) -> list[str]:
    """Return the characters at which a version that may do the run stops, with the first line that has each."""
    old = next((version for version in versions if release(version) == "4.3"), None)
    if old is None:
        return []
    first: dict[str, str] = {}
    for page in dataset.pages:
        for line in page.lines:
            if character := refused(line.text):
                first.setdefault(character, f"{page.name}:{line.id}")
    return [
        f"{where}: kraken {old} stops at U+{ord(character):04X}, which it cannot bring into display order: "
        "write it otherwise, or use kraken 7"
        for character, where in sorted(first.items())
    ]


def _runtime_warnings(experiment: Experiment, kraken: runtime.Kraken, memory: Memory) -> list[str]:
    """Return what is not here of a kraken that jobs are to find on their nodes."""
    wanted = experiment.runtime
    if kraken.fallback:
        return [f"{kraken.fallback}: kraken {kraken.version} of {kraken.image} is used instead"]
    if not experiment.slurm.submit or wanted.kind == "host":
        return []
    key = (repr(wanted), "warnings")
    if key not in memory.missing:
        memory.missing[key] = runtime.missing_here(wanted)
    return memory.missing[key]


def _device(experiment: Experiment, memory: Memory) -> str:
    asked = experiment.training.device
    if experiment.slurm.submit:
        return asked  # `auto` is for the node to say
    if asked not in memory.devices:
        memory.devices[asked] = machine.device(asked)
    return memory.devices[asked]


def slurm_problems(experiment: Experiment, memory: Memory) -> list[str]:
    """Return what Slurm would refuse, or take and never start; each setting is asked for once a command."""
    settings = experiment.slurm
    if not settings.submit or settings.partition is None or settings.time_min is None:
        return []
    if repr(settings) not in memory.slurm:
        memory.slurm[repr(settings)] = _asked_slurm(settings)
    return memory.slurm[repr(settings)]


def _asked_slurm(settings: Slurm) -> list[str]:
    if shutil.which("sbatch") is None:
        return [
            f"slurm={settings.name}: there is no sbatch here; run this on the cluster's login node, or here with slurm=none"
        ]
    try:
        partitions = cluster.partitions()
        found = []
        for key, name in (("partition", settings.partition), ("compile_partition", settings.compile_partition)):
            if name is None:
                continue
            known = [partitions.get(one) for one in name.split(",")]
            if None in known:
                found.append(
                    f"slurm.{key}={name}: there is no such partition; choose one of {', '.join(sorted(partitions))}"
                )
            # Slurm takes such a job and leaves it waiting for ever, unless the site has it otherwise
            longest = max((one.max_time_min or math.inf for one in known if one), default=math.inf)
            if settings.time_min is not None and key == "partition" and settings.time_min > longest:
                found.append(f"slurm.time_min={settings.time_min}: {name} allows {longest:.0f} minutes")
        words = (
            None
            if found
            else refusals.test_script(sbatch.script(sbatch.Work(settings, "test", Path("/"), Path("/")), 1))
        )
        return found + ([refusals.meaning(words, vars(settings))] if words else [])
    except programs.SlurmSilent as silent:
        return [f"slurm={settings.name}: {silent}; try again when Slurm answers, or run here with slurm=none"]


def _material(
    experiment: Experiment,
    base: Base | None,
    dataset: Dataset,
    split: Split,
    memory: Memory,
    evaluate: bool,
) -> training_data.TrainingData:
    key = (id(dataset), split.digest, base.sha256 if base else None, evaluate, training_data.key(experiment))
    if key not in memory.materials:
        pages = {page.name: page for page in dataset.pages}
        memory.materials[key] = training_data.of_split(experiment, pages, split.pages, base.header if base else None)
    return memory.materials[key]


def _warnings(
    experiment: Experiment, base: Base | None, found: training_data.TrainingData, split: Split, evaluate: bool
) -> list[str]:
    said = conventions.warning(experiment, evaluate=evaluate) if experiment.task.name == "recognition" else None
    warnings = [said] if said else []
    warnings += found.warnings(experiment, base.name if base else None)
    if not split.pages["test"]:
        warnings.append("there is no test set: only a validation score will be given, which is optimistic")
    return warnings
