"""Finds the image that a page means among the files of its dataset folder, however the page writes its name."""

from __future__ import annotations

import ntpath
import os
import posixpath
import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from urllib.parse import quote, unquote, urlsplit

from htr_exp.groundtruth.file_tree import IMAGES, Tree

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")  # two letters at least: C:/ is a drive
_AROUND = " \t\r\n\v\f\0\u00a0\u200b\ufeff"

Found = tuple[str | None, str]
"""The image's name or None, and why: `""` (as named), a code of a warning, `image_missing` or `image_outside`."""


def find_image(tree: Tree, xml: str, image_name: str) -> Found:
    """Find the image of a page.

    A path that leads out of the dataset folder finds nothing there: programs write where the image was on their own
    machine. Its bare name is looked for within.

    Args:
        tree: the dataset folder.
        xml: the page's own name.
        image_name: as the page gives it; empty if it gives none.
    """
    folder = posixpath.dirname(xml)
    name = image_name.strip(_AROUND)
    if not name:
        return by_stem(tree, xml)
    if name != image_name and tree.look_up(posixpath.join(folder, image_name)):
        name = image_name  # there are such files
    path, address = _path(name)
    absolute = path.startswith(("/", "\\")) or bool(ntpath.splitdrive(path)[0])
    inside = True
    for spelling in _spellings(path):
        relative = spelling
        if absolute:
            relative = os.path.relpath(spelling, tree.root) if spelling.startswith("/") else ".."
        seen_from_page = relative if absolute else posixpath.normpath(posixpath.join(folder, relative))
        if seen_from_page == ".." or seen_from_page.startswith("../"):
            inside = address
        elif named := tree.look_up(seen_from_page):
            if spelling != name or name != image_name:
                return named[0], "image_name_spelled"
            return named[0], "image_name_case" if named[1] else ""
    spellings = [one.replace("\\", "/") for one in _spellings(path)]
    bare = [ntpath.basename(one.rstrip("/")) for one in spellings]
    near = next(_from_above(tree, folder, [] if absolute else spellings), None) or next(_near(tree, folder, bare), None)
    if near:
        return near, "image_elsewhere"
    found, how = _below_nearest(tree, folder, spellings, bare)
    if found:
        return found, how
    if address and (own := by_stem(tree, xml)[0]):
        return own, "image_by_stem"
    return None, "image_missing" if inside else "image_outside"


def by_stem(tree: Tree, xml: str) -> Found:
    """The image that has the name of a page: beside it, in the parent folder, or the only one in the nearest folder around it."""
    folder, bare = posixpath.split(xml)
    stem = posixpath.splitext(bare)[0]
    for place in _places(folder):
        if found := _with_stem(tree, posixpath.join(place, stem)):
            own = _only(found)
            return own, "image_by_stem" if own else "image_missing"
    for place in _around(folder):
        if found := _inside(place, tree.images_of_stem(stem)):
            own = _only(found)
            return own, "image_by_stem" if own else "image_missing"
    return None, "image_missing"


def derived_images(tree: Tree, images: Sequence[str], pages: Sequence[tuple[str, Sequence[str]]]) -> list[str]:
    """Those of some images that programs made of the images of pages.

    Args:
        tree: the dataset folder.
        images: their names.
        pages: of each page its name, and what it says itself that was made of its image (AlternativeImage).
    """
    if not images:
        return []
    said = {find_image(tree, xml, name)[0] for xml, names in pages for name in names}
    stems = {posixpath.splitext(xml)[0] for xml, _ in pages}
    return [image for image in images if image in said or not stems.isdisjoint(_shortened(image))]


def _shortened(image: str) -> Iterator[str]:
    """Yield a name without its ending, and without what programs put before that: `0001` of `0001.bin.png`."""
    stem = posixpath.splitext(image)[0]
    while (shorter := posixpath.splitext(stem)[0]) != stem:
        stem = shorter
        yield stem


def _path(name: str) -> tuple[str, bool]:
    """The path of an address (`https://...`, `file:///...`), and whether it is one; any other name is its own path."""
    if not _ADDRESS.match(name):
        return name, False
    try:
        return urlsplit(name).path or name, True
    except ValueError:
        return name, True


def _spellings(path: str) -> list[str]:
    """A path as it stands, with its percent signs read, with percent signs written, and with slashes of this system."""
    return list(dict.fromkeys([path, unquote(path), quote(path, safe="/\\:"), path.replace("\\", "/")]))


def _places(folder: str) -> list[str]:
    return [folder, posixpath.dirname(folder)] if folder else [""]


def _from_above(tree: Tree, folder: str, spellings: list[str]) -> Iterator[str]:
    """Yield what the paths mean from the folders above: those of OCR-D are relative to the METS file, not to the page."""
    while folder:
        folder = posixpath.dirname(folder)
        for one in spellings:
            if named := tree.look_up(posixpath.normpath(posixpath.join(folder, one))):
                yield named[0]


def _near(tree: Tree, folder: str, bare: list[str]) -> Iterator[str]:
    for place in _places(folder):
        for one in bare:
            if named := tree.look_up(posixpath.join(place, one)):
                yield named[0]


def _below_nearest(tree: Tree, folder: str, spellings: list[str], bare: list[str]) -> Found:
    """The only image of the name in the nearest folder around a page that has one, in whatever folder below that; if it
    has none of the name, the only one of another ending.

    One document's page is not to take another's image, as long as its own has one.
    """
    stems = [posixpath.splitext(one)[0] if one.lower().endswith(IMAGES) else one for one in bare]
    named = sorted(tree.images_named(*bare))
    alike = sorted({name for stem in stems for name in tree.images_of_stem(stem)})
    for place in _around(folder):
        if found := _inside(place, named):
            return _only(found), "image_elsewhere"
        other = _other_ending(tree, place, spellings, bare) if place in _places(folder) else []
        if found := other or _inside(place, alike):
            return _only(found), "image_other_ending"
    return None, ""


def _around(folder: str) -> Iterator[str]:
    """Yield the folder of a page, and each one above it within the dataset."""
    yield folder
    while folder:
        folder = posixpath.dirname(folder)
        yield folder


def _inside(place: str, names: list[str]) -> list[str]:
    """Those of some sorted names that are below a folder; what follows `/` is `0`."""
    return names[bisect_left(names, f"{place}/") : bisect_left(names, f"{place}0")] if place else names


def _other_ending(tree: Tree, place: str, spellings: list[str], bare: list[str]) -> list[str]:
    """The images that a folder has under a name with another ending."""
    for one in (*spellings, *bare):
        path = posixpath.normpath(posixpath.join(place, one))
        stem = posixpath.splitext(path)[0] if path.lower().endswith(IMAGES) else path
        if not path.startswith("..") and (found := [*_with_stem(tree, stem), *_with_stem(tree, path)]):
            return found
    return []


def _with_stem(tree: Tree, stem: str) -> list[str]:
    """The images of this name, which may have its ending already."""
    endings = ("", *IMAGES) if stem.lower().endswith(IMAGES) else IMAGES
    return [hit[0] for end in endings if (hit := tree.look_up(stem + end))]


def _only(names: list[str]) -> str | None:
    return names[0] if len(set(names)) == 1 else None
