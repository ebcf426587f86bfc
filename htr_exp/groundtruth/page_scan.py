"""One file of ground truth on its own: what it says, with its shapes measured and forgotten, and all doubts about it.

Nothing here depends on the image or on other files, so that it is found once and remembered as long as the file stays.
"""

from __future__ import annotations

import hashlib
import json
import struct
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

from htr_exp.core.task import Task, task_of
from htr_exp.groundtruth import geometry, text_checks, xml
from htr_exp.groundtruth.as_kraken.readings import RELEASES, Reading, by_release
from htr_exp.groundtruth.choices import DEFAULT, Choices
from htr_exp.groundtruth.line_rules import RULES, Box, Fault, cut_by, fault, shapeless
from htr_exp.groundtruth.model import (
    Line,
    Note,
    NotGroundTruth,
    NotWellFormed,
    Page,
    Points,
    Region,
    Unplaceable,
    UsedLine,
)

FORM = 6
"""Of what is remembered; raise it whenever a field or a rule changes."""

MOST_CROSSING = 400
"""Points of a region that crosses itself: scoring takes its parts, and for 800 points at random that takes seconds."""

_NOWHERE: Box = (1, 1, 0, 0)

OtherReading = tuple[str, int | None, list[str], list[int]]
"""A release of kraken, the lines that it reads of a file itself if they lie on the image (None: it loses the file), what
there is to say, and the numbers of the lines that it takes and we do not."""

DIGEST_LENGTH = 32  # hexadecimal digits


@dataclass(slots=True)
class PageFile:
    """What is kept of one XML file."""

    task: Task
    digest: str = ""  # SHA-256 of its bytes
    refused: tuple[str, str] | None = None  # code and message, where it is no page
    lost_pages: int = 0  # of a file that was refused though it has pages
    lost_lines: list[str] = field(default_factory=list)  # their ids
    image_name: str = ""  # as in the file
    width: int = 0  # as in the file; 0 if it gives none
    height: int = 0
    lines: list[UsedLine] = field(default_factory=list)  # all of them, each with an id
    line_digests: str = ""  # of all lines, `DIGEST_LENGTH` characters each
    extents: array[int] = field(default_factory=lambda: array("l"))  # of all lines, four numbers each, as in `Box`
    faults: dict[int, Fault] = field(default_factory=dict)  # by the line's number
    regions: list[str] = field(default_factory=list)  # digests; for segmentation
    region_types: list[str] = field(default_factory=list)  # of those that have a shape; for segmentation
    notes: list[Note] = field(default_factory=list)
    forms: dict[str, list[str]] = field(default_factory=dict)  # Unicode normal form -> ids
    corrected: bool = False  # of some line that can be used the text has the index 0; for recognition
    guessed: list[str] = field(default_factory=list)  # ids of those where it has a higher one
    pictures: list[str] = field(default_factory=list)  # what programs made of the image (AlternativeImage)
    kraken: list[OtherReading] = field(default_factory=list)  # where a release reads other lines than can be used

    def box(self, line: UsedLine) -> Box | None:
        """The extent of a line of this file; None if it has no points."""
        x0, y0, x1, y1 = self.extents[4 * line.number : 4 * line.number + 4]
        return (x0, y0, x1, y1) if x0 <= x1 else None

    @property
    def usable(self) -> int:
        """How many of its lines can be used, whatever its image; or regions, if none can."""
        return len(self.lines) - len(self.faults) or len(self.region_types)

    def line_digest(self, line: UsedLine) -> str:
        """The digest of what training sees of a line of this file."""
        return self.line_digests[DIGEST_LENGTH * line.number : DIGEST_LENGTH * (line.number + 1)]

    def to_json(self) -> dict[str, Any]:
        """As JSON holds it."""
        values = {name: getattr(self, name) for name in self.__slots__}
        lines = [(line.number, line.id, line.text, line.type, line.width, line.height) for line in self.lines]
        return values | {"task": self.task.name, "lines": lines, "extents": list(self.extents)}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> PageFile:
        """Read what `to_json` wrote.

        Raises:
            TypeError, ValueError, KeyError, AttributeError: it did not.
        """
        made = cls(**values)
        made.task = task_of(values["task"])
        made.refused = (made.refused[0], made.refused[1]) if made.refused else None
        made.lines = [UsedLine(*line) for line in values["lines"]]
        made.extents = array("l", values["extents"])
        made.faults = {int(number): (code, said) for number, (code, said) in made.faults.items()}
        made.kraken = [(release, lines, notes, kept) for release, lines, notes, kept in made.kraken]
        made.notes = [(code, tuple(ids)) for code, ids in made.notes]
        return made


