"""Writes a clean copy of ground truth: what can be corrected without looking at the page is corrected, and every change listed.

The copy is written by the writer that stages pages for kraken, so that every release reads from it what is counted.
What only an eye can judge (the normal form, private characters, misplaced lines) stays as it is.
"""

from __future__ import annotations

import csv
import errno
import hashlib
import io
import os
import posixpath
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from unicodedata import normalize

from lxml import etree

from htr_exp.core.errors import DatasetError
from htr_exp.core.files import beside
from htr_exp.core.task import Task
from htr_exp.core.text import counted
from htr_exp.groundtruth import line_rules, page_scan, text_checks, xml_for_kraken
from htr_exp.groundtruth import xml as groundtruth_xml
from htr_exp.groundtruth.examine import examine_folders
from htr_exp.groundtruth.file_tree import shown
from htr_exp.groundtruth.image_header import look_at
from htr_exp.groundtruth.model import Dataset, Line, NotGroundTruth, NotWellFormed, Page
from htr_exp.groundtruth.paths import Located
from htr_exp.groundtruth.problem_codes import CODES
from htr_exp.groundtruth.usable_image import unusable
from htr_exp.groundtruth.xml import open_regular, page_of, parse, read_page, wrapping

LIST = "changes.csv"
"""The file of a copy that lists every change."""

_AFTER = "page 2019-07-15"
# What a copy holds, and what says it in other words; everything else in a file is not carried over.
_CARRIED = {
    "PcGts", "Page", "TextLine", "Coords", "Baseline", "TextEquiv", "Unicode", "TableCell", "Point",
    "alto", "Description", "MeasurementUnit", "sourceImageInformation", "fileName", "Layout", "PrintSpace", "Tags",
    "OtherTag", "StructureTag", "LayoutTag", "TextBlock", "Illustration", "GraphicalElement", "ComposedBlock",
    "TopMargin", "LeftMargin", "RightMargin", "BottomMargin", "Shape", "Polygon", "String", "SP", "HYP",
}  # fmt: skip
_LEFT_OUT = ("not_well_formed", "not_ground_truth", "unit_not_pixel", "several_pages", "image_missing", "image_outside",
             "image_not_fetched", "image_unreadable",
             "page_without_text", "hidden_file", "line_pairs", "image_without_xml",
             "image_derived")  # fmt: skip

_MADE = {
    "text_not_first": "another transcription stands first",
    "text_from_words": "in words only",
    "text_without_blanks": "words without blanks between them",
    "text_with_hyphen": "the hyphen by itself, in <HYP>",
}
"""How the text of a line stands in the original, where the copy has it otherwise; by the code of its note."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that the copy has otherwise than the original."""

    file: str  # as the check names it
    line: str  # id in the original; empty if it is about the file
    change: str  # what is changed: text, id, image, format, `line left out`, `file left out` ...
    before: str
    after: str


@dataclass(frozen=True)
class Fixed:
    """A clean copy."""

    folder: Path
    pages: int
    lines: int
    characters: int
    digest: str
    changes: tuple[Change, ...]

    @property
    def counts(self) -> dict[str, int]:
        """Number of changes of each sort."""
        return dict(Counter(change.change for change in self.changes))

    def to_json(self) -> dict[str, Any]:
        """As `check --json` prints it."""
        return {
            "folder": str(self.folder),
            "pages": self.pages,
            "lines": self.lines,
            "characters": self.characters,
            "digest": self.digest,
            "changes": [asdict(change) for change in self.changes],
        }


@dataclass(frozen=True)
class _Source:
    """An XML file of the original and its image."""

    label: str
    xml: Path
    xml_digest: str | None  # as it was examined; None: it was not taken then
    image: Path
    image_digest: str
    size: tuple[int, int]  # of the image, pixels


@dataclass(frozen=True)
class _Sheet:
    """A page of the original as the copy will hold it."""

    page: Page
    lines: tuple[Line, ...]
    changes: tuple[Change, ...]


