"""Everything that a plan is made from, read once a command: ground truth, split, models, kraken, the cluster, lineage."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from htr_exp.audit import training_data
from htr_exp.audit.training_data import TrainingData
from htr_exp.config.places import Places, absolute
from htr_exp.config.schema import Experiment, Model, Runtime, Slurm
from htr_exp.core import machine
from htr_exp.core.errors import ConfigError, DatasetError, HtrExpError
from htr_exp.core.file_cache import user_cache
from htr_exp.core.files import sha256_file
from htr_exp.core.own_command import own_command
from htr_exp.core.problem import Problem
from htr_exp.core.task import Task, task_of
from htr_exp.core.text import and_more
from htr_exp.groundtruth.choices import Choices
from htr_exp.groundtruth.containers import opened
from htr_exp.groundtruth.examine import examine_folders
from htr_exp.groundtruth.model import Dataset
from htr_exp.kraken import model_store, runtime
from htr_exp.kraken.model_file import ModelHeader, read_header
from htr_exp.kraken.model_weights import weights_digest
from htr_exp.kraken.runtime import Kraken
from htr_exp.pipeline.earlier_split import moved_since
from htr_exp.pipeline.slurm_settings import asked_slurm
from htr_exp.runs.records import LeftOutRecord
from htr_exp.runs.scorings import DIGITS, Scorings
from htr_exp.splits import from_config, seen_pages
from htr_exp.splits.fingerprints import Lineage
from htr_exp.splits.line_pages import pages_of
from htr_exp.splits.similar_pages import Similar, explained, find_similar, thresholds, together
from htr_exp.splits.split import Split
from htr_exp.splits.tables import Metadata

Value = TypeVar("Value")

SHOWN = 20
"""Errors of ground truth that a plan shows; `check` shows all."""


@dataclass(frozen=True)
class BaseModel:
    """A model that a run starts from, or scores."""

    name: str
    path: Path
    sha256: str
    weights: str  # digest of the weights alone
    header: ModelHeader
    doi: str | None


class Sources:
    """What the plans of one command read: no folder is read, no file hashed, no program asked twice.

    Each method raises the same error again when it is asked again.

    Args:
        fetch: whether base models that are not on this machine are downloaded.
        submits: whether jobs are to be submitted from here; if not, Slurm need not be here.
        progress: called with the number of files that are read, and of all.
    """

    def __init__(
        self, *, fetch: bool = True, submits: bool = True, progress: Callable[[int, int], None] | None = None
    ) -> None:
        self._fetch, self._submits, self._progress = fetch, submits, progress
        self._known: dict[Hashable, Any] = {}
        self._tables: from_config.Tables = {}
        self._listed: dict[Path, frozenset[str]] = {}  # of a dataset folder, what its METS file or manifest lists

    def _once(self, key: Hashable, read: Callable[[], Value]) -> Value:
        if key not in self._known:
            try:
                self._known[key] = read()
            except HtrExpError as error:
                self._known[key] = error
        found = self._known[key]
        if isinstance(found, HtrExpError):
            raise found
        return found  # type: ignore[no-any-return]

    def opened(self, paths: Sequence[Path], places: Places) -> tuple[Path, ...]:
        """The folders of a dataset, where zips are unpacked.

        Raises:
            DatasetError: a path is none that can be used.
        """

        def found() -> tuple[Path, ...]:
            made = opened(paths, places.cache)
            self._listed.update(made.only)
            return made.folders

        return self._once(("opened", tuple(paths), places.cache), found)

    def dataset(self, experiment: Experiment, folders: Sequence[Path]) -> Dataset:
        """The ground truth.

        Raises:
            ConfigError: it has errors.
        """
        config, task = experiment.dataset, task_of(experiment.task.name)
        choices = Choices(config.text_equiv, config.hyphens)
        of_pairs = (config.format, config.page_of_line, config.metadata, config.page_column)

        def read() -> Dataset:
            dataset = examine_folders(
                folders,
                pattern=config.pattern,
                exclude=config.exclude,
                task=task,
                choices=choices,
                format=config.format,
                pages_of=pages_of(config),
                only=self._listed,
                cache=user_cache(),
                progress=self._progress,
            )
            if dataset.errors:
                shown = [Problem(f"{one.file}: {one.message}", where=str(one.file)) for one in dataset.errors[:SHOWN]]
                if len(dataset.errors) > SHOWN:
                    more = and_more(len(dataset.errors) - SHOWN)
                    shown.append(Problem(more, f"run `{own_command('check FOLDER')}` to see all"))
                raise ConfigError("ground truth:", shown)
            return dataset

        key = ("dataset", tuple(folders), config.pattern, tuple(config.exclude), choices, task, of_pairs)
        return self._once(key, read)

    def similar_pages(self, experiment: Experiment, dataset: Dataset) -> Similar:
        """Which pages of a dataset are nearly the same."""
        config = experiment.leakage
        key = ("similar", id(dataset), *thresholds(config))
        return self._once(key, lambda: find_similar(dataset.pages, config, user_cache(), self._progress))

    def split(self, experiment: Experiment, dataset: Dataset, *, evaluate: bool) -> Split:
        """The split; an evaluation has nothing but test pages.

        Raises:
            ConfigError, DatasetError: no such split can be made of these pages.
        """
        if evaluate:
            evaluated = ("evaluated", id(dataset), repr(experiment.split))
            return self._once(evaluated, lambda: from_config.evaluated(experiment, dataset.pages))
        accepted = experiment.leakage.accept

        def made() -> Split:
            # what the guard would refuse is not drawn in the first place
            pairs = [one for one in self.similar_pages(experiment, dataset).pairs if one.kind not in accepted]
            why = explained(pairs) if experiment.split.kind in from_config.DRAWN else []
            try:
                split = from_config.made(experiment, dataset.pages, self._tables, together=together(pairs))
            except DatasetError as error:
                raise DatasetError(error.headline, [*error.problems, *why]) from None
            return replace(split, notes=(*split.notes, *why))

        table = (experiment.dataset.metadata, experiment.dataset.page_column)
        return self._once(("split", id(dataset), *table, repr(experiment.split), repr(experiment.leakage)), made)

    def moved_pages(
        self, experiment: Experiment, dataset: Dataset, folders: Sequence[Path], split: Split, runs: Path
    ) -> str | None:
        """Which pages have changed their side since the last run of the same dataset and split, as `moved_since` says it."""
        key = ("moved", id(dataset), split.digest, experiment.dataset.name, repr(experiment.split), runs)
        return self._once(key, lambda: moved_since(experiment, dataset, folders, split, runs))

    def metadata(self, experiment: Experiment, dataset: Dataset) -> Metadata | None:
        """The table with a row for each page; None without one.

        Raises:
            DatasetError: it cannot be used.
        """
        return from_config.metadata_of(experiment, dataset.pages, self._tables)

    def left_out(self, experiment: Experiment, dataset: Dataset, split: Split, runs: Path) -> LeftOutRecord:
        """The pages that a run leaves out: by patterns, and all on which an earlier run was scored, however they are left out."""
        scorings = self._once(("scorings", runs), lambda: Scorings.of_runs(runs))
        chosen = experiment.split.kind not in from_config.DRAWN  # else the split leaves out nothing that anybody chose
        aside = set(split.unused) if chosen else set()
        known = {page.image_digest[:DIGITS]: page.name for page in dataset.pages}
        used = {page.image_digest[:DIGITS] for page in dataset.pages if page.name not in aside}
        before = scorings.left_out(experiment.task.name, known, used)
        return {
            "excluded": list(dataset.excluded),
            "scored_before": [{"page": one.page, "run": one.run} for one in before],
        }

    def folds(self, experiment: Experiment, dataset: Dataset) -> list[str]:
        """What `split.fold` may be.

        Raises:
            DatasetError: the pages cannot be grouped so.
        """
        return from_config.folds(experiment, dataset.pages, self._tables)

    def base_model(self, config: Model, task: Task, places: Places, *, needed_for: str) -> BaseModel:
        """A model of the configuration, fetched if need be.

        Args:
            config: its section.
            task: what it is to be for.
            places: of this machine.
            needed_for: begins the sentence that says so of a model for another task.

        Raises:
            ConfigError, ModelError: it is not there, cannot be read, or is for another task.
        """

        def obtained() -> BaseModel:
            timeout_s = config.fetch_timeout_s if self._fetch else None
            path = model_store.obtain(config, [places.models], timeout_s=timeout_s).absolute()
            header = read_header(path)
            if header.kind is not task:
                raise ConfigError(f"{path} is a {header.kind} model: {needed_for} a {task} model")
            name = config.name if config.name != "none" else None
            return BaseModel(name or path.stem, path, sha256_file(path), weights_digest(path), header, config.doi)

        return self._once(("model", config.path, config.doi, config.file, task), obtained)

    def lineage(self, model: BaseModel, config: Model, section: str, places: Places) -> Lineage:
        """What is known of the pages that a model was trained on.

        Args:
            model: as it was obtained.
            config: its section of the configuration.
            section: the name of that, for messages.
            places: of this machine.

        Raises:
            DatasetError: the table of these pages cannot be used.
        """
        listed = absolute(config.trained_on) if config.trained_on else None
        return self._once(
            ("lineage", model.weights, config.trained_on, section, places.runs),
            lambda: seen_pages.lineage(
                model.header, model.weights, places.runs, listed, key=section, cache=user_cache()
            ),
        )

    def training_data(
        self, experiment: Experiment, base: BaseModel | None, dataset: Dataset, split: Split, *, evaluate: bool
    ) -> TrainingData:
        """What the pages of a training mean for its network.

        Raises:
            ConfigError: with every problem of the table of allowed characters.
        """
        header = base.header if base else None
        of_model = base.sha256 if base else None
        key = ("training data", id(dataset), split.digest, of_model, evaluate, training_data.key(experiment))
        pages = {page.name: page for page in dataset.pages}
        return self._once(key, lambda: training_data.of_split(experiment, pages, split.pages, header))

    def kraken(self, wanted: Runtime, *, submits: bool) -> Kraken:
        """The kraken that does the run, as far as this machine can say.

        Raises:
            RuntimeUnavailableError: it is not here, or of a version that is not supported.
        """
        elsewhere = submits and (wanted.kraken is not None or wanted.kind != "host")
        find = runtime.stated if elsewhere else lambda one: runtime.provide(one, prove=False)
        return self._once(("kraken", repr(wanted), submits), lambda: find(wanted))

    def missing_runtime(self, wanted: Runtime) -> list[str]:
        """What this machine lacks of a runtime that jobs are to find on their nodes."""
        return self._once(("missing", repr(wanted)), lambda: runtime.missing_here(wanted))

    def device(self, asked: str, *, submits: bool) -> str:
        """The device that `training.device` means: of this machine, or as it is asked for where a node says what `auto` is."""
        return asked if submits else self._once(("device", asked), lambda: machine.device(asked))

    def device_problems(self, asked: str, *, submits: bool) -> list[Problem]:
        """Why `training.device` cannot be: kraken knows no such device, or this machine, where it does the run, has none."""
        found = self._once(("device problem", asked, submits), lambda: machine.device_problem(asked, here=not submits))
        return [] if found is None else [found]

    def slurm_problems(self, settings: Slurm) -> list[Problem]:
        """What Slurm would refuse, or take and never start."""
        return self._slurm(settings)[0]

    def slurm_warnings(self, settings: Slurm) -> list[str]:
        """What Slurm would take and let wait, and words for Slurm that are not used."""
        return self._slurm(settings)[1]

    def _slurm(self, settings: Slurm) -> tuple[list[Problem], list[str]]:
        if not settings.submit or settings.partition is None or settings.time_min is None:
            return [], []
        return self._once(("slurm", repr(settings)), lambda: asked_slurm(settings, submits=self._submits))


def versions_of(wanted: Runtime, kraken: Kraken) -> tuple[str, ...]:
    """The versions of kraken that may do a run: the one that was found, and that of a fallback."""
    other = wanted.fallback_kraken if wanted.kind == "module" and wanted.fallback else None
    return (kraken.version,) if other in (None, kraken.version) else (kraken.version, str(other))