def look_into(path: str, task: Task, choices: Choices = DEFAULT) -> PageFile:
    """Read one file and examine it on its own; one that is no page says why in `refused`."""
    try:
        content = xml.content(Path(path))
    except NotWellFormed as error:
        return PageFile(task, refused=("not_well_formed", error.headline))
    found = PageFile(task, digest=hashlib.sha256(content).hexdigest())
    try:
        root = xml.parse(content)
        page = xml.page_of(root, choices)
    except NotWellFormed as error:
        found.refused = "not_well_formed", error.headline
        return found
    except Unplaceable as error:
        found.image_name = xml.image_name_of(root)
        found.refused, found.lost_pages, found.lost_lines = (error.code, error.headline), error.pages, list(error.lines)
        return found
    except NotGroundTruth as error:
        found.refused = "not_ground_truth", error.headline
        return found
    found.notes += [(code, ()) for code in xml.wrapping(content, root)]
    found.pictures = [name for one in root.iter("{*}AlternativeImage") if (name := one.get("filename"))]
    _examine(found, page)
    if task.reads_text:
        uncut = _uncut(found, page)
        found.kraken = list(_otherwise(by_release(root, page, uncut=uncut), found, uncut))
    return found


def _uncut(found: PageFile, page: Page) -> dict[str, list[int]]:
    """The numbers of the lines whose shape each release of kraken cannot cut out, of those that are no use to us."""
    odd = _misshapen(found)
    return {release: [number for number in odd if not cut_by(page.lines[number], release)] for release in RELEASES}


def _misshapen(found: PageFile) -> list[int]:
    """The numbers of the lines that have all that is needed, but in a shape that is no use."""
    return [number for number, (code, _) in found.faults.items() if code in ("line_too_small", "line_turns_back")]


def _otherwise(readings: dict[str, Reading], found: PageFile, uncut: dict[str, list[int]]) -> Iterator[OtherReading]:
    """Yield what each release of kraken would make of a file, where that is not what can be used of it."""
    usable = len({line.id for line in found.lines if line.number not in found.faults})
    for release, reading in readings.items():
        if reading.lines != usable:
            kept = [number for number in _misshapen(found) if number not in uncut[release]]
            yield release, reading.lines, list(reading.notes), kept


def _examine(found: PageFile, page: Page) -> None:
    task = found.task
    found.image_name, found.width, found.height = page.image_name, page.width, page.height
    found.notes += page.notes
    if nameless := tuple(f"line_{number}" for number, line in enumerate(page.lines, 1) if not line.id):
        found.notes.append(("line_without_id", nameless))
    lines = identified(page.lines)
    areas, crossing = geometry.polygons(lines)
    digests = []
    for number, line in enumerate(lines):
        length = geometry.length(line.baseline)
        height = areas[number] / length if length else 0.0
        found.lines.append(UsedLine(number, line.id, line.text, line.type, round(length, 1), round(height, 1)))
        digests.append(_line_digest(line, task))
        found.extents.extend(extent(line, task) or _NOWHERE)
        if reason := fault(line, task):
            found.faults[number] = reason
    found.line_digests = "".join(digests)
    sound = [line for number, line in enumerate(lines) if number not in found.faults]
    if untyped := tuple(line.id for line in sound if not line.type):
        found.notes.append(("line_without_type", untyped))
    if backwards := geometry.right_to_left(sound):
        found.notes.append(("baseline_right_to_left", tuple(backwards)))
    if crossed := tuple(lines[number].id for number in crossing if number not in found.faults):
        found.notes.append(("polygon_crosses_itself", crossed))
    if task.reads_text:
        found.notes += text_checks.oddities(sound)
        found.forms = text_checks.forms(sound)
        found.corrected = page.corrected
        found.guessed = [lines[number].id for number in page.guessed if number not in found.faults]
    if task.learns_layout:
        found.regions = [_region_digest(region) for region in page.regions]
        found.region_types = [region.type or "" for region in page.regions if not shapeless(region.polygon)]
        if endless := geometry.crossing([region.polygon for region in page.regions], MOST_CROSSING):
            found.notes.append(("too_many_points", tuple(page.regions[number].id for number in endless)))
        if flat := tuple(region.id for region in page.regions if shapeless(region.polygon)):
            found.notes.append(("region_without_polygon", flat))


def identified(lines: Sequence[Line]) -> Sequence[Line]:
    """Give `line_N` to lines without an id, which kraken 7 would take for one and the same line."""
    if all(line.id for line in lines):
        return lines
    taken = {line.id for line in lines}
    named = []
    for number, line in enumerate(lines, 1):
        if not line.id:
            identifier = f"line_{number}"
            while identifier in taken:
                identifier += "_"
            taken.add(identifier)
            line = replace(line, id=identifier)
        named.append(line)
    return named


def extent(line: Line, task: Task) -> Box | None:
    """The extent of the points of a line that the task needs; None if it has none."""
    points = RULES[task].points(line)
    if not points:
        return None
    xs, ys = zip(*points, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def _line_digest(line: Line, task: Task) -> str:
    words = [line.id, line.text if task.reads_text else "", line.type]
    return _digest(words, (line.baseline, line.polygon))


def _region_digest(region: Region) -> str:
    return _digest([region.type], (region.polygon,))


def _digest(words: Sequence[str | None], shapes: Sequence[Points]) -> str:
    head = [words, [len(shape) for shape in shapes]]
    digest = hashlib.blake2b(
        json.dumps(head, ensure_ascii=False).encode("utf-8", "surrogatepass"), digest_size=DIGEST_LENGTH // 2
    )
    numbers = [*chain.from_iterable(chain.from_iterable(shapes))]
    digest.update(struct.pack(f"<{len(numbers)}q", *numbers))
    return digest.hexdigest()
