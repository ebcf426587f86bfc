"""The pages that are to be transcribed: images, and PAGE or ALTO files beside their images, whose lines may be kept."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from htr_exp.core.errors import DatasetError
from htr_exp.core.problem import Problem
from htr_exp.core.text import first_of
from htr_exp.groundtruth import xml
from htr_exp.groundtruth.archives import is_zip, unpacked
from htr_exp.groundtruth.file_tree import IMAGES, Tree, folded, shown
from htr_exp.groundtruth.folders import prefixes
from htr_exp.groundtruth.image_search import find_image
from htr_exp.transcribe.pdf import images_of

Segment = Literal["missing", "all", "never"]
"""Which pages have their lines found: those that have none, all (lines of files are not used), or no page."""


@dataclass(frozen=True)
class WantedPage:
    """A page that is to be transcribed.

    Attributes:
        name: of what is written, without its ending, relative to the output folder with `/`.
        image: its image.
        xml: the PAGE or ALTO file whose lines are kept; None: lines are found in the image.
        lines: how many that file has.
    """

    name: str
    image: Path
    xml: Path | None = None
    lines: int = 0


@dataclass
class Wanted:
    """What was found where somebody pointed.

    Attributes:
        pages: in the order of folders as given, then of names.
        unusable: name -> why nothing can be made of it.
    """

    pages: list[WantedPage] = field(default_factory=list)
    unusable: dict[str, str] = field(default_factory=dict)


def wanted(named: Sequence[Path], segment: Segment, *, out: Path, cache: Path) -> tuple[Wanted, list[Problem]]:
    """Find the pages that somebody names.

    Args:
        named: images, PAGE or ALTO files, folders of these, zips of such folders.
        segment: which lines are used.
        out: the output folder; what lies in it is no page.
        cache: folder in which zips are unpacked, each under its digest.

    Returns:
        The pages, and why some words mean none, or several pages one output.
    """
    found, problems = Wanted(), list[Problem]()
    folders = [path for path in named if not path.is_file() or is_zip(path)]
    prefix_of = dict(zip(folders, prefixes([folder.with_suffix("") for folder in folders]), strict=True))
    for path in named:
        if not path.exists():
            problems.append(
                Problem(
                    f"{path}: there is no such file or folder", "name images, PAGE or ALTO files, or folders", str(path)
                )
            )
            continue
        try:
            if path in prefix_of:
                folder = unpacked(path, cache) if path.is_file() else path
                _look_through(Tree(folder, set()), prefix_of[path], segment, out, found)
            elif path.suffix.lower() == ".pdf":
                _look_at_each(images_of(path, out), segment, found)
            else:
                tree = Tree(path.parent, set()) if _is_xml(path.name) else _Alone(path)
                _look_at(tree, path.name, "", segment, found)
        except DatasetError as error:
            problems.append(Problem(f"{path}: {error.headline}", where=str(path)))
        except OSError as error:
            problems.append(Problem(f"{path}: {error.strerror or error}", where=str(path)))
    problems += _of_one_name(found.pages)
    if not (found.pages or found.unusable or problems):
        problems.append(Problem("there is no page", "name images, PAGE or ALTO files, or folders that hold some"))
    return found, problems


def _look_at_each(images: Sequence[Path], segment: Segment, found: Wanted) -> None:
    for image in images:
        _look_at(_Alone(image), image.name, "", segment, found)


class _Alone:
    """An image that was named itself: nothing beside it is looked at."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def path(self, name: str) -> Path:
        return self._path


def _look_through(tree: Tree, prefix: str, segment: Segment, out: Path, found: Wanted) -> None:
    """Take the PAGE and ALTO files of a folder, and the images that none of them is about."""
    inside = f"{out.absolute().relative_to(tree.root)}/" if out.absolute().is_relative_to(tree.root) else None
    names = [name for name in tree.files if inside in (None, "./") or not name.startswith(inside or "")]
    claimed = {image for name in names if _is_xml(name) for image in _look_at(tree, name, prefix, segment, found)}
    for name in names:
        if name.lower().endswith(IMAGES) and name not in claimed:
            _look_at(tree, name, prefix, segment, found)


def _look_at(tree: Tree | _Alone, name: str, prefix: str, segment: Segment, found: Wanted) -> list[str]:
    """Take one file; return the names of the images that it is about."""
    page, own = f"{prefix}{posixpath.splitext(name)[0]}", f"{prefix}{name}"
    if isinstance(tree, _Alone) or not _is_xml(name):
        if not name.lower().endswith(IMAGES):
            found.unusable[own] = f"it is no image that is known ({', '.join(IMAGES)}), and no XML"
        elif segment == "never":
            found.unusable[own] = (
                "it has no lines: there is no PAGE or ALTO file for it, and lines are never found (--segment never)"
            )
        else:
            found.pages.append(WantedPage(page, tree.path(name)))
        return []
    try:
        read = xml.read_page(tree.path(name))
    except DatasetError as error:
        found.unusable[own] = error.headline
        return []
    image, _ = find_image(tree, name, read.image_name)
    if image is None:
        found.unusable[own] = (
            f"its image {shown(read.image_name)} is not there" if read.image_name else "it names no image"
        )
        return []
    lines = sum(bool(line.baseline) for line in read.lines)
    if segment == "all" or (segment == "missing" and not lines):
        found.pages.append(WantedPage(page, tree.path(image)))
    elif lines:
        found.pages.append(WantedPage(page, tree.path(image), tree.path(name), lines))
    else:
        found.unusable[own] = "it has no lines, and lines are never found (--segment never)"
    return [image]


def _of_one_name(pages: Sequence[WantedPage]) -> Iterator[Problem]:
    """Several pages that would be written into one file, also on disks that take capital letters for small ones."""
    alike: dict[str, list[WantedPage]] = {}
    for page in pages:
        alike.setdefault(folded(page.name), []).append(page)
    for group in alike.values():
        if len(group) > 1:
            files = first_of([str(page.xml or page.image) for page in group], 3)
            yield Problem(
                f"{files}: they would be written into one file, {group[0].name}",
                "rename one, or transcribe them into two folders",
                group[0].name,
            )


def _is_xml(name: str) -> bool:
    return name.lower().endswith(".xml")
