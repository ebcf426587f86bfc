"""The verb `check`: examines ground truth, and shows what it found wherever that was asked for."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from htr_exp.cli.check import changes, sections
from htr_exp.cli.check.result import Checked, Section
from htr_exp.cli.composition import composed_words, remember_site, repeat_site
from htr_exp.config.choices import overlays
from htr_exp.config.misread_words import MODEL_FILES, exists
from htr_exp.config.overrides import word_problems
from htr_exp.config.places import dataset_folders, places_of
from htr_exp.config.schema import Experiment
from htr_exp.core.errors import ConfigError, DatasetError, HtrExpError
from htr_exp.core.file_cache import user_cache
from htr_exp.core.files import write_atomically
from htr_exp.core.problem import Problem
from htr_exp.core.task import task_of
from htr_exp.core.text import and_more, counted
from htr_exp.groundtruth.choices import Choices
from htr_exp.groundtruth.containers import Opened, opened
from htr_exp.groundtruth.examine import examine_folders
from htr_exp.splits import leakage
from htr_exp.splits.line_pages import pages_of

REMEDY = "name the folder that holds PAGE or ALTO files beside their images: check FOLDER"

_CHANGES = 5  # pages that have changed, shown on the terminal of each sort


@dataclass(frozen=True)
class CheckRequest:
    """What is to be checked, and where it is shown.

    Attributes:
        words: folders, choices and values of the configuration.
        config_dir: a config folder of the user's.
        json: print for programs.
        junit: a file for CI.
        html: a file for people.
        pictures: of each kind of problem in that file.
        fix: a folder to be made, for a clean copy.
        since: the record to compare with.
        htr_united: the description for the catalogue HTR-United, made or brought up to date.
        quick: do not look for pages that are nearly the same, for which every image is decoded.
    """

    words: Sequence[str]
    config_dir: str | None = None
    json: bool = False
    junit: str | None = None
    html: str | None = None
    pictures: int | None = None
    fix: str | None = None
    since: str | None = None
    htr_united: str | None = None
    quick: bool = False


def run(args: argparse.Namespace) -> int:
    """Check what the command line names."""
    return check(
        CheckRequest(
            args.overrides,
            config_dir=args.config_dir,
            json=args.json,
            junit=args.junit,
            html=args.html,
            pictures=args.pictures,
            fix=args.fix,
            since=args.since,
            htr_united=args.htr_united,
            quick=args.quick,
        )
    )


def check(request: CheckRequest) -> int:
    """Check, and return the exit code: 2 if there are errors, unless a clean copy was made of the rest.

    Raises:
        ConfigError: something on the command line cannot be used.
        DatasetError: the clean copy cannot be made.
    """
    from htr_exp.cli.check import terminal
    from htr_exp.core.console import console
    from htr_exp.core.terminal import say_json

    experiment, given = _wanted(request)
    folders = given.folders
    record, held = _asked(request, experiment, folders)
    cache = user_cache()
    with terminal.progress(console(stderr=True), "reads ground truth") as tell:
        dataset = examine_folders(
            folders,
            pattern=experiment.dataset.pattern,
            exclude=experiment.dataset.exclude,
            task=task_of(experiment.task.name),
            choices=Choices(experiment.dataset.text_equiv, experiment.dataset.hyphens),
            format=experiment.dataset.format,
            pages_of=pages_of(experiment.dataset),
            only=given.only,
            cache=cache,
            progress=tell,
        )
    if not request.quick:
        with terminal.progress(console(stderr=True), "compares the images") as tell:
            dataset = sections.twins(dataset, experiment, cache, tell)
    checked = Checked(dataset, _name(experiment, folders))
    checked = sections.CONTENT[dataset.task](sections.counts(checked), experiment, held)
    if record is not None:
        checked = _compared(checked, record, None if request.quick else experiment)
    refused: HtrExpError | None = None
    if request.fix is not None:
        try:
            checked = _fixed(checked, folders, Path(request.fix).expanduser())
        except DatasetError as error:
            refused = error
            checked = replace(checked, facts=checked.facts | {"fix": None})
    united = None
    if request.htr_united is not None:
        checked, united = sections.htr_united(checked, Path(request.htr_united).expanduser())
    if request.json:
        say_json(checked.to_json())
    else:
        terminal.show(console(), checked)
    _write(request, checked, folders)
    if united is not None:
        _put(str(request.htr_united), united, request.json)
    if refused is not None:
        raise refused
    return 2 if checked.incomplete or (checked.refused and request.fix is None) else 0


def _wanted(request: CheckRequest) -> tuple[Experiment, Opened]:
    given = [word for word in request.words if _is_dataset(word)]
    overrides = [word for word in request.words if word not in given]
    composed = composed_words(overrides, overlays(request.config_dir))
    repeat_site(composed.site)
    remember_site(composed.site, "check")
    experiment = composed.experiment
    if given:
        experiment.dataset.path = given
    paths = dataset_folders(experiment)
    if not paths:
        raise ConfigError("nothing to check: name a folder, or dataset=NAME")
    if missing := [path for path in paths if not exists(str(path))]:
        raise ConfigError(
            "the check cannot be made:",
            [Problem(f"{path}: there is no such folder or file", REMEDY, str(path)) for path in missing],
        )
    if unknown := word_problems({"dataset": asdict(experiment.dataset)}):
        raise ConfigError("the check cannot be made:", unknown)
    return experiment, opened(paths, places_of(experiment).cache)


def _is_dataset(word: str) -> bool:
    return os.path.isdir(word) or ("=" not in word and exists(word) and not word.lower().endswith(MODEL_FILES))


def _name(experiment: Experiment, folders: Sequence[Path]) -> str:
    return experiment.dataset.name or ", ".join(folder.name or str(folder) for folder in folders)


def _asked(
    request: CheckRequest, experiment: Experiment, folders: Sequence[Path]
) -> tuple[changes.Record | None, sections.Means]:
    """The record to compare with, and the model and tables that the dataset is compared with.

    Raises:
        ConfigError: something that was asked for cannot be done: reading may take minutes, and is not to be in vain.
    """
    problems: list[Problem | str] = []
    for option, file in (("--html", request.html), ("--junit", request.junit), ("--htr-united", request.htr_united)):
        if file is None:
            continue
        path = Path(file).expanduser()
        if path.is_dir():
            problems.append(f"{option} {file}: this is a folder: name a file in it")
        elif not path.absolute().parent.is_dir():
            problems.append(f"{option} {file}: there is no folder {path.absolute().parent}")
    if request.pictures is not None and request.html is None:
        problems.append("--pictures: they are shown by --html FILE only")
    elif request.pictures is not None and request.pictures < 0:
        problems.append(f"--pictures {request.pictures}: name a number from 0 on")
    record = None
    problems += leakage.setting_problems(experiment.leakage)

    def attempt(step: Callable[[], Any]) -> Any:
        try:
            return step()
        except HtrExpError as error:
            problems.extend(error.reasons())

    if request.fix is not None:
        from htr_exp.groundtruth.clean_copy import refuse

        out = Path(request.fix).expanduser()
        attempt(lambda: refuse(folders, out))
    if request.since is not None:
        wanted = request.since
        record = attempt(lambda: changes.record(wanted, places_of(experiment).runs))
    held = attempt(lambda: sections.means(experiment))
    if problems:
        raise (
            ConfigError(str(problems[0])) if len(problems) == 1 else ConfigError("the check cannot be made:", problems)
        )
    return record, held


def _compared(checked: Checked, record: changes.Record, experiment: Experiment | None) -> Checked:
    """Say what has changed; with an experiment also which pages would change their side, for which images are compared."""
    found = changes.difference(record, checked.dataset)
    if experiment is not None and record.run is not None:
        found = changes.with_moves(found, record.run, experiment, checked.dataset)
    first, *pages = found.words()
    shown: list[str] = []
    for sort in dict.fromkeys(one.partition(":")[0] for one in pages):
        of_sort = [one for one in pages if one.startswith(f"{sort}:")]
        shown += of_sort[:_CHANGES]
        if more := and_more(len(of_sort) - _CHANGES, sort):
            shown.append(f"{more}; --json lists all")
    section = Section("What has changed", (first, *shown))
    return replace(checked, sections=(*checked.sections, section), facts=checked.facts | {"since": found.to_json()})


def _fixed(checked: Checked, folders: Sequence[Path], out: Path) -> Checked:
    from htr_exp.groundtruth.clean_copy import LIST, write_copy

    made = write_copy(folders, checked.dataset, out)
    section = Section(
        "The clean copy",
        (
            f"{out} holds {counted(made.pages, 'page')}, {counted(made.lines, 'line')}, {counted(made.characters, 'character')}: "
            "no errors, nothing to drop; the originals are as they were",
            f"every change is listed in {out / LIST}",
        ),
        ("change", "times"),
        tuple((change, str(number)) for change, number in made.counts.items()),
        last=True,
    )
    return replace(checked, sections=(*checked.sections, section), facts=checked.facts | {"fix": made.to_json()})


def _write(request: CheckRequest, checked: Checked, folders: Sequence[Path]) -> None:
    """Write the files that were asked for."""
    if request.junit is not None:
        from htr_exp.cli.check.junit import document

        _put(request.junit, document(checked), request.json)
    if request.html is not None:
        from htr_exp.cli.check.html import PICTURES, render

        wanted = PICTURES if request.pictures is None else request.pictures
        _put(request.html, render(checked, folders, pictures=wanted), request.json)


def _put(file: str, content: bytes | str, quiet: bool) -> None:
    path = Path(file).expanduser()
    data = content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
    try:
        if path.exists() and not path.is_file():  # a pipe, or /dev/stdout
            path.write_bytes(data)
        else:
            write_atomically(path, data)
    except OSError as error:
        raise HtrExpError(f"{path} cannot be written: {error.strerror or error}") from None
    if not quiet:
        from htr_exp.core.terminal import say

        say(f"written: {path}")
