"""What else there is to know of a dataset: how much it is, its characters, what a base model makes of them, twins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from htr_exp.audit import alphabet, classes, line_capacity
from htr_exp.audit.allowed_characters import CharacterTable, read_table
from htr_exp.audit.alphabet import Form
from htr_exp.audit.homoglyphs import spelled
from htr_exp.cli.check.result import Checked, Section
from htr_exp.config import transcription_conventions
from htr_exp.config.places import places_of
from htr_exp.config.schema import Experiment, RecognitionTraining
from htr_exp.core.errors import ConfigError
from htr_exp.core.files import digest_json, read_json, write_json
from htr_exp.core.task import RECOGNITION, SEGMENTATION, Task, task_of
from htr_exp.core.text import counted, first_of
from htr_exp.groundtruth.model import Dataset, Problem
from htr_exp.groundtruth.problem_codes import CODES
from htr_exp.groundtruth.statistics import Volume, count_dataset
from htr_exp.kraken import model_store
from htr_exp.kraken.model_file import ModelHeader, read_header
from htr_exp.kraken.vgsl import read_network
from htr_exp.splits import similar_pages

_SHOWN = 12
"""Characters that are shown of a list."""
_FORM = 2  # of remembered pairs; raise it whenever pages are compared in another way
_KEPT = 100  # datasets whose pairs are remembered


@dataclass(frozen=True)
class Means:
    """What a dataset is held against."""

    model: str | None  # name of the base model
    header: ModelHeader | None
    allowed: CharacterTable | None


def means(experiment: Experiment) -> Means:
    """Find the base model and the table of characters that are named, if they are.

    Raises:
        ModelError: the model is not on this machine, or cannot be read.
        ConfigError: the model is for another task, or the table cannot be used.
    """
    name, header, allowed = None, None, None
    model, characters = experiment.model, experiment.dataset.characters
    if model.name != "none" and (model.path or model.doi):
        path = model_store.obtain(model, [places_of(experiment).models], timeout_s=None)
        name, header = model.name or path.stem, read_header(path)
        if header.kind is not (task := task_of(experiment.task.name)):
            raise ConfigError(f"{path} is a {header.kind} model: task={task} starts from a {task} model")
    if characters is not None:
        allowed = read_table(Path(characters).expanduser().absolute())
    return Means(name, header, allowed)


def types(checked: Checked, experiment: Experiment, held: Means) -> Checked:
    """Add what the types of lines and regions are, and what a base model has learnt of them if one is named."""
    audit = classes.audit({"train": checked.dataset.pages}, experiment.classes, held.header, experiment.training.resize)
    sentences = [
        f"{sort}: {_first([f'{name} {sides.total()}' for name, sides in sorted(of.items())]) or 'none'}"
        for sort, of in audit.counts.items()
    ]
    refusals = list(classes.setting_problems(experiment.classes))
    refusals += audit.problems((), held.model) if checked.dataset.pages else ()
    sentences += [f"error: {one}" for one in refusals]
    sentences += [f"warning: {one}" for one in audit.warnings(held.model)] if checked.dataset.pages else []
    facts = {"types": {sort: {name: sides.total() for name, sides in of.items()} for sort, of in audit.counts.items()}}
    if held.header is not None:
        facts["base_model"] = {"name": held.model, "new": audit.new, "absent": audit.absent}  # type: ignore[dict-item]
    checked = replace(checked, refusals=(*checked.refusals, *map(str, refusals)))
    return _with(checked, Section("The types", tuple(sentences)), "classes", facts)


def counts(checked: Checked) -> Checked:
    """Add how much there is, and how large the lines are."""
    found = count_dataset(checked.dataset)
    groups = [(name, one) for name, one in found.groups.items() if len(found.groups) > 1]
    rows = [_row(name, one) for name, one in [*groups, ("in all", found.total)]]
    sentences = []
    for what, values in (("height", found.line_height), ("width", found.line_width)):
        if values:
            least, middle, most = (f"{values[share]:.0f}" for share in (0.05, 0.5, 0.95))
            sentences.append(f"line {what}: median {middle} px, 90 % of lines {least} to {most} px")
    if found.types and list(found.types) != ["(none)"]:
        types = [f"{name} {number}" for name, number in found.types.items()]
        sentences.append(f"types of lines: {_first(types)}")
    columns = ("folder", "pages", "lines", "words", "characters", "alphabet")
    section = Section("Size", tuple(sentences), columns, tuple(rows))
    return _with(checked, section, "statistics", found.to_json())


def _row(name: str, volume: Volume) -> tuple[str, ...]:
    numbers = volume.pages, volume.lines, volume.words, volume.characters, volume.alphabet
    return name, *map(str, numbers)


def characters(checked: Checked, experiment: Experiment, held: Means) -> Checked:
    """Add what there is to know of the characters, and of the base model's if one is named."""
    training, model = cast("RecognitionTraining", experiment.training), held.model
    known = held.header.alphabet if held.header is not None else None
    form = cast("Form | None", training.normalization)
    blanks = training.normalize_whitespace
    pages = checked.dataset.pages
    audit = alphabet.audit(
        pages, known, normalization=form, normalize_whitespace=blanks, resize=training.resize, allowed=held.allowed
    )
    table = experiment.dataset.characters
    sentences = (
        [f"{counted(len(audit.characters), 'character')} as they are trained on: {_signs(audit.characters)}"]
        if pages
        else ["none: there is no line that can be used"]
    )
    if known is not None:
        lines = f"{counted(sum(one.count for one in audit.unknown), 'time')} in all" if audit.unknown else ""
        listed = [f"{spelled(one.text)} ({one.count}, {', '.join(one.examples[:1])})" for one in audit.unknown]
        sentences.append(
            f"{model} lacks {counted(len(audit.unknown), 'character')} of them, {lines}: {_first(listed)}"
            if audit.unknown
            else f"{model} knows all of them"
        )
        if audit.lost:
            sentences.append(
                f"{model} has {counted(len(audit.lost), 'character')} that do not occur here, which "
                f"training.resize=new would delete: {_first(list(map(spelled, audit.lost)))}"
            )
    refusals = list(alphabet.problems(audit, model=model, table=table))
    said = alphabet.warnings(audit, model=model, table=table)
    sentences += [*(f"error: {one}" for one in refusals), *(f"warning: {one}" for one in said)]
    if held.header is not None:
        if convention := transcription_conventions.warning(experiment, evaluate=False):
            sentences.append(f"warning: {convention}")
        shape = read_network(held.header.network) if held.header.network else None
        if shape is not None:
            tight = line_capacity.crowded_lines(
                pages,
                shape,
                pad=training.pad,
                normalization=form,
                normalize_whitespace=blanks,
                alphabet=known or (),
            )
            if warning := line_capacity.warning(tight, checked.dataset.lines):
                sentences.append(f"warning: {warning}")
    title = f"Its characters, for {model}" if model else "Its characters"
    checked = replace(checked, refusals=(*checked.refusals, *map(str, refusals)))
    return _with(checked, Section(title, tuple(sentences)), "alphabet", {"model": model} | audit.to_json())


