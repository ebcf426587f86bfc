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
from htr_exp.groundtruth.model import GroundTruthPage
from htr_exp.scoring.other_systems.files import GivenFiles, read_files
from htr_exp.scoring.other_systems.forms import READERS, GivenPage
from htr_exp.scoring.other_systems.pairing import ORDER, SHOWN, Paired, pair

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


def read_predictions(path: Path, pages: Sequence[GroundTruthPage]) -> Predictions:
    """Read the predictions of a system.

    Args:
        path: a folder, or one file.
        pages: of the test.

    Raises:
        DatasetError: with everything that is wrong: files, pages, lines.
    """
    files = read_files(path)
    read = [one for file in files.files for one in READERS[files.form](file)]
    problems = [one for one in read if isinstance(one, Problem)]
    paired = pair([one for one in read if isinstance(one, GivenPage)], pages)
    problems += paired.problems
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
    return Predictions(content, _record(path, files, paired), tuple(_notes(paired, pages)))


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