def write_copy(folders: Sequence[Path], dataset: Dataset, out: Path) -> Fixed:
    """Write a clean copy of a dataset into a new folder; it appears there whole, or not at all.

    Args:
        folders: of the dataset, as they were examined.
        dataset: what was found there.
        out: the folder to be made.

    Raises:
        DatasetError: `out` cannot be that folder, nothing of the dataset can be used, a file has changed since it was
            examined, or the copy cannot be written.
    """
    refuse(folders, out)
    if dataset.of_line_pairs:
        raise DatasetError("line pairs have no clean copy: it is made of PAGE and ALTO; correct the texts themselves")
    sources, changes = _chosen(Located(folders), dataset)
    if not sources:
        reasons = Counter(problem.code for problem in dataset.problems if problem.severity != "warning")
        raise DatasetError(
            f"nothing can be written to {out}: no page can be used",
            [f"{CODES[code].title} ({number}): {CODES[code].remedy}" for code, number in reasons.items()],
        )
    changes += [
        Change(file, "", "file left out", CODES[problem.code].title, "")
        for problem in dataset.problems
        if problem.code in _LEFT_OUT
        for file in problem.files or (problem.file,)
    ]
    try:
        return _write(sources, changes, dataset, out)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        reason = "the disk or the quota is full" if full else error.strerror or str(error)
        raise DatasetError(f"the copy cannot be written to {out}: {reason}; nothing was left there") from None


def refuse(folders: Sequence[Path], out: Path) -> None:
    """Refuse a folder that would mix the copy with the originals, or with anything else.

    Raises:
        DatasetError: why.
    """
    target = Path(os.path.realpath(out))
    for folder in folders:
        source = Path(os.path.realpath(folder))
        if target == source or target.is_relative_to(source) or source.is_relative_to(target):
            raise DatasetError(f"{out} lies in or around {folder}, which is not to be changed: name another folder")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        kind = "has files in it" if target.is_dir() else "is a file"
        raise DatasetError(f"{out} {kind}: name a folder that does not exist yet")


def _chosen(located: Located, dataset: Dataset) -> tuple[list[_Source], list[Change]]:
    """The files of the copy, one for each image, and which of several XML files of an image were not taken."""
    of_image: dict[Path, list[_Source]] = {}
    for page in dataset.pages:
        size = page.width, page.height
        source = _Source(page.name, page.xml, page.xml_digest, page.image, page.image_digest, size)
        of_image.setdefault(page.image, []).append(source)
    for problem in dataset.problems:
        if problem.code == "image_claimed_twice" and (double := _double(located, problem.file)) is not None:
            of_image.setdefault(double.image, []).append(double)
    taken: list[_Source] = []
    changes = []
    for image, sources in of_image.items():
        if len(sources) == 1 and sources[0].xml_digest is not None:
            taken += sources
            continue
        ranked = sorted((_rank(source, dataset), number) for number, source in enumerate(sources))
        (most, *_), first = ranked[0]
        best = sources[first]
        if not most and not dataset.task.learns_layout:
            continue
        taken.append(best)
        for (fewer, *_), number in ranked[1:]:
            why = f"another XML file of {shown(image.name)}, with {-fewer} lines that can be used"
            said = f"{best.label} is kept, with {-most}"
            changes.append(Change(sources[number].label, "", "file left out", why, said))
    return sorted(taken, key=lambda source: source.label), changes


def _rank(source: _Source, dataset: Dataset) -> tuple[int, bool, bool, str]:
    """Order the XML files of one image: most lines, then the image's name, then PAGE, then the first name."""
    sheet = _sheet(source, dataset)
    return -len(sheet.lines), source.xml.stem != source.image.stem, sheet.page.format != "page", source.label


def _double(located: Located, label: str) -> _Source | None:
    """A page whose image an earlier one describes too; None if it cannot be used."""
    xml = located.file(label)
    if xml is None:
        return None
    try:
        image = located.image(label, read_page(xml).image_name)
    except (NotWellFormed, NotGroundTruth):
        return None
    if image is None:
        return None
    seen = look_at(str(image))
    if isinstance(seen, str) or unusable(seen, image):
        return None
    return _Source(label, xml, None, image, seen.sha256, (seen.width, seen.height))


