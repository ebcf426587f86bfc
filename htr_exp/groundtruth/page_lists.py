"""The pages that a METS file or a IIIF manifest lists, of those that lie beside it."""

from __future__ import annotations

import json
import os
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from lxml import etree

from htr_exp.core.errors import DatasetError
from htr_exp.groundtruth import xml
from htr_exp.groundtruth.file_tree import Tree, folded, shown
from htr_exp.groundtruth.model import NotWellFormed

_LARGEST_MANIFEST = 64 << 20  # bytes
_WHAT = (
    "name a folder of PAGE or ALTO files beside their images, a zip of such a folder, a METS file or a IIIF manifest"
)


def listed(path: Path) -> frozenset[str]:
    """The names, below its folder, of the files of ground truth that a METS file or a manifest lists.

    A METS file may list XML files that are not there: they are among the names.

    Raises:
        DatasetError: it is neither, or lists none that is there.
        OSError: it cannot be read.
    """
    tree = Tree(path.parent, set())
    pages = [name for name in tree.files if name.lower().endswith(".xml") and name != path.name]
    if path.suffix.lower() == ".json":
        wanted = set(map(folded, _stems_of_manifest(path)))
        found, lost = [name for name in pages if folded(posixpath.splitext(posixpath.basename(name))[0]) in wanted], []
        belong = f"{len(wanted)} names of images that the manifest has"
    else:
        files = _files_of_mets(path)
        there = set(pages)
        found = [named[0] for name in files if (named := tree.look_up(name)) and named[0] in there]
        lost = [name for name in files if name.lower().endswith(".xml") and not tree.look_up(name)]
        belong = f"{len(files)} files that it lists"
    if not found:
        raise DatasetError(f"none of the {len(pages)} XML files in its folder belongs to the {belong}")
    return frozenset([*found, *lost])


def _files_of_mets(path: Path) -> list[str]:
    """The paths of all files that a METS file lists, relative to its folder.

    Raises:
        DatasetError: it is no METS file.
    """
    try:
        root = xml.parse(xml.content(path))
    except NotWellFormed as error:
        raise DatasetError(f"{error.headline}; {_WHAT}") from None
    if etree.QName(root).localname != "mets":
        raise DatasetError(f"it is a single file of <{shown(etree.QName(root).localname)}>: {_WHAT}")
    hrefs = [
        value
        for place in root.iter("{*}FLocat")
        for key, value in place.attrib.items()
        if str(key).rpartition("}")[2] == "href"
    ]
    return [name for href in hrefs if (name := _below(str(href).strip(), path.parent)) is not None]


def _below(href: str, folder: Path) -> str | None:
    """A reference as a path below a folder; None: it leads elsewhere."""
    try:
        parts = urlsplit(href.replace("\\", "/"))
    except ValueError:
        return None
    if parts.scheme not in ("", "file"):
        return None
    name = unquote(parts.path)
    name = os.path.relpath(name, folder) if name.startswith("/") else posixpath.normpath(name)
    return None if name.startswith("..") else name


def _stems_of_manifest(path: Path) -> Iterator[str]:
    """Yield the names, without ending, under which the images of a IIIF manifest may lie beside it.

    Presentation 2 and 3: the last part of an image's address, or what an image server calls it, or its canvas's label.

    Raises:
        DatasetError: it is no manifest.
    """
    try:
        with open(path, "rb") as file:
            content = json.loads(file.read(_LARGEST_MANIFEST))
    except (ValueError, RecursionError):
        raise DatasetError(f"it is no JSON that can be read: {_WHAT}") from None
    canvases = list(_canvases(content))
    if not canvases:
        raise DatasetError(f"it is no IIIF manifest with canvases: {_WHAT}")
    for canvas in canvases:
        for said in _texts(canvas.get("label")):
            yield _stem(said)
        for address in _addresses(canvas):
            parts = [unquote(part) for part in address.split("?")[0].rstrip("/").split("/")]
            if len(parts) > 5 and re.fullmatch(r"(default|native|color|gray|bitonal)\.\w+", parts[-1]):
                parts = parts[:-4]  # an image server's: IDENTIFIER/REGION/SIZE/ROTATION/default.jpg
            yield _stem(parts[-1].rpartition("/")[2])


def _stem(name: str) -> str:
    stem, ending = posixpath.splitext(name)
    return stem if re.fullmatch(r"\.[A-Za-z0-9]{2,4}", ending) and not ending[1:].isdigit() else name


def _canvases(content: Any) -> Iterator[dict[str, Any]]:
    if not isinstance(content, dict):
        return
    for sequence in _dicts(content.get("sequences")):
        yield from _dicts(sequence.get("canvases"))
    for item in _dicts(content.get("items")):
        if item.get("type") == "Canvas":
            yield item


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, dict)]


def _addresses(canvas: dict[str, Any]) -> Iterator[str]:
    """Yield the addresses of the images, and of the image servers, of a canvas."""
    waiting = [*_dicts(canvas.get("images")), *_dicts(canvas.get("items")), *_dicts(canvas.get("seeAlso"))]
    for _ in range(1_000):  # of one canvas
        if not waiting:
            return
        one = waiting.pop()
        for key in ("@id", "id"):
            if isinstance(address := one.get(key), str):
                yield address
        for key in ("resource", "body", "items", "service", "default", "item"):
            waiting += _dicts(one.get(key))


def _texts(label: Any) -> Iterator[str]:
    for one in label if isinstance(label, list) else [label]:
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            for value in one.values():
                yield from (text for text in (value if isinstance(value, list) else [value]) if isinstance(text, str))
