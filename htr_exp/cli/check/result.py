"""What a check found, in the shape that the terminal, the page, JUnit and JSON all show."""

from __future__ import annotations

import hashlib
import os
import posixpath
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from htr_exp.core.text import counted
from htr_exp.groundtruth.model import Dataset, GroundTruthPage, Problem, Severity
from htr_exp.groundtruth.problem_codes import CODES

SEVERITIES: dict[Severity, str] = {
    "error": "training will not start until these errors are corrected",
    "dropped": "left out and counted; the rest is used",
    "warning": "used as it is, and worth a look",
}
"""Severity -> what it means, the gravest first."""

_OF_REGIONS = ("region_without_type", "region_without_polygon", "duplicate_region_id")


@dataclass(frozen=True)
class KindFound:
    """All problems of one kind."""

    code: str
    severity: Severity
    problems: tuple[Problem, ...]

    @property
    def title(self) -> str:
        """What the kind is called, e.g. `lines without text`."""
        return CODES[self.code].title

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return CODES[self.code].remedy

    @cached_property
    def files(self) -> int:
        """Number of files that it occurs in."""
        return len({file for problem in self.problems for file in (problem.files or (problem.file,))})

    @cached_property
    def lines(self) -> int:
        """Number of lines (of regions, if it is about regions) that it is about; 0 if it is about files."""
        return sum(problem.count for problem in self.problems if problem.line is not None or problem.lines)

    @property
    def extent(self) -> str:
        """How much it is about, e.g. `12 lines in 3 files`."""
        files = counted(self.files, "file")
        return (
            f"{counted(self.lines, 'region' if self.code in _OF_REGIONS else 'line')} in {files}"
            if self.lines
            else files
        )


@dataclass(frozen=True)
class Section:
    """Something else to know of a dataset: sentences, or a table whose last row is the sum, or both."""

    title: str
    sentences: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    last: bool = False  # whether it comes after the problems: what was done about them


@dataclass(frozen=True)
class Checked:
    """A dataset that was examined, and what else was asked about it.

    Attributes:
        dataset: with its problems.
        name: of the dataset, as people know it.
        sections: what else there is to know, for people.
        facts: the same for programs, by its key in the JSON.
        refusals: why training refuses it, beside its errors.
        incomplete: whether something else that was asked for is left to correct.
    """

    dataset: Dataset
    name: str
    sections: tuple[Section, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)
    refusals: tuple[str, ...] = ()
    incomplete: bool = False

    @property
    def refused(self) -> bool:
        """Whether training refuses the dataset as it is."""
        return bool(self.dataset.errors or self.refusals)

    @cached_property
    def kinds(self) -> tuple[KindFound, ...]:
        """Each kind of problem once, the gravest first."""
        return kinds(self.dataset.problems)

    def of(self, severity: str) -> list[KindFound]:
        """The kinds of one severity."""
        return [kind for kind in self.kinds if kind.severity == severity]

    @property
    def verdict(self) -> str:
        """The whole in one sentence."""
        dataset = self.dataset
        if self.refused:
            number = len(dataset.errors) + len(self.refusals)
            return f"{counted(number, 'error')}: training will not start until these errors are corrected"
        if not dataset.problems:
            return "nothing is wrong with it"
        lines = sum(problem.count for problem in dataset.dropped if problem.line is not None)
        files = sum(problem.line is None for problem in dataset.dropped)
        said = [f"{counted(number, what)} left out" for number, what in ((lines, "line"), (files, "file")) if number]
        kinds_of_warnings = len(self.of("warning"))
        said += [f"{counted(kinds_of_warnings, 'kind')} of warnings"] * bool(kinds_of_warnings)
        return f"it can be used: no errors, {', '.join(said)}"

    def to_json(self) -> dict[str, Any]:
        """What `check --json` prints."""
        dataset = self.dataset
        return {
            "pages": len(dataset.pages),
            "lines": dataset.lines,
            "characters": dataset.characters,
            "digest": dataset.digest,
            "task": dataset.task.name,
            "read": dataset.read,
            "problems": [problem.to_json() for problem in dataset.problems],
            "kinds": [
                {
                    "code": kind.code,
                    "severity": kind.severity,
                    "title": kind.title,
                    "problems": len(kind.problems),
                    "files": kind.files,
                    "lines": kind.lines,
                    "remedy": kind.remedy,
                }
                for kind in self.kinds
            ],
            "files": [page_facts(page) for page in dataset.pages],
            **self.facts,
        }


def kinds(problems: Sequence[Problem]) -> tuple[KindFound, ...]:
    """Each kind of problem once, the gravest first."""
    found: dict[tuple[Severity, str], list[Problem]] = {}
    for problem in problems:
        found.setdefault((problem.severity, problem.code), []).append(problem)
    place = {code: number for number, code in enumerate(CODES)}
    gravity = list(SEVERITIES)
    ordered = sorted(found, key=lambda key: (gravity.index(key[0]), place[key[1]]))
    return tuple(KindFound(code, severity, tuple(found[severity, code])) for severity, code in ordered)


def page_facts(page: GroundTruthPage) -> dict[str, Any]:
    """The digests of a page and its lines, so that a later check can say what has changed."""
    return {
        "page": page.name,
        "image": posixpath.normpath(posixpath.join(posixpath.dirname(page.name), _beside(page))),
        "xml_digest": page.xml_digest,
        "image_digest": page.image_digest,
        "digest": page.digest,
        "lines": len(page.lines),
        "texts": {line.id: text_digest(line.text) for line in page.lines},
    }


def _beside(page: GroundTruthPage) -> str:
    """The path to a page's image from its XML."""
    return Path(os.path.relpath(page.image, page.xml.parent)).as_posix().encode("utf-8", "backslashreplace").decode()


def text_digest(text: str) -> str:
    """A short digest of a transcription, to see later whether it was changed."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
