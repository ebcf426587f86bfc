"""The small pictures of a report: made while the images are there, and kept in the run folder.

The report is then made of the run folder alone, to the same bytes, also where the images are not: on a laptop, for a
reader, in an archive. Nothing outside the folder is read to show a run, whatever its records name.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from htr_exp.core.errors import DatasetError
from htr_exp.core.files import read_jsonl, write_jsonl
from htr_exp.groundtruth.line_pictures import Picture
from htr_exp.groundtruth.model import Line
from htr_exp.groundtruth.plain_pictures import plain_pictures
from htr_exp.groundtruth.xml import read_page
from htr_exp.runs.run_dir import RunDir

MOST_BASE64 = 400_000
"""Characters of one picture; ours have a tenth of it."""

_JPEG = re.compile(r"/9j/[A-Za-z0-9+/]+={0,2}")
"""A JPEG file in base64: it begins with FF D8 FF."""

Key = tuple[str, str | None]
"""A page and a line of it, or None: the whole page."""


@dataclass(frozen=True)
class PageFiles:
    """Where a page is on this machine."""

    staged: Path
    image: Path
    line_images: tuple[Path, ...] = ()  # of line pairs: of each line


@dataclass(frozen=True)
class Shown:
    """A picture of a report.

    Attributes:
        uri: a data URI; "" where there is no picture.
        said: why there is none.
    """

    uri: str = ""
    said: str = ""


def keep_pictures(run: RunDir, wanted: Iterable[Key], files_of: Callable[[str], PageFiles], *, upright: bool) -> None:
    """Make the pictures of a run's report, and keep them in its folder.

    Args:
        run: its folder.
        wanted: what to show.
        files_of: where a page is.
        upright: whether kraken turned the images as EXIF says, and points with them.

    Raises:
        OSError: the run folder cannot be written.
    """
    of_page: dict[str, list[str | None]] = {}
    for page, line in wanted:
        of_page.setdefault(page, []).append(line)
    records = [
        _record(page, line, picture)
        for page, lines in of_page.items()
        for line, picture in _pictures(files_of(page), lines, upright)
    ]
    write_jsonl(run.pictures, records)


def _pictures(files: PageFiles, wanted: Collection[str | None], upright: bool) -> Iterable[tuple[str | None, Picture]]:
    ids = [line for line in wanted if line is not None]
    try:
        lines = {line.id: line for line in read_page(files.staged).lines} if ids else {}
    except DatasetError:
        lines = {}
    there = {name: lines[name] for name in ids if name in lines}
    if files.line_images:
        yield from _pictures_of_pairs(dict(zip(lines, files.line_images)), there, wanted, upright)
        return
    found, thumbnail = plain_pictures(files.image, there, thumbnail=None in wanted, upright=upright)
    for name in ids:
        yield name, found.get(name) or Picture(None, said="the line was not found again")
    if thumbnail is not None:
        yield None, thumbnail


def _pictures_of_pairs(
    images: Mapping[str, Path], there: Mapping[str, Line], wanted: Collection[str | None], upright: bool
) -> Iterator[tuple[str | None, Picture]]:
    """Yield the pictures of lines that have one of their own; of their page there is none."""
    for name in wanted:
        if name is None:
            yield None, Picture(None, said="the page is only there line by line")
        elif name in there:
            found, _ = plain_pictures(images[name], {name: there[name]}, thumbnail=False, upright=upright)
            yield name, found[name]
        else:
            yield name, Picture(None, said="the line was not found again")


def _record(page: str, line: str | None, picture: Picture) -> dict[str, Any]:
    if picture.jpeg is None:
        return {"page": page, "line": line, "said": picture.said}
    return {"page": page, "line": line, "jpeg": base64.b64encode(picture.jpeg).decode()}


def kept_pictures(run: RunDir) -> dict[Key, Shown]:
    """The pictures that a run folder has; what is no JPEG of this size is left out: somebody may have edited it."""
    found: dict[Key, Shown] = {}
    for record in read_jsonl(run.pictures, "page", "line"):
        page, line, jpeg = record["page"], record["line"], record.get("jpeg", "")
        if not isinstance(page, str) or not isinstance(line, str | None) or not isinstance(jpeg, str):
            continue
        if jpeg:
            if len(jpeg) <= MOST_BASE64 and _JPEG.fullmatch(jpeg):
                found[page, line] = Shown(f"data:image/jpeg;base64,{jpeg}")
        else:
            found[page, line] = Shown(said=str(record.get("said", "")))
    return found
