"""Which line of the ground truth a prediction is of: it is never guessed."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath

from htr_exp.core.problem import Problem
from htr_exp.core.text import counted, first_of
from htr_exp.groundtruth.model import GroundTruthPage, Line
from htr_exp.groundtruth.xml import read_page
from htr_exp.scoring.other_systems.forms import GivenLine, GivenPage

IDS, ORDER = "ids", "order"
"""By what lines were paired."""

SHOWN = 5
"""Names in a sentence."""


@dataclass(frozen=True)
class TestPage:
    """A page of the test."""

    page: GroundTruthPage

    @cached_property
    def all_lines(self) -> Sequence[Line]:
        """The lines of its file, used or not; none where lines are pictures of their own."""
        return () if self.page.line_images else read_page(self.page.xml, self.page.choices).lines

    @cached_property
    def unused(self) -> set[str]:
        """The ids of the lines of its file that the ground truth leaves out."""
        used = {line.number for line in self.page.lines}
        return {line.id for number, line in enumerate(self.all_lines) if number not in used}


@dataclass
class Paired:
    """What was paired, and what is to be said of it."""

    texts: dict[str, list[str]] = field(default_factory=dict)  # page -> text of each of its lines
    by: Counter[str] = field(default_factory=Counter)  # how -> pages
    extra: list[str] = field(default_factory=list)  # pages that are not of the test
    left_out: int = 0  # lines that the ground truth does not use
    files: dict[str, str] = field(default_factory=dict)  # page -> file
    problems: list[Problem] = field(default_factory=list)


def pair(given: Iterable[GivenPage], pages: Sequence[GroundTruthPage]) -> Paired:
    """Pair predictions with the lines of the test pages.

    Args:
        given: the pages of the predictions.
        pages: of the test.
    """
    found, known = Paired(), _by_name(pages)
    of_page: dict[str, list[GivenPage]] = {}
    for one in given:
        match = _meant(one, known)
        if match is None:
            found.extra.append(one.names[0])
        elif isinstance(match, Problem):
            found.problems.append(match)
        else:
            of_page.setdefault(match.name, []).append(one)
    for page in pages:
        mine = of_page.get(page.name, [])
        if not mine:
            found.problems.append(_missing(page, found.extra))
        elif len(mine) > 1:
            files = " and ".join(sorted({one.file for one in mine}))
            what = f"{page.name}: its prediction is given {len(mine)} times, in {files}"
            found.problems.append(Problem(what, "leave one of them", page.name))
        else:
            found.files[page.name] = mine[0].file
            found.problems += _pair_lines(TestPage(page), mine[0], found)
    return found


def _missing(page: GroundTruthPage, extra: Sequence[str]) -> Problem:
    what = f"{page.name}: there is no prediction of this page"
    others = f" (there are {first_of(extra, SHOWN)}, which are not of the test)" if extra else ""
    stem = PurePosixPath(page.name).stem
    return Problem(what + others, f"name it {stem}, or leave the page out with dataset.exclude", page.name)


def _by_name(pages: Sequence[GroundTruthPage]) -> dict[str, dict[str, GroundTruthPage]]:
    """What a test page may be called -> the pages that are called so."""
    found: dict[str, dict[str, GroundTruthPage]] = {}
    for page in pages:
        name, image = PurePosixPath(page.name), page.image
        called = {page.name, str(name.with_suffix("")), name.name, name.stem}
        if not page.line_images:  # of line pairs the image is that of one line
            called |= {image.name, image.stem}
        for one in called:
            found.setdefault(_folded(one), {})[page.name] = page
    return found


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _meant(given: GivenPage, known: Mapping[str, Mapping[str, GroundTruthPage]]) -> GroundTruthPage | Problem | None:
    """The test page that a prediction is of; None if it is of none."""
    several: Mapping[str, GroundTruthPage] = {}
    for name in given.names:
        called = known.get(_folded(name), {})
        if len(called) == 1:
            return next(iter(called.values()))
        several = several or called
    if not several:
        return None
    what = f"{given.file}: {given.names[0]} may be {first_of(sorted(several), SHOWN)}"
    return Problem(what, "write the name of the page as split.json has it", given.file)


def _pair_lines(test: TestPage, given: GivenPage, found: Paired) -> Iterator[Problem]:
    """Pair the lines of one page, and yield why that cannot be done."""
    if any(line.id is None for line in given.lines):
        yield from _by_order(test, given, found)
    else:
        yield from _by_id(test, given, found)


def _by_id(test: TestPage, given: GivenPage, found: Paired) -> Iterator[Problem]:
    page = test.page
    by_id: dict[str, GivenLine] = {}
    wrong = False
    for line in given.lines:
        identifier = str(line.id)
        if identifier in by_id:
            wrong = True
            yield Problem(
                f"{line.where}: line {identifier} of {page.name} is given already in {by_id[identifier].where}",
                "leave one of them",
                line.where,
            )
        by_id.setdefault(identifier, line)
    wanted = [line.id for line in page.lines]
    for identifier in wanted:
        if identifier not in by_id:
            wrong = True
            what = f"{given.file}: line {identifier} of {page.name} is missing"
            yield Problem(what, "add it; a line in which nothing was read has an empty text", given.file)
    others = [line for name, line in by_id.items() if name not in set(wanted)]
    unknown = [line for line in others if line.id not in test.unused] if others else []
    for line in unknown:
        wrong = True
        what = f"{line.where}: {page.name} has no line {line.id}"
        yield Problem(what, "take it out, or give it the id of the line as the ground truth has it", line.where)
    if not wrong:
        found.left_out += len(others)
        found.by[IDS] += 1
        found.texts[page.name] = [by_id[identifier].text for identifier in wanted]


def _by_order(test: TestPage, given: GivenPage, found: Paired) -> Iterator[Problem]:
    """Pair lines by their places: as many as the ground truth uses, or as its file has."""
    page, count = test.page, len(given.lines)
    if count == len(page.lines):
        chosen = list(given.lines)
    elif count and count == len(test.all_lines):
        chosen = [given.lines[line.number] for line in page.lines]
    else:
        there = counted(len(page.lines), "line")
        if len(test.all_lines) > len(page.lines):
            there += f" that can be used (of {len(test.all_lines)} in its file)"
        what = f"{given.file}: it has {counted(count, 'line')}, and {page.name} has {there}"
        yield Problem(
            what, "write one line for each, in the order of its file; an empty one where nothing was read", given.file
        )
        return
    found.left_out += count - len(chosen)
    found.by[ORDER] += 1
    found.texts[page.name] = [line.text for line in chosen]