def _sheet(source: _Source, dataset: Dataset) -> _Sheet:
    """Read a page and correct it.

    Raises:
        DatasetError: it has changed since it was examined.
    """
    content = groundtruth_xml.content(source.xml)
    if source.xml_digest is not None and hashlib.sha256(content).hexdigest() != source.xml_digest:
        raise DatasetError(f"{source.xml} has changed since it was read a moment ago: start again once it is at rest")
    root = parse(content)
    page = page_of(root, dataset.choices)
    lines: list[Line] = []
    changes = [Change(source.label, "", *values) for values in _of_file(page, content, root)]
    for line, corrected, said in _corrected(page, dataset.task, source.size):
        changes += [Change(source.label, line.id, *values) for values in said]
        lines += [corrected] if corrected is not None else []
    return _Sheet(page, tuple(lines), tuple(changes))


def _of_file(page: Page, content: bytes, root: etree._Element) -> Iterator[tuple[str, str, str]]:
    """Yield what changes of a file as a whole: what, before, after."""
    was = f"{page.format} {page.version}".strip()
    if was != _AFTER:
        yield "format", was, _AFTER
    for code in wrapping(content, root):
        yield {"byte_order_mark": "byte order mark", "doctype": "DOCTYPE"}[code], "there", ""
    dropped: Counter[str] = Counter()
    decimals = repeated = 0
    waiting = [root]
    while waiting:
        element = waiting.pop()
        name = etree.QName(element).localname
        if name not in _CARRIED and not name.endswith("Region"):
            dropped[name] += 1
            continue  # with all that it holds
        waiting += element.iterchildren(etree.Element)
        for key in ("points", "POINTS", "BASELINE"):
            if value := element.get(key):
                words = value.replace(",", " ").split()
                decimals += "." in value
                repeated += any(words[n : n + 2] == words[n + 2 : n + 4] for n in range(0, len(words) - 3, 2))
    if dropped:
        yield "not carried over", ", ".join(f"{name} {number}" for name, number in dropped.most_common()), ""
    if decimals:
        yield "coordinates", f"decimals ({counted(decimals, 'time')})", "whole pixels"
    if repeated:
        yield "coordinates", f"a point twice in a row ({counted(repeated, 'time')})", "once"
    kinds = {region.id: region.type or "" for region in page.regions}
    for code, ids in page.notes:
        for identifier in ids:
            if code == "duplicate_region_id":
                yield "region id", identifier, "an id of its own"
            elif code == "region_without_type":
                yield "region type", "", f"{kinds.get(identifier, 'text')} ({identifier or 'without an id'})"
    if not (page.width and page.height):
        yield "size", "none", "that of the image"


def _corrected(
    page: Page, task: Task, size: tuple[int, int]
) -> Iterator[tuple[Line, Line | None, list[tuple[str, str, str]]]]:
    """Yield each line as it is, as it will be (None: left out), and what changes: what, before, after."""
    named = page_scan.identified(page.lines)
    taken = {line.id for line in named}
    kept: set[str] = set()
    made = {identifier: _MADE[code] for code, ids in page.notes if code in _MADE for identifier in ids}
    for original, line in zip(page.lines, named, strict=True):
        reason = line_rules.fault(line, task) or line_rules.outside(page_scan.extent(line, task), *size, task)
        text = text_checks.tidy(line.text)
        if reason is None and not text and task.reads_text:
            reason = "line_without_text", "its text has invisible characters only"
        if reason is not None:
            yield line, None, [("line left out", reason[1], "")]
            continue
        changes = [("text not carried over", other, text) for other in line.others]
        if said := made.get(original.id):
            changes.append(("text", said, text))
        identifier = _free(line.id, taken) if line.id in kept else line.id
        taken.add(identifier)
        kept.add(identifier)
        if identifier != original.id:
            changes.append(("id", original.id, identifier))
        if text != line.text:
            changes.append(("text", line.text, text))
        yield line, replace(line, id=identifier, text=text), changes


