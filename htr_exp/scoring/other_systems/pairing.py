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
from htr_exp.groundtruth.model import GroundTruthPage, Line, Points
from htr_exp.groundtruth.xml import read_page
from htr_exp.scoring.other_systems.forms import GivenLine, GivenPage, box_of

IDS, BASELINES, BOXES, ORDER = "ids", "baselines", "boxes", "order"
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
            found.problems.append(_missing(page, found.extra, known))
        elif len(mine) > 1:
            files = " and ".join(sorted({one.file for one in mine}))
            what = f"{page.name}: its prediction is given {len(mine)} times, in {files}"
            found.problems.append(Problem(what, "leave one of them", page.name))
        else:
            found.files[page.name] = mine[0].file
            found.problems += _pair_lines(TestPage(page), mine[0], found)
    return found


def _missing(
    page: GroundTruthPage, extra: Sequence[str], known: Mapping[str, Mapping[str, GroundTruthPage]]
) -> Problem:
    what = f"{page.name}: there is no prediction of this page"
    others = f" (there are {first_of(extra, SHOWN)}, which are not of the test)" if extra else ""
    whole = PurePosixPath(page.name).with_suffix("")
    name = whole.name if len(known[_folded(whole.name)]) == 1 else whole  # pages of two folders may be called alike
    return Problem(what + others, f"name it {name}, or leave the page out with dataset.exclude", page.name)


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
    if given.has_shapes:
        yield from _of_xml(test, given, found)
    elif any(line.id is None for line in given.lines):
        yield from _by_order(test, given, found)
    else:
        yield from _by_id(test, given, found)


def _of_xml(test: TestPage, given: GivenPage, found: Paired) -> Iterator[Problem]:
    """Pair lines by ids, unless their places on the image say otherwise; without ids of ours by places; else by order.

    By order alone lines are paired where no id is one of the ground truth's, and the counts agree.
    """
    page = test.page
    by_id = {line.id: line for line in given.lines if line.id}
    named = [by_id.get(line.id) for line in page.lines]
    how, placed = _at_same_places(test, given)
    if placed is not None and placed != named:
        others = [line for line in given.lines if line not in placed]
        unknown = [line for line in others if not _is_unused(test, line)]
        if unknown:
            what = f"{given.file}: it has {counted(len(unknown), 'line')} that {page.name} does not have, line {unknown[0].id} first"
            yield Problem(what, OF_THESE_LINES, given.file)
            return
        found.left_out += len(others)
        found.by[how] += 1
        found.texts[page.name] = [line.text for line in placed]
    elif by_id.keys().isdisjoint(line.id for line in page.lines):
        yield from _by_order(test, given, found)
    else:
        yield from _by_id(test, given, found)


OF_THESE_LINES = (
    "let the system read the lines of the ground truth: its PAGE or ALTO files, without another segmentation"
)
"""What to do where a system has found lines of its own."""


def _at_same_places(test: TestPage, given: GivenPage) -> tuple[str, list[GivenLine] | None]:
    """By what, and to which, the lines of a page are paired that have the same baselines, or else boxes; None: not all have."""
    there = test.all_lines
    baselines = _only_once((line.baseline, line) for line in given.lines)
    boxes = _only_once((line.box, line) for line in given.lines)
    for how, known, of in (
        (BASELINES, baselines, [line.baseline for line in there]),
        (BOXES, boxes, [box_of(line.polygon) for line in there]),
    ):
        wanted = [of[line.number] for line in test.page.lines] if there else [()]
        if all(place in known and of.count(place) == 1 for place in wanted):
            return how, [known[place] for place in wanted]
    return ORDER, None


def _only_once(places: Iterable[tuple[Points, GivenLine]]) -> dict[Points, GivenLine]:
    """What is at each place, where that is one line alone."""
    found: dict[Points, list[GivenLine]] = {}
    for place, line in places:
        found.setdefault(place, []).append(line)
    return {place: lines[0] for place, lines in found.items() if place and len(lines) == 1}


def _is_unused(test: TestPage, line: GivenLine) -> bool:
    """Whether a line is one that the ground truth has and does not use."""
    used = {one.number for one in test.page.lines}
    unused = [one for number, one in enumerate(test.all_lines) if number not in used]
    return any(line.baseline == one.baseline != () or line.box == box_of(one.polygon) != () for one in unused)


def _by_id(test: TestPage, given: GivenPage, found: Paired) -> Iterator[Problem]:
    page = test.page
    by_id: dict[str, GivenLine] = {}
    wrong = False
    for line in given.lines:
        identifier = line.id or "without an id"
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
        of_text = "write one line for each, in the order of its file; an empty one where nothing was read"
        yield Problem(what, OF_THESE_LINES if given.has_shapes else of_text, given.file)
        return
    found.left_out += count - len(chosen)
    found.by[ORDER] += 1
    found.texts[page.name] = [line.text for line in chosen]
