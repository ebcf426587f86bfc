"""The forms in which systems give what they read: PAGE, ALTO and text, a file a page, and JSON lines."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from htr_exp.core.problem import Problem
from htr_exp.groundtruth.choices import LOWEST, Choices
from htr_exp.groundtruth.model import NotGroundTruth, NotWellFormed, Points, Unplaceable
from htr_exp.groundtruth.xml import page_of, parse
from htr_exp.scoring.other_systems.files import FORMS, GivenFile

NEEDED = ("page", "line", "text")
"""The keys of a JSON line, all texts."""


@dataclass(frozen=True)
class GivenLine:
    """What was read in one line."""

    id: str | None  # None: only its place tells which line it is
    text: str  # in logical order, as the file has it
    where: str  # file, and the number of the line in it
    baseline: Points = ()
    box: Points = ()  # the corners of its polygon


@dataclass(frozen=True)
class GivenPage:
    """What was read on one page."""

    names: tuple[str, ...]  # by which it is looked for, the surest first
    file: str
    lines: tuple[GivenLine, ...]
    has_shapes: bool = False  # whether lines may be known by where they are, and by their order, where ids are others


@dataclass(frozen=True)
class Aside:
    """A file that is none of predictions, as others lie among them: a METS file, metadata."""

    file: str


def box_of(polygon: Points) -> Points:
    """The least and the greatest corner of a polygon; empty for none."""
    if not polygon:
        return ()
    (xs, ys) = zip(*polygon)
    return ((min(xs), min(ys)), (max(xs), max(ys)))


def read_xml(file: GivenFile, choices: Choices) -> Iterator[GivenPage | Problem | Aside]:
    """Yield the page of a PAGE or ALTO file."""
    try:
        page = page_of(parse(file.content), replace(choices, text_equiv=LOWEST))
    except (NotWellFormed, Unplaceable) as error:
        yield Problem(f"{file.name}: {error}", "export it again", file.name)
        return
    except NotGroundTruth:
        yield Aside(file.name)
        return
    name, image = PurePosixPath(file.name), PurePosixPath(page.image_name.replace("\\", "/"))
    names = [str(name.with_suffix("")), name.stem, *([image.name, image.stem] if page.image_name else [])]
    lines = tuple(
        GivenLine(
            line.id or None, line.text if line.text.strip() else "", file.name, line.baseline, box_of(line.polygon)
        )
        for line in page.lines  # a word without letters is a blank in ALTO
    )
    yield GivenPage(tuple(names), file.name, lines, has_shapes=True)


def read_text(file: GivenFile) -> Iterator[GivenPage | Problem]:
    """Yield the page of a text file: one line a line."""
    text = _decoded(file)
    if isinstance(text, Problem):
        yield text
        return
    lines = text.replace("\r\n", "\n").split("\n")
    if lines[-1] == "":  # what ends the last line is no line
        del lines[-1]
    name = PurePosixPath(file.name)
    given = tuple(GivenLine(None, one, f"{file.name}:{number}") for number, one in enumerate(lines, 1))
    yield GivenPage((str(name.with_suffix("")), name.stem), file.name, given)


def read_json_lines(file: GivenFile) -> Iterator[GivenPage | Problem]:
    """Yield the pages of a file of JSON lines, and what is wrong with its lines."""
    text = _decoded(file)
    if isinstance(text, Problem):
        yield text
        return
    pages: dict[str, list[GivenLine]] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        where = f"{file.name}:{number}"
        try:
            row: Any = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield Problem(f"{where}: it is no JSON ({getattr(error, 'msg', error)})", "write one object a line", where)
            continue
        if wrong := _wrong(row):
            yield Problem(f"{where}: {wrong}", 'write {"page": ..., "line": ..., "text": ...}, all in quotes', where)
            continue
        pages.setdefault(row["page"], []).append(GivenLine(row["line"], row["text"], where))
    for page, lines in pages.items():
        yield GivenPage((page,), file.name, tuple(lines))


def _wrong(row: Any) -> str:
    """Why a JSON value is no line of predictions; "" if it is one."""
    if not isinstance(row, dict):
        return "it is no object"
    if lacking := [key for key in NEEDED if key not in row]:
        return f"it has no {', no '.join(lacking)}"
    for key in NEEDED:
        if not isinstance(row[key], str):
            return f"{key} is {json.dumps(row[key], ensure_ascii=False)[:40]} and no text" + (
                ' (a line in which nothing was read has "")' if key == "text" else ""
            )
        if any("\ud800" <= sign <= "\udfff" for sign in row[key]):
            return f"{key} has half of a character (a lone surrogate)"
    return ""


def _decoded(file: GivenFile) -> str | Problem:
    """The text of a file; what to do where it is not UTF-8: a guess would change what is scored."""
    content = file.content.removeprefix(codecs.BOM_UTF8)
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in content
    try:
        if not wide:
            return content.decode("utf-8")
        where, why = file.name, "it looks like UTF-16" if content else ""
    except UnicodeDecodeError as error:
        where = f"{file.name}:{content.count(10, 0, error.start) + 1}"
        why = f"byte 0x{content[error.start]:02X}"
    return Problem(f"{where}: it is not UTF-8 ({why})", "save it as UTF-8", file.name)


def pages_of(form: str, file: GivenFile, choices: Choices) -> Iterator[GivenPage | Problem | Aside]:
    """Yield the pages of a file, and what is wrong with it.

    Args:
        form: one of `files.FORMS`.
        file: of that form.
        choices: by which the ground truth is read.
    """
    if form == FORMS[".xml"]:
        yield from read_xml(file, choices)
    else:
        yield from read_text(file) if form == FORMS[".txt"] else read_json_lines(file)
