"""Ground truth that is found by the name of its folder in site.ground_truth, without a file in conf/dataset."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Container, Sequence
from pathlib import Path
from typing import Any

from htr_exp.config.misread_words import exists
from htr_exp.config.named_choices import names_of, taken
from htr_exp.config.places import absolute
from htr_exp.core.text import printable


def folders_in(ground_truth: Path) -> dict[str, Path]:
    """Every folder of ground truth by its name; none where the folder that holds them cannot be read."""
    try:
        found = sorted(path for path in ground_truth.iterdir() if not path.name.startswith(".") and path.is_dir())
    except (OSError, ValueError):  # the last: a NUL in its name
        return {}
    return {path.name: path for path in found}


def folder_called(name: str, ground_truth: Path) -> Path | None:
    """The folder of a name, written exactly so or else the only one that is it in other letters, small or capital."""
    folders = folders_in(ground_truth)
    if name in folders:
        return folders[name]
    like = [path for own, path in folders.items() if _plain(own) == _plain(name)]
    return like[0] if len(like) == 1 else None


def named_datasets(
    words: Sequence[str], known: Container[str], ground_truth: Callable[[], str | None]
) -> tuple[list[str], dict[str, str]]:
    """What `dataset=NAME` means where no file says it: folders of the site's ground truth.

    Args:
        words: of a command line.
        known: the datasets that have files.
        ground_truth: finds the site's folder of ground truth; it is asked where some name is not known.

    Returns:
        The words, with such names as Hydra takes them, and the path of each name.
    """
    asked = (name for word in words for name in names_of("dataset", word))
    wanted = {name for name in asked if name not in known and name not in ("", "null")}
    if not wanted or (folder := ground_truth()) is None:
        return list(words), {}
    root = Path(folder).expanduser()
    found = {name: path for name, path in folders_in(root).items() if name not in known}
    found |= {name: path for name in wanted if (path := folder_called(name, root))}
    return taken("dataset", words, found)


def located(path: Any, ground_truth: str) -> tuple[Any, tuple[str, ...]]:
    """A dataset's path, or each of its paths, where it is, and what is said of those that were found in the ground truth."""
    named: list[Any] = path if isinstance(path, list) else [path]
    found = [_where_it_is(one, ground_truth) if isinstance(one, str) else one for one in named]
    said = tuple(
        f"dataset.path={printable(one)}: there is no such folder here; {printable(str(absolute(where)))} is used"
        for one, where in zip(named, found)
        if where != one
    )
    return found if isinstance(path, list) else found[0], said


def _where_it_is(path: str, ground_truth: str) -> str:
    """A path as it is, or, where nothing is there, that of the folder of this name in the ground truth."""
    if exists(path) or path.startswith(("/", "~")) or ".." in Path(path).parts:
        return path
    inside = Path(path).relative_to(ground_truth) if Path(path).is_relative_to(ground_truth) else Path(path)
    found = folder_called(inside.name, Path(ground_truth).expanduser() / inside.parent)
    return path if found is None else str(found)


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