CONTENT: dict[Task, Callable[[Checked, Experiment, Means], Checked]] = {RECOGNITION: characters, SEGMENTATION: types}
"""What is added of a dataset's content: for each task, what its models learn of it."""


def _signs(found: Any) -> str:
    """Characters by frequency; combining marks are shown by their code point."""
    ordered = [one for one, _ in found.most_common()]
    return " ".join(spelled(one) if not spelled(one).startswith(one) else one for one in ordered)


def _first(listed: Sequence[str]) -> str:
    return first_of(listed, _SHOWN)


def twins(
    dataset: Dataset, experiment: Experiment, cache: Path | None, progress: Callable[[int, int], None] | None
) -> Dataset:
    """Add a warning for each pair of pages that are nearly the same, by image or by text.

    Args:
        dataset: as examined.
        experiment: with the thresholds.
        cache: folder where the pairs of the same pages are remembered; None: nowhere.
        progress: called with the number of images looked at, and of all that have to be.
    """
    settings = experiment.leakage
    pages = [(page.name, page.digest, page.image_digest) for page in dataset.pages]
    key = digest_json({"form": _FORM, "thresholds": similar_pages.thresholds(settings), "pages": pages})
    file = cache / "alike" / f"{key[:32]}.json" if cache is not None else None
    pairs = _remembered(file)
    if pairs is None:
        found = similar_pages.find_similar(dataset.pages, settings, cache, progress)
        pairs = [(pair.first, pair.second, pair.measure) for pair in found.pairs]
        if file is not None and not found.unseen:
            _remember(file, pairs)
    severity = CODES["pages_alike"].severity
    problems = [
        Problem("pages_alike", severity, second, None, f"it is nearly the same as {first}: {measure}")
        for first, second, measure in pairs
    ]
    return replace(dataset, problems=(*dataset.problems, *problems))


# Pairs depend on the contents of all pages, so their file is named by these; `core.file_cache` keeps facts of one file.


def _remembered(file: Path | None) -> list[tuple[str, str, str]] | None:
    try:
        return [(first, second, measure) for first, second, measure in read_json(file)] if file is not None else None
    except (OSError, ValueError, TypeError):
        return None  # not there yet, or not written by us


def _remember(file: Path, pairs: Sequence[tuple[str, str, str]]) -> None:
    """Write pairs down; a cache that cannot be written costs time, and nothing else."""
    with suppress(OSError):
        write_json(file, pairs)
        kept = sorted(file.parent.glob("*.json"), key=lambda one: one.stat().st_mtime, reverse=True)
        for old in kept[_KEPT:]:
            old.unlink(missing_ok=True)


def htr_united(checked: Checked, file: Path) -> tuple[Checked, str]:
    """Fill the description that the catalogue HTR-United asks for, and say what it lacks; return its text too.

    Raises:
        DatasetError: there is a file already, and it cannot be read.
    """
    from htr_exp.groundtruth.htr_united import filled, read

    made = filled(read(file), checked.dataset)
    sentences = [f"filled in: {change}" for change in made.changes] or ["its counts are right"]
    sentences += [f"to correct: {problem}" for problem in made.problems]
    facts = {"file": str(file), "changes": list(made.changes), "problems": list(made.problems)}
    checked = replace(checked, incomplete=bool(made.problems))
    return _with(
        checked, Section(f"For HTR-United: {file}", tuple(sentences), last=True), "htr_united", facts
    ), made.text


def _with(checked: Checked, section: Section, key: str, facts: Any) -> Checked:
    return replace(checked, sections=(*checked.sections, section), facts=checked.facts | {key: facts})
