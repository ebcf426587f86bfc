"""What ground truth is once it is read: pages of lines, and the problems found in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from htr_exp.core.errors import DatasetError
from htr_exp.core.files import digest_json
from htr_exp.core.task import RECOGNITION, Task
from htr_exp.core.text import counted
from htr_exp.groundtruth.choices import DEFAULT, Choices

Points = tuple[tuple[int, int], ...]
Severity = Literal["error", "dropped", "warning"]


class NotWellFormed(DatasetError):
    """A file that cannot be read as XML, or must not be (entities, size)."""


class NotGroundTruth(DatasetError):
    """XML that is neither PAGE nor ALTO with one page, in pixels."""


class Unplaceable(NotGroundTruth):
    """PAGE or ALTO whose lines cannot be placed on an image.

    Args:
        code: of the problem.
        said: the reason.
        pages: how many pages the file has.
        lines: the ids of their lines, empty where they have none.
    """

    def __init__(self, code: str, said: str, pages: int, lines: tuple[str, ...]) -> None:
        super().__init__(f"{said}: its {counted(len(lines), 'line')} cannot be used")
        self.code, self.pages, self.lines = code, pages, lines


@dataclass(frozen=True, slots=True)
class Region:
    """A zone of a page."""

    id: str
    type: str | None
    polygon: Points  # pixels; empty if the file gives none


@dataclass(frozen=True, slots=True)
class Line:
    """One written line. Points are (x, y) in pixels of the image, without immediate repetitions."""

    id: str
    baseline: Points
    polygon: Points
    text: str  # as in the file: not stripped, not normalised
    type: str | None
    region: str | None  # id of the nearest region around it
    others: tuple[str, ...] = ()  # what the file has for its text, too, and is not read


@dataclass(frozen=True, slots=True)
class UsedLine:
    """A line as splits, alphabets and statistics need it: without its shapes, which a large dataset has too many of."""

    number: int  # its place among the lines of its file, from 0
    id: str
    text: str  # as in the file: not stripped, not normalised
    type: str | None
    width: float  # length of the baseline, pixels
    height: float  # area of the polygon divided by that length, pixels; 0 without a polygon


Note = tuple[str, tuple[str, ...]]  # code of a warning, and the ids of lines or regions that it is about


@dataclass(frozen=True, slots=True)
class Page:
    """A PAGE or ALTO file as read: nothing dropped, no id checked."""

    format: Literal["page", "alto"]
    version: str
    image_name: str  # as in the file; empty if it names none
    width: int  # as in the file; 0 if it gives none
    height: int
    regions: tuple[Region, ...]
    lines: tuple[Line, ...]
    notes: tuple[Note, ...] = ()  # what the reader had to guess
    corrected: bool = False  # of some line the text that is read has the index 0
    guessed: tuple[int, ...] = ()  # the numbers of the lines where it has a higher one


@dataclass(frozen=True, slots=True)
class Problem:
    """Something to know about a dataset."""

    code: str
    severity: Severity
    file: str
    line: str | None
    message: str
    lines: tuple[str, ...] = ()  # ids, where it is about several lines of one file
    files: tuple[str, ...] = ()  # where it is about several files; `file` is the first

    @property
    def count(self) -> int:
        """Number of lines that it is about; 1 if it is about a file."""
        return len(self.lines) or 1

    def to_json(self) -> dict[str, Any]:
        """The problem as `check --json` prints it."""
        return {
            "code": self.code,
            "severity": self.severity,
            "file": self.file,
            "line": self.line,
            "message": self.message,
            "lines": list(self.lines),
            "files": list(self.files),
        }


@dataclass(frozen=True, slots=True)
class LineImage:
    """The picture of a line, where a line has one of its own."""

    name: str  # as reports give it
    path: Path
    digest: str  # SHA-256 of its bytes


@dataclass(frozen=True, slots=True)
class GroundTruthPage:
    """A page that can be used, with exactly the lines that are used.

    A page of line pairs has no file and no image of its own: `xml` is where its file would be, `image` that of its first
    line, width and height are the largest, and the digests are those of all its texts and pictures.
    """

    name: str  # relative to its dataset folder, `/` between parts; several folders: the folder's name first
    xml: Path
    image: Path
    xml_digest: str  # SHA-256 of the file's bytes
    image_digest: str
    width: int  # of the image as kraken 7 turns it, pixels
    height: int
    lines: tuple[UsedLine, ...]
    digest: str  # of what training sees, wherever the files are
    regions: tuple[str, ...] = ()  # the type of each region that has a shape; for segmentation
    choices: Choices = DEFAULT  # by which its text was read
    line_images: tuple[LineImage, ...] = ()  # of line pairs: that of each line


@dataclass(frozen=True)
class Dataset:
    """What one or several folders hold, and everything that is wrong with it."""

    pages: tuple[GroundTruthPage, ...]
    problems: tuple[Problem, ...]
    read: dict[str, int]  # pages and lines in the files, used or not
    task: Task = RECOGNITION
    excluded: tuple[str, ...] = ()  # pages that patterns leave out, but for other files of pages that are used
    choices: Choices = DEFAULT  # by which its texts were read

    @property
    def of_line_pairs(self) -> bool:
        """Whether its lines are pictures and texts of their own."""
        return any(page.line_images for page in self.pages)

    def _of(self, severity: Severity) -> tuple[Problem, ...]:
        return tuple(problem for problem in self.problems if problem.severity == severity)

    @property
    def errors(self) -> tuple[Problem, ...]:
        """What must be corrected before a run."""
        return self._of("error")

    @property
    def dropped(self) -> tuple[Problem, ...]:
        """What is left out, each with its reason."""
        return self._of("dropped")

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What is used and worth a look."""
        return self._of("warning")

    def used(self) -> Iterator[UsedLine]:
        """Yield the lines of all pages."""
        for page in self.pages:
            yield from page.lines

    @property
    def lines(self) -> int:
        """Number of lines used."""
        return sum(len(page.lines) for page in self.pages)

    @property
    def characters(self) -> int:
        """Code points of the raw text of the lines used, as kraken's alphabet counts them."""
        return sum(len(line.text) for line in self.used())

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the bytes of the XML and the image of each page used, and what decides on its lines: task, choices.

        Names, folders and order do not matter.
        """
        files = sorted((page.xml_digest, page.image_digest) for page in self.pages)
        return digest_json({"task": self.task.name, "choices": asdict(self.choices), "files": files})
