"""The plan of a run: everything resolved and checked, every problem listed at once, nothing written."""

from __future__ import annotations

import math
import shutil
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from omegaconf import OmegaConf

from htr_exp import basemodel, groundtruth, ketos, rules, runtime, sbatch, slurm, splits
from htr_exp.config import Composed, conf_dir, word_problems
from htr_exp.errors import ConfigError, HtrExpError
from htr_exp.files import digest_json, sha256_file
from htr_exp.rundir import Places, compiled_file
from htr_exp.schema import Experiment, Runtime, Slurm, Split, Training
from htr_exp.weights import ModelHeader, read_header


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
    dataset: groundtruth.Dataset
    split: splits.Split
    base: Base | None
    kraken: runtime.Kraken
    device: str
    warnings: tuple[str, ...]
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
    def pages(self) -> dict[str, groundtruth.GroundTruthPage]:
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
            if names and not self.evaluate
        }

    @cached_property
    def key(self) -> str:
        """The run's identity: all that decides its result, and nothing that only says where it runs and what it is called."""
        values = self.composed.values
        learnt = {"training": values["training"], "seed": values["seed"]}
        read = {"training": {key: values["training"][key] for key in ("device", "precision", "threads")}}
        return digest_json(
            {
                "task": values["task"],
                **(read if self.evaluate else learnt),
                "scores": values["scores"],
                "question": values["question"],
                "split": self.split.digest,
                "model": self.base.sha256 if self.base else None,
                "network": None if self.base else values["architecture"]["spec"],
                "kraken": self.kraken.version,
                "runtime": values["runtime"]["kind"],
            }
        )


@dataclass
class Memory:
    """What plans of one command share: no folder is read, no file hashed twice."""

    fetch: bool = True  # base models that are not on disk
    progress: Callable[[int, int], None] | None = None
    datasets: dict[Any, groundtruth.Dataset] = field(default_factory=dict)
    splits: dict[Any, splits.Split] = field(default_factory=dict)
    bases: dict[Any, Base] = field(default_factory=dict)
    krakens: dict[Any, runtime.Kraken] = field(default_factory=dict)
    devices: dict[str, str] = field(default_factory=dict)
    slurm: dict[str, list[str]] = field(default_factory=dict)
    missing: dict[Any, list[str]] = field(default_factory=dict)
    defaults: Experiment | None = None

    def shipped(self) -> Experiment:
        """Return the shipped values of training and split."""
        if self.defaults is None:
            files = {
                "training": conf_dir() / "training" / "recognition.yaml",
                "split": conf_dir() / "split" / "by_page.yaml",
            }
            values: Any = OmegaConf.structured(Experiment)
            for section, file in files.items():
                values[section] = OmegaConf.merge(values[section], OmegaConf.load(file))
            training, split = (OmegaConf.to_object(values[section]) for section in files)
            self.defaults = Experiment(training=cast(Training, training), split=cast(Split, split))
        return self.defaults


def plan(composed: Composed, memory: Memory | None = None, *, evaluate: bool = False) -> Plan:
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
    problems += rules.problems(experiment, memory.shipped())
    problems += slurm_problems(experiment, memory)
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
    split = attempt(lambda: _split(experiment, dataset, memory, evaluate)) if dataset is not None else None
    named = experiment.model.name != "none" and (experiment.model.path or experiment.model.doi)
    base = attempt(lambda: _base(experiment, places, memory)) if named else None
    kraken = attempt(lambda: _kraken(experiment, memory))
    if kraken is not None:
        problems += _kraken_problems(experiment, kraken, base, evaluate)
    if evaluate and experiment.model.name == "none":
        problems = [problem for problem in problems if not problem.startswith("model=none")] + [
            "model=none: choose a model to evaluate"
        ]
    if base is not None and dataset is not None and split is not None and not evaluate:
        problems += _alphabet_problems(experiment, base, dataset, split)
    if problems or dataset is None or split is None or kraken is None:
        raise ConfigError("the experiment cannot run:", list(dict.fromkeys(problems)))
    return Plan(
        composed=composed,
        places=places,
        dataset_name=experiment.dataset.name or folders[0].name,
        folders=tuple(folders),
        dataset=dataset,
        split=split,
        base=base,
        kraken=kraken,
        device=_device(experiment, memory),
        warnings=(
            *_runtime_warnings(experiment, kraken, memory),
            *(() if evaluate else _warnings(experiment, base, dataset, split)),
        ),
        evaluate=evaluate,
    )


def places_of(experiment: Experiment) -> Places:
    """Return the folders of this machine that the experiment names."""
    site = experiment.site
    return Places(*(_absolute(path) for path in (site.workspace, site.runs, site.cache, site.models)))


def dataset_folders(experiment: Experiment) -> list[Path]:
    """Return the dataset's folders, absolute; empty if none is named."""
    path = experiment.dataset.path
    if path is None:
        return []
    return [_absolute(str(one)) for one in (path if isinstance(path, list) else [path])]


def _absolute(path: str) -> Path:
    return Path(path).expanduser().absolute()


def _dataset(experiment: Experiment, folders: Sequence[Path], memory: Memory) -> groundtruth.Dataset:
    config = experiment.dataset
    key = (tuple(folders), config.pattern, tuple(config.exclude), experiment.task.name)
    if key not in memory.datasets:
        memory.datasets[key] = groundtruth.examine(
            folders,
            pattern=config.pattern,
            exclude=config.exclude,
            task=experiment.task.name,  # type: ignore[arg-type]
            digests=groundtruth.FileFacts.of_user(),
            progress=memory.progress,
        )
    dataset = memory.datasets[key]
    if dataset.errors:
        shown = [f"{problem.file}: {problem.message}" for problem in dataset.errors[:20]]
        if len(dataset.errors) > 20:
            shown.append(f"and {len(dataset.errors) - 20} more; run `python -m htr_exp check` on the folder to see all")
        raise ConfigError("ground truth:", shown)
    return dataset


