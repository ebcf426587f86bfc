"""What keeps a run from being done, and what to know before it starts: a list of checks over what was gathered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from htr_exp.audit import classes
from htr_exp.config import rules, transcription_conventions
from htr_exp.config.compose import Composed
from htr_exp.config.defaults import shipped
from htr_exp.config.overrides import word_problems
from htr_exp.config.schema import CHOICES, Experiment, RecognitionTraining
from htr_exp.core.errors import HtrExpError
from htr_exp.core.problem import Problem
from htr_exp.core.task import task_of
from htr_exp.groundtruth.as_kraken.values import refused
from htr_exp.groundtruth.page_of_line import NAME
from htr_exp.kraken import options
from htr_exp.kraken.releases import release, unloadable
from htr_exp.pipeline.gathered import Gathered
from htr_exp.pipeline.sources import Sources
from htr_exp.runs import openings, ownership, scorings
from htr_exp.splits import leakage


def setting_problems(composed: Composed, *, evaluate: bool = False) -> list[Problem]:
    """What is wrong with the configuration itself, before anything is read."""
    experiment = composed.experiment
    found = word_problems(composed.values)
    if experiment.task.name not in CHOICES["task.name"]:
        return found  # every rule asks for the task
    found += rules.problems(experiment, shipped(task_of(experiment.task.name)), evaluate=evaluate)
    found += classes.setting_problems(experiment.classes)
    found += leakage.setting_problems(experiment.leakage)
    if evaluate and experiment.scores.test == openings.FINAL:
        what = "scores.test=final changes nothing with `evaluate`, which chooses between no runs"
        found.append(Problem(what, "remove it, or write scores.test=each_run where a file sets it", "scores.test"))
    return found


def _settings(gathered: Gathered) -> Iterable[Problem]:
    return gathered.settings


def _cluster(gathered: Gathered) -> Iterable[Problem]:
    return gathered.cluster


def _sealed_test(gathered: Gathered) -> Iterator[Problem]:
    """Say that there is no test that could be sealed."""
    sealed = gathered.experiment.scores.test == openings.FINAL and not gathered.evaluate
    if sealed and gathered.split and not gathered.split.pages["test"]:
        what = "scores.test=final: the split has no test pages that could be sealed"
        yield Problem(what, "give it a test set, or write scores.test=each_run", "scores.test")


def _unreadable(gathered: Gathered) -> Iterable[Problem]:
    """What could not be had at all: ground truth, split, models, kraken."""
    return gathered.problems


def _kraken(gathered: Gathered) -> Iterator[Problem]:
    """What each version of kraken that may do the run cannot do of it."""
    experiment = gathered.experiment
    for version in gathered.versions:
        try:
            if not gathered.evaluate:
                yield from options.problems(
                    experiment.training, experiment.seed, version, task_of(experiment.task.name)
                )
            for model in (gathered.base, gathered.segmenter):
                if model is not None and (why := unloadable(model.header, version)):
                    yield Problem(f"{model.path}: {why}", where=str(model.path))
        except HtrExpError as error:
            yield Problem(f"runtime.fallback_kraken={version}: {error.headline}", where="runtime.fallback_kraken")


def _texts(gathered: Gathered) -> Iterator[Problem]:
    """The characters at which a version that may do the run stops, with the first line that has each."""
    old = next((version for version in gathered.versions if release(version) == "4.3"), None)
    trains_on_texts = not gathered.evaluate and task_of(gathered.experiment.task.name).reads_text
    if old is None or gathered.dataset is None or not trains_on_texts:
        return
    first: dict[str, str] = {}
    for page in gathered.dataset.pages:
        for line in page.lines:
            if character := refused(line.text):
                first.setdefault(character, f"{page.name}:{line.id}")
    for character, where in sorted(first.items()):
        what = f"{where}: kraken {old} stops at U+{ord(character):04X}, which it cannot bring into display order"
        yield Problem(what, "write it otherwise, or use kraken 7", where)


def _line_pairs(gathered: Gathered) -> Iterator[Problem]:
    """What says nothing of line pairs, or of pages."""
    experiment, dataset = gathered.experiment, gathered.dataset
    if dataset is None:
        return
    if not dataset.of_line_pairs:
        if (by := experiment.dataset.page_of_line) != NAME:
            what = f"dataset.page_of_line={by} has no effect: the dataset is PAGE or ALTO"
            yield Problem(what, "remove it", "dataset.page_of_line")
        return
    if gathered.evaluate and rules.segments(experiment):
        what = "segmentation_model has no effect: the dataset is line pairs, on which no line is to be found"
        yield Problem(what, "remove it, or name a dataset of PAGE or ALTO", "segmentation_model")
    training = experiment.training
    if not gathered.evaluate and isinstance(training, RecognitionTraining) and training.legacy_polygons:
        what = "training.legacy_polygons=true has no effect: the dataset is line pairs, of which nothing is cut out"
        yield Problem(what, "remove it", "training.legacy_polygons")


def _training_data(gathered: Gathered) -> Iterable[Problem]:
    """What the pages mean for the network."""
    if gathered.training_data is None:
        return ()
    base = gathered.base.name if gathered.base else None
    return gathered.training_data.problems(gathered.experiment, base, gathered.versions)


def _leaks(gathered: Gathered) -> Iterable[Problem]:
    return gathered.leaks.problems() if gathered.leaks else ()


CHECKS: tuple[Callable[[Gathered], Iterable[Problem]], ...] = (
    _settings,
    _cluster,
    _unreadable,
    _kraken,
    _texts,
    _line_pairs,
    _training_data,
    _leaks,
    _sealed_test,
)
"""In the order in which a user reads what they find."""


def problems(gathered: Gathered) -> list[Problem]:
    """Every reason why the run cannot be done, each once."""
    return list(dict.fromkeys(problem for check in CHECKS for problem in check(gathered)))


def warnings(gathered: Gathered, sources: Sources) -> Iterator[str]:
    """What to know of a run that can be done."""
    experiment, base = gathered.experiment, gathered.base
    yield from _runtime_warnings(gathered, sources)
    if (unsigned := ownership.key_problem()) is not None:
        yield str(unsigned)
    yield from sources.slurm_warnings(experiment.slurm)
    yield from gathered.split.notes if gathered.split else ()
    yield from _moved(gathered, sources)
    yield from gathered.leaks.warnings if gathered.leaks else ()
    yield from gathered.predictions.notes if gathered.predictions else ()
    yield from _left_out(gathered)
    reads_text = task_of(experiment.task.name).reads_text
    if reads_text and (said := transcription_conventions.warning(experiment, evaluate=gathered.evaluate)):
        yield said
    yield from _kind_of_lines(gathered)
    if gathered.training_data:
        yield from gathered.training_data.warnings(experiment, base.name if base else None)
    if experiment.training.exact and not gathered.evaluate and not _on_cpu(experiment, sources):
        yield (
            "training.exact=true: a GPU gives the same numbers again only as far as its own arithmetic does, with "
            "training.deterministic=true more than without; on the CPU it does exactly"
        )
    if gathered.split and not gathered.split.pages["test"]:
        yield "there is no test set: only a validation score will be given, which is optimistic"


def _left_out(gathered: Gathered) -> Iterator[str]:
    """Say which pages are left out although an earlier run was scored on them."""
    if gathered.left_out and (before := gathered.left_out["scored_before"]):
        yield f"{scorings.left_out_in_words(scorings.named(before))}: every table shows it"


def _kind_of_lines(gathered: Gathered) -> Iterator[str]:
    """Say that the base model has learnt another kind of lines."""
    base, dataset = gathered.base, gathered.dataset
    if base is None or dataset is None or base.header.line_type is None:
        return
    if dataset.of_line_pairs != (base.header.line_type == "bbox"):
        learnt, read = ("lines cut out of pages", "line pairs") if dataset.of_line_pairs else ("line pairs", "pages")
        yield (
            f"{base.name} has learnt {learnt}, and the dataset is {read}: kraken straightens pictures of lines, "
            "and not the lines of pages, so that the model sees them differently than it did"
        )


def _on_cpu(experiment: Experiment, sources: Sources) -> bool:
    """Whether the training is known to run on a CPU."""
    return sources.device(experiment.training.device, submits=experiment.slurm.submit).startswith("cpu")


def _moved(gathered: Gathered, sources: Sources) -> Iterator[str]:
    """Which pages have changed their side since the last run."""
    if gathered.evaluate or gathered.split is None or gathered.dataset is None:
        return
    runs = gathered.places.runs
    if said := sources.moved_pages(gathered.experiment, gathered.dataset, gathered.folders, gathered.split, runs):
        yield said


def _runtime_warnings(gathered: Gathered, sources: Sources) -> list[str]:
    """What is not here of a kraken that jobs are to find on their nodes."""
    wanted, kraken = gathered.experiment.runtime, gathered.kraken
    if kraken is not None and kraken.fallback:
        return [f"{kraken.fallback}: kraken {kraken.version} of {kraken.image} is used instead"]
    if not gathered.experiment.slurm.submit or wanted.kind == "host":
        return []
    return sources.missing_runtime(wanted)