def _free(identifier: str, taken: set[str]) -> str:
    number = 2
    while f"{identifier}_{number}" in taken:
        number += 1
    return f"{identifier}_{number}"


class _Names:
    """Names of the copy, no two of which are one file on a system that ignores case or normal form."""

    def __init__(self) -> None:
        self._taken: set[str] = {LIST}

    def free(self, name: str) -> str:
        """The name, with a number if it was given before."""
        stem, ending = posixpath.splitext(name)
        number, found = 1, name
        while normalize("NFC", found).casefold() in self._taken:
            number += 1
            found = f"{stem}-{number}{ending}"
        self._taken.add(normalize("NFC", found).casefold())
        return found


def _write(sources: Sequence[_Source], changes: list[Change], dataset: Dataset, out: Path) -> Fixed:
    """Write the copy aside, examine it, and give it its name."""
    task = dataset.task
    out.parent.mkdir(parents=True, exist_ok=True)
    target = Path(os.path.realpath(out))
    aside = beside(target)
    aside.mkdir()
    try:
        names = _Names()
        pages = lines = 0
        for source in sources:  # one at a time: the shapes of a large dataset do not fit into memory
            sheet = _sheet(source, dataset)
            if not sheet.lines and not (task.learns_layout and sheet.page.regions):
                changes.append(Change(source.label, "", "file left out", "no line of it is left", ""))
                continue
            changes += [*sheet.changes, *_put(source, sheet, aside, names)]
            pages, lines = pages + 1, lines + len(sheet.lines)
        changes.sort(key=lambda change: change.file)
        (aside / LIST).write_bytes(_table(changes))
        copy = examine_folders([aside], task=task)
        _prove(copy, pages, lines)
        _settle(aside)
        os.replace(aside, target)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    return Fixed(out, len(copy.pages), copy.lines, copy.characters, copy.digest, tuple(changes))


def _put(source: _Source, sheet: _Sheet, folder: Path, names: _Names) -> Iterator[Change]:
    """Write one page and its image, and yield what is called otherwise."""
    below, bare = posixpath.split(source.label)
    wanted = bare if bare.endswith(".xml") else f"{bare}.xml"
    xml = names.free(posixpath.join(below, wanted))
    image = names.free(posixpath.join(below, source.image.name))
    if xml != source.label:
        yield Change(source.label, "", "file name", source.label, xml)
    named = posixpath.basename(image)
    if named != sheet.page.image_name:
        yield Change(source.label, "", "image", sheet.page.image_name, named)
    width, height = sheet.page.width or source.size[0], sheet.page.height or source.size[1]
    (folder / below).mkdir(parents=True, exist_ok=True)
    (folder / xml).write_bytes(xml_for_kraken.page_xml(named, width, height, sheet.page.regions, sheet.lines))
    digest = hashlib.sha256()
    with open(source.image, "rb", opener=open_regular) as original, open(folder / image, "wb") as copy:
        while block := original.read(1 << 20):
            digest.update(block)
            copy.write(block)
    if digest.hexdigest() != source.image_digest:
        raise DatasetError(f"{source.image} has changed since it was read a moment ago: start again once it is at rest")


def _table(changes: Sequence[Change]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["file", "line", "change", "before", "after"])
    writer.writerows([change.file, change.line, change.change, change.before, change.after] for change in changes)
    return out.getvalue().encode("utf-8", "backslashreplace")


def _prove(copy: Dataset, pages: int, lines: int) -> None:
    """Make sure that the copy holds exactly what was to be written, with nothing left to drop."""
    wrong = [f"{problem.file}: {problem.message}" for problem in (*copy.errors, *copy.dropped)]
    if wrong or (len(copy.pages), copy.lines) != (pages, lines):
        found = f"{counted(len(copy.pages), 'page')}, {counted(copy.lines, 'line')} instead of {pages} and {lines}"
        raise DatasetError(f"the copy does not read back as it was written ({found}): nothing was left there", wrong)


def _settle(folder: Path) -> None:
    """Have the disk hold every file before the folder gets its name: after a power cut a copy is whole, or not there."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
