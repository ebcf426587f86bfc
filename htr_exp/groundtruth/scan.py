"""Looks at files, each once, on all processors, and not at all at those that are remembered."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from htr_exp.core.file_cache import Remembered, Stamp, stamp_of
from htr_exp.core.task import Task
from htr_exp.groundtruth import image_header, page_scan
from htr_exp.groundtruth.choices import DEFAULT, Choices
from htr_exp.groundtruth.image_header import ImageFacts, look_at
from htr_exp.groundtruth.page_scan import PageFile, look_into
from htr_exp.groundtruth.parallel import spread

Found = TypeVar("Found")
Files = Sequence[tuple[str, str]]
"""Files by the folder that their facts are remembered with, and their path below it."""

_DIED = "it ends the process that reads it: it may be an attack"


def silent(done: int) -> None:
    """Tell nobody how many files were looked at."""


def page_files(
    files: Files,
    task: Task,
    cache: Path | None,
    tell: Callable[[int], None] = silent,
    choices: Choices = DEFAULT,
) -> list[PageFile]:
    """The facts about each XML file that later steps need.

    Args:
        files: the files.
        task: decides what training sees of a line.
        cache: folder where facts about files are remembered; None: nowhere.
        tell: called with the number of files that are done.
        choices: which text is read where a file has several.
    """
    return _looked(
        files,
        partial(look_into, task=task, choices=choices),
        lambda path: PageFile(task, refused=("not_well_formed", _DIED)),
        Remembered(cache, f"xml-{task.name}{_suffix(choices)}", page_scan.FORM),
        PageFile.to_json,
        PageFile.from_json,
        tell,
    )


def _suffix(choices: Choices) -> str:
    return "" if choices == DEFAULT else f"-{choices.text_equiv}-{'with' if choices.hyphens else 'without'}-hyphens"


def image_files(files: Files, cache: Path | None, tell: Callable[[int], None] = silent) -> list[ImageFacts | str]:
    """The facts about each image, or why it cannot be read; arguments as for `page_files`."""
    return _looked(
        files,
        look_at,
        lambda path: _DIED,
        Remembered(cache, "images", image_header.FORM),
        lambda seen: seen if isinstance(seen, str) else seen.to_json(),
        lambda values: values if isinstance(values, str) else ImageFacts.from_json(values),
        tell,
    )


def image_digests(images: Sequence[Path], cache: Path | None) -> list[str | OSError]:
    """The SHA-256 of each image, or why it cannot be read."""
    seen = image_files([(str(image.parent), image.name) for image in images], cache)
    return [OSError(one) if isinstance(one, str) else one.sha256 for one in seen]


def _looked(
    files: Files,
    look: Callable[[str], Found],
    died: Callable[[str], Found],
    remembered: Remembered,
    to_json: Callable[[Found], Any],
    from_json: Callable[[Any], Found],
    tell: Callable[[int], None],
) -> list[Found]:
    stamps = [_stamp(os.path.join(root, name)) for root, name in files]
    found: dict[int, Found] = {}
    for number, ((root, name), stamp) in enumerate(zip(files, stamps, strict=True)):
        known = remembered.get(root, name, stamp) if stamp else None
        if known is not None:
            try:
                found[number] = from_json(known)
            except (TypeError, ValueError, KeyError, AttributeError, IndexError):
                continue  # written by another version, or not by us
            tell(len(found))
    new = [number for number in range(len(files)) if number not in found]
    paths = [os.path.join(*files[number]) for number in new]
    for number, result in zip(new, spread(look, paths, died), strict=True):
        found[number] = result
        if stamp := stamps[number]:
            remembered.put(*files[number], stamp, to_json(result))
        tell(len(found))
    remembered.save()
    return [found[number] for number in range(len(files))]


def _stamp(path: str) -> Stamp | None:
    try:
        return stamp_of(os.stat(path))
    except (OSError, ValueError):
        return None
