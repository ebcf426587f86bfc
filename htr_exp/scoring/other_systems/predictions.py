"""The predictions of another system, read whole and paired with the test pages, or refused with everything that is wrong."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from htr_exp.core.errors import DatasetError
from htr_exp.core.files import sha256_bytes
from htr_exp.core.problem import Problem
from htr_exp.core.text import and_more, counted, first_of
from htr_exp.groundtruth.choices import DEFAULT
from htr_exp.groundtruth.model import GroundTruthPage
from htr_exp.scoring.other_systems.files import GivenFiles, read_files
from htr_exp.scoring.other_systems.forms import Aside, GivenPage, pages_of
from htr_exp.scoring.other_systems.pairing import BASELINES, BOXES, ORDER, SHOWN, Paired, pair

PROBLEMS = 30
"""That are shown; the first ones stand for the others."""

IDENTICAL = (
    "every line is as in the ground truth, letter by letter: these predictions are the ground truth, or were corrected by hand; "
    "no system reads without one error"
)
"""What is said of predictions without any error."""


@dataclass(frozen=True)
class Predictions:
    """What a system read on the test pages.

    Attributes:
        content: a JSON line for each line of the test pages, in the order of pages and lines: what is scored.
        record: what provenance.json says of it.
        notes: what to know before it is scored.
    """

    content: bytes
    record: dict[str, Any]
    notes: tuple[str, ...]

    @property
    def shown(self) -> str:
        """In what it was given, in words."""
        return f"{self.record['form']}, {counted(len(self.record['files']), 'file')}"

    @property
    def sha256(self) -> str:
        """The digest of what is scored: the same whatever the form in which it was given."""
        return sha256_bytes(self.content)


def read_predictions(path: Path, pages: Sequence[GroundTruthPage], cache: Path) -> Predictions:
    """Read the predictions of a system.

    Args:
        path: a folder, a zip, or one file.
        pages: of the test.
        cache: folder in which zips are unpacked.

    Raises:
        DatasetError: with everything that is wrong: files, pages, lines.
    """
    files = read_files(path, cache)
    choices = pages[0].choices if pages else DEFAULT
    read = [one for file in files.files for one in pages_of(files.form, file, choices)]
    problems = [one for one in read if isinstance(one, Problem)]
    paired = pair([one for one in read if isinstance(one, GivenPage)], pages)
    problems += paired.problems
    problems += _ground_truth_itself(files, paired, pages)
    if not problems and not any(text.strip() for texts in paired.texts.values() for text in texts):
        problems.append(Problem("no line has a text", "export what was read, too, and not the lines alone"))
    if problems:
        more = list(filter(None, [and_more(len(problems) - PROBLEMS, "problems")]))
        raise DatasetError("the predictions cannot be scored:", [*problems[:PROBLEMS], *more])
    ordered = sorted(pages, key=lambda page: page.name)
    rows = [
        {"page": page.name, "line": line.id, "text": text}
        for page in ordered
        for line, text in zip(page.lines, paired.texts[page.name], strict=True)
    ]
    content = "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows).encode()
    aside = [one.file for one in read if isinstance(one, Aside)]
    notes = [*_aside(aside), *_notes(paired, pages)]
    return Predictions(content, _record(path, files, paired), tuple(notes))


def _aside(files: Sequence[str]) -> list[str]:
    what = counted(len(files), "XML file")
    return [f"predictions: {what} neither PAGE nor ALTO, left aside: {first_of(files, SHOWN)}"] * bool(files)


def _ground_truth_itself(files: GivenFiles, paired: Paired, pages: Sequence[GroundTruthPage]) -> list[Problem]:
    """That the files of all pages are those of the ground truth: nobody has read anything then."""
    of = {file.name: file.sha256 for file in files.files}
    same = [page.name for page in pages if of.get(paired.files.get(page.name, "")) == page.xml_digest]
    if not pages or len(same) < len(pages):
        return []
    what = "the predictions are the ground truth itself: all files have the bytes of its files"
    return [Problem(what, "name the folder into which the system wrote what it read")]


def _record(path: Path, files: GivenFiles, paired: Paired) -> dict[str, Any]:
    of = {file.name: file.sha256 for file in files.files}
    return {
        "given": path.name,
        "form": files.form,
        "digest": files.digest,
        "files": {name: of[name] for name in sorted(set(paired.files.values()))},
        "paired_by": dict(paired.by),
        "extra_pages": sorted(paired.extra),
        "lines_left_out": paired.left_out,
    }


def _notes(paired: Paired, pages: Sequence[GroundTruthPage]) -> list[str]:
    notes = []
    if paired.extra:
        what = counted(len(paired.extra), "page")
        notes.append(f"predictions: {what} not of the test left out: {first_of(sorted(paired.extra), SHOWN)}")
    if paired.left_out:
        what = counted(paired.left_out, "line")
        notes.append(f"predictions: {what} left out that the ground truth does not use, for example for want of text")
    if elsewhere := paired.by[BASELINES] + paired.by[BOXES]:
        notes.append(
            f"predictions: on {counted(elsewhere, 'page')} lines were paired by their baselines or boxes, which are those of the "
            "ground truth; their ids are others"
        )
    if by_order := paired.by[ORDER]:
        notes.append(
            f"predictions: on {counted(by_order, 'page')} lines were paired by their order alone, the first with the first: "
            "where the system has another order of lines, its errors are too many"
        )
    empty = [page.name for page in pages if not any(text.strip() for text in paired.texts[page.name])]
    if empty:
        notes.append(f"predictions: nothing was read on {counted(len(empty), 'page')}: {first_of(empty, SHOWN)}")
    if all(line.text == text for page in pages for line, text in zip(page.lines, paired.texts[page.name])):
        notes.append(f"predictions: {IDENTICAL}")
    return notes