def _split(experiment: Experiment, dataset: groundtruth.Dataset, memory: Memory, evaluate: bool) -> splits.Split:
    config = experiment.split
    key = (id(dataset), repr(config), evaluate)
    if key not in memory.splits:
        memory.splits[key] = splits.everything(dataset.pages) if evaluate else _made_split(experiment, dataset)
    return memory.splits[key]


def _made_split(experiment: Experiment, dataset: groundtruth.Dataset) -> splits.Split:
    config = experiment.split
    if config.kind == "page":
        return splits.draw(dataset.pages, seed=config.seed, validation=config.validation, test=config.test)
    if config.kind == "table":
        table = _absolute(str(config.table))
        lists: dict[str, Sequence[str]] = dict(
            splits.read_table(table, page_column=config.page_column, column=config.column)
        )
        return splits.given(dataset.pages, lists, table.name)
    lists = {
        side: splits.read_list(_absolute(file))
        for side in splits.NAMES
        if (file := getattr(config.lists, side)) is not None
    }  # fmt: skip
    return splits.given(dataset.pages, lists, "split.lists")


def _base(experiment: Experiment, places: Places, memory: Memory) -> Base:
    config = experiment.model
    key = (config.path, config.doi, config.file)
    if key not in memory.bases:
        path = basemodel.obtain(
            config, [places.models], timeout_s=config.fetch_timeout_s if memory.fetch else None
        ).absolute()
        header = read_header(path)
        if header.kind != experiment.task.name:
            raise ConfigError(
                f"{path} is a {header.kind} model: task={experiment.task.name} starts from a {experiment.task.name} model"
            )
        memory.bases[key] = Base(config.name or path.stem, path, sha256_file(path), header, config.doi)
    return memory.bases[key]


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


def _kraken_problems(experiment: Experiment, kraken: runtime.Kraken, base: Base | None, evaluate: bool) -> list[str]:
    """Return what each version that may do the run cannot do of it."""
    found = []
    for version in _versions(experiment.runtime, kraken):
        try:
            found += [] if evaluate else ketos.problems(experiment.training, experiment.seed, version)
            if base is not None and (why := ketos.unloadable(base.header, version)):
                found.append(f"{base.path}: {why}")
        except HtrExpError as error:
            found.append(f"runtime.fallback_kraken={version}: {error.headline}")
    return found


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
        memory.devices[asked] = runtime.device(asked)
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
        partitions = slurm.partitions()
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
        words = None if found else slurm.test(sbatch.script(sbatch.Work(settings, "test", Path("/"), Path("/")), 1))
        return found + ([slurm.meaning(words, vars(settings))] if words else [])
    except slurm.SlurmSilent as silent:
        return [f"slurm={settings.name}: {silent}; try again when Slurm answers, or run here with slurm=none"]


def _training_characters(
    experiment: Experiment, dataset: groundtruth.Dataset, split: splits.Split, form: str | None
) -> Counter[str]:
    """Count the code points of the training lines as kraken sees them in a normal form, or as they are."""
    wanted = set(split.pages["train"])
    found: Counter[str] = Counter()
    for page in dataset.pages:
        if page.name in wanted:
            for line in page.lines:
                text = unicodedata.normalize(form, line.text) if form else line.text  # type: ignore[arg-type]
                found.update(" ".join(text.split()) if experiment.training.normalize_whitespace else text)
    return found


def _spelled(characters: Sequence[str]) -> str:
    return ", ".join(
        f"{char if char.isprintable() and not unicodedata.combining(char) else ' '} U+{ord(char):04X}".strip()
        for char in characters
    )


def _alphabet_problems(
    experiment: Experiment, base: Base, dataset: groundtruth.Dataset, split: splits.Split
) -> list[str]:
    if experiment.training.resize != "fail" or base.header.alphabet is None:
        return []
    known = set("".join(base.header.alphabet))
    counts = _training_characters(experiment, dataset, split, experiment.training.normalization)
    unknown = sorted(char for char in counts if char not in known)
    if not unknown:
        return []
    listed = ", ".join(f"{_spelled([char])} ({counts[char]} times)" for char in unknown)
    return [
        f"training.resize=fail: {base.name} does not know {len(unknown)} characters of the training lines: {listed}; use training.resize=union"
    ]


def _warnings(
    experiment: Experiment, base: Base | None, dataset: groundtruth.Dataset, split: splits.Split
) -> list[str]:
    found = []
    if base is not None and base.header.alphabet is not None:
        form = experiment.training.normalization
        known = set("".join(base.header.alphabet))
        unknown = {
            form: set(_training_characters(experiment, dataset, split, form)) - known for form in (form, "NFC", "NFD")
        }
        nearest = min(unknown, key=lambda form: len(unknown[form]))
        if len(unknown[nearest]) < len(unknown[form]):
            found.append(
                f"{base.name} does not know {len(unknown[form])} characters of the training lines as they are, "
                f"{len(unknown[nearest])} in the form it writes itself: consider training.normalization={nearest}"
            )
        lost = sorted(known - set(_training_characters(experiment, dataset, split, form)))
        if experiment.training.resize == "new" and lost and unknown[form]:
            found.append(f"training.resize=new deletes {len(lost)} characters that {base.name} knows: {_spelled(lost)}")
    if not split.pages["test"]:
        found.append("there is no test set: only a validation score will be given, which is optimistic")
    return found
