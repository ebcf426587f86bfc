"""`init`: says once which site this is, makes its folders, and takes in exports as datasets."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from htr_exp.core.errors import ConfigError, DatasetError, HtrExpError
from htr_exp.core.own_command import own_command, repeat_words
from htr_exp.core.problem import Problem

if TYPE_CHECKING:
    from htr_exp.groundtruth.model import Dataset


@dataclass(frozen=True)
class _Export:
    """A folder or zip that becomes a dataset.

    Attributes:
        source: as named.
        name: of the dataset.
        folder: where its pages are, or are unpacked.
        path: the same, as its file says it.
    """

    source: Path
    name: str
    folder: Path
    path: str

    @property
    def is_packed(self) -> bool:
        return self.folder != self.source


def run(args: argparse.Namespace) -> int:
    """Write the workspace file, make the folders of its site, and take in exports."""
    from htr_exp.config.choices import overlays
    from htr_exp.config.compose import compose_experiment
    from htr_exp.config.places import absolute
    from htr_exp.config.site_choice import chosen_site, needed_words
    from htr_exp.config.workspace_file import NAME, write_site
    from htr_exp.core.terminal import say, say_json

    named = [word for word in args.overrides if _is_export(word)]
    names = [word.partition("=")[2] for word in args.overrides if word.startswith("name=") and named]
    sites = [word for word in args.overrides if word.startswith("site=")]
    known = {*named, *sites, *(f"name={name}" for name in names)}
    if others := [_not_taken(word) for word in args.overrides if word not in known]:
        raise ConfigError("init takes a site, and exports of ground truth:", others)
    config_dirs = overlays(args.config_dir)
    composed = compose_experiment(sites, config_dirs)
    site = composed.experiment.site
    exports = _exports(named, names, absolute(site.ground_truth))
    folders = {
        name: absolute(getattr(site, name))
        for name in ("workspace", "ground_truth", "models", "images", "runs", "cache")
    }
    made = [name for name, folder in folders.items() if not folder.is_dir()]
    _make([folders[name] for name in made])
    if composed.site.config_dir is None and not write_site(Path(), composed.site.name, command="init", replace=True):
        raise HtrExpError(f"{Path(NAME).absolute()} cannot be written: set HTR_EXP_SITE={composed.site.name} instead")
    chosen = chosen_site(sites, config_dirs)  # as it is now
    for said in chosen.notes:
        say(f"warning: {said}", error=True)
    repeat_words(needed_words(chosen))
    datasets = [_taken_in(export) for export in exports]
    if args.json:
        said_folders = {name: str(folder) for name, folder in folders.items()}
        say_json(
            {"site": site.name, "folders": said_folders, "made": made, "datasets": [_record(*one) for one in datasets]}
        )
    else:
        say(f"site: {site.name}")
        for name, folder in folders.items():
            say(f"  {name.replace('_', ' '):13} {folder}{' (new)' if name in made else ''}")
        if not datasets:
            say(
                f"Put each dataset into a folder of its own in {folders['ground_truth'].name}, and base models into {folders['models'].name}."
            )
            say(f"Then: `{own_command('check dataset=NAME')}`, `{own_command('train dataset=NAME model=...')}`")
        for export, dataset in datasets:
            _show(export, dataset)
    return 2 if any(dataset.errors for _, dataset in datasets) else 0


def _is_export(word: str) -> bool:
    return os.path.exists(word) or ("=" not in word and (word.lower().endswith(".zip") or "/" in word))


def _exports(named: Sequence[str], names: Sequence[str], ground_truth: Path) -> list[_Export]:
    """What becomes of each export.

    Raises:
        ConfigError: with all that is wrong; nothing was written.
    """
    from htr_exp.config import dataset_file
    from htr_exp.groundtruth.archives import is_unpacked, is_zip

    problems = list[Problem]()
    if names and len(named) != 1:
        problems.append(Problem(f"name={names[0]}: there are {len(named)} exports", "name one export", "name"))
    found = list[_Export]()
    for word in named:
        source = Path(word).expanduser().absolute()
        name = dataset_file.name_for(Path(names[0])) if names else dataset_file.name_for(source)
        try:
            if source.is_dir():
                inside = source.is_relative_to(ground_truth) and source != ground_truth
                path = f"${{site.ground_truth}}/{source.relative_to(ground_truth)}" if inside else str(source)
                export = _Export(source, name, source, path)
            elif is_zip(source):
                export = _Export(source, name, ground_truth / name, f"${{site.ground_truth}}/{name}")
                if not is_unpacked(source, export.folder) and export.folder.exists():
                    said = f"{export.folder} is there already, and its files are others than those of {source.name}"
                    problems.append(Problem(said, "choose another name (name=NAME), or move that folder away", word))
            else:
                problems.append(
                    Problem(f"{word}: it is no folder and no zip", "name the folder or the zip of an export", word)
                )
                continue
        except FileNotFoundError:
            problems.append(
                Problem(f"{word}: there is no such folder or file", "name the folder or the zip of an export", word)
            )
            continue
        except DatasetError as error:
            problems.append(Problem(f"{word}: {error.headline}", where=word))
            continue
        except OSError as error:
            problems.append(Problem(f"{word}: {error.strerror or error}", where=word))
            continue
        if in_the_way := dataset_file.problem(name, export.path):
            problems.append(in_the_way)
        if twice := [one for one in found if one.name.casefold() == name.casefold()]:
            said = f"{word}: it would be called {name}, as {twice[0].source}"
            problems.append(Problem(said, "take them in one after the other, one with name=NAME", word))
        found.append(export)
    if problems:
        raise ConfigError("the exports cannot be taken in:", problems)
    return found


def _taken_in(export: _Export) -> tuple[_Export, Dataset]:
    """Unpack an export, write its file, and look whether it can be trained on."""
    from htr_exp.cli.check import terminal
    from htr_exp.config import dataset_file
    from htr_exp.core.console import console
    from htr_exp.core.file_cache import user_cache
    from htr_exp.core.text import counted
    from htr_exp.groundtruth.archives import unpack
    from htr_exp.groundtruth.examine import examine_folders

    try:
        if export.is_packed and not export.folder.exists():
            unpack(export.source, export.folder)
        with terminal.progress(console(stderr=True), "reads ground truth") as tell:
            dataset = examine_folders([export.folder], cache=user_cache(), progress=tell)
        sentence = f"{counted(len(dataset.pages), 'page')}, {counted(dataset.lines, 'line')}, taken in from {export.source.name}."
        dataset_file.write(export.name, export.path, sentence)
    except DatasetError as error:
        raise HtrExpError(f"{export.source}: {error.headline}") from None
    except OSError as error:
        raise HtrExpError(
            f"{export.source}: it cannot be taken in ({error.strerror or error}: {error.filename})"
        ) from None
    return export, dataset


def _record(export: _Export, dataset: Dataset) -> dict[str, Any]:
    from htr_exp.config import dataset_file

    return {
        "name": export.name,
        "source": str(export.source),
        "folder": str(export.folder),
        "file": str(dataset_file.file_of(export.name).absolute()),
        "pages": len(dataset.pages),
        "lines": dataset.lines,
        "errors": len(dataset.errors),
        "dropped": len(dataset.dropped),
        "warnings": len(dataset.warnings),
    }


def _show(export: _Export, dataset: Dataset) -> None:
    from htr_exp.config import dataset_file
    from htr_exp.core.terminal import say
    from htr_exp.core.text import counted, joined

    say(
        f"dataset={export.name}: {counted(len(dataset.pages), 'page')}, {counted(dataset.lines, 'line')} in {export.folder}; its file: {dataset_file.file_of(export.name)}"
    )
    sorts = (dataset.errors, "error"), (dataset.dropped, "thing left out"), (dataset.warnings, "warning")
    found = [
        counted(len(problems), noun, "things left out" if noun == "thing left out" else None)
        for problems, noun in sorts
        if problems
    ]
    if found:
        say(f"  {joined(found)}: `{own_command(f'check dataset={export.name}')}` shows them")
    if dataset.errors:
        say("  training will not start until the errors are corrected")
    else:
        say(
            f"  next: `{own_command(f'train dataset={export.name} model=... --dry-run')}`; `{own_command('options model')}` shows the models"
        )


def _not_taken(word: str) -> Problem:
    if word.startswith("site."):
        return Problem(
            f"{word}: it would not be remembered",
            "write it into a site of your own, conf/site/NAME.yaml, and give site=NAME",
            word,
        )
    return Problem(word, "write site=NAME, or name the folder or the zip of an export", word)


def _make(folders: list[Path]) -> None:
    """Make folders.

    Raises:
        ConfigError: with all that cannot be made.
    """
    problems = []
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            problems.append(
                Problem(
                    f"{folder}: it cannot be made ({error.strerror or error})",
                    "make room for it, or choose another site",
                )
            )
    if problems:
        raise ConfigError("the folders of the site cannot be made:", problems)
