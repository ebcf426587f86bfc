"""How much of the errors is another convention of writing, and how much is reading: learned from replacements that recur.

A model that expands abbreviations reads `ꝑ` as `per` each time. Such replacements are learned from the lines of the other
pages, so that no page explains its own errors. Where the reference is rewritten by them and then has fewer edits, these
edits are convention. All others are reading. So the two parts are the errors of `cer`.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import chain, pairwise
from typing import Any

from rapidfuzz.distance import Levenshtein

from htr_exp.scoring.intervals import Count, by_unit, of_rate
from htr_exp.scoring.lines import LinePair, clusters, normalise, rate
from htr_exp.scoring.text_order import Release, display_order

LONGEST = 8
"""Characters of each side of a replacement."""

NEAR = 2
"""Characters between two edits that may be one replacement."""

SHOWN = 20
"""Replacements that a record names, the most frequent first."""

_FIRST_OF_OUR_OWN = 0x100000
"""The last plane of Unicode: for clusters of several code points, and for what texts have in this plane."""


@dataclass(frozen=True)
class Limits:
    """What makes a replacement a convention.

    Attributes:
        pages: it recurs on at least so many other pages.
        share: it is made in at least this share of the places where its source is written there. Or one sign
            stands for several letters, and at least this share of what is read so is written so.
    """

    pages: int
    share: float


class _Letters(dict[str, str]):
    """One letter for each cluster, so that texts are compared, searched and counted by clusters."""

    def __missing__(self, cluster: str) -> str:
        own = len(cluster) > 1 or ord(cluster) >= _FIRST_OF_OUR_OWN
        self[cluster] = letter = chr(_FIRST_OF_OUR_OWN + len(self)) if own else cluster
        return letter

    def of(self, text: str) -> str:
        """A normalised text, one letter for each of its clusters."""
        return text if text.isascii() else "".join(map(self.__getitem__, clusters(text)))

    def text(self, letters: str) -> str:
        """The text of some letters."""
        clusters_of = {letter: cluster for cluster, letter in self.items()}
        return "".join(clusters_of.get(letter, letter) for letter in letters)


Replacement = tuple[str, str]
"""What is written, and what is read in its place, by clusters."""


def split(
    pairs: Iterable[LinePair], unit_of: Mapping[str, str], limits: Limits, release: Release = "7.1"
) -> dict[str, Any]:
    """The parts of the CER as they stand in results.json.

    Args:
        pairs: the lines.
        unit_of: page -> unit (`intervals.units`).
        limits: of what counts as convention.
        release: as of `lines.score`.
    """
    letters = _Letters()
    lines: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for pair in pairs:
        shown = display_order(pair.reference, release)
        recognised = normalise(pair.hypothesis or "")
        lines[pair.page].append((f" {letters.of(normalise(shown))} ", f" {letters.of(recognised)} "))
    learnt = _Learnt.of(lines, limits)
    pages, used = [], Counter[Replacement]()
    for page in sorted(lines):
        table = learnt.without(page)
        errors, reading = 0, 0
        for expected, read in lines[page]:
            of_line = Levenshtein.distance(expected, read)
            errors += of_line
            reading += _reading(expected, read, of_line, table, used)
        characters = sum(len(expected) - 2 for expected, _ in lines[page])
        pages.append({"page": page, "errors": errors, "errors_reading": reading, "characters": characters})
    return _record(pages, unit_of) | {
        "replacements": [
            {"written": letters.text(source), "read": letters.text(target), "times": times}
            for (source, target), times in sorted(used.items(), key=lambda one: (-one[1], one[0]))[:SHOWN]
        ]
    }


def _record(pages: Sequence[dict[str, Any]], unit_of: Mapping[str, str]) -> dict[str, Any]:
    errors, reading = sum(one["errors"] for one in pages), sum(one["errors_reading"] for one in pages)
    characters = sum(one["characters"] for one in pages)
    interval = of_rate(
        by_unit(
            (unit_of.get(one["page"], one["page"]), Count(one["errors_reading"], one["characters"])) for one in pages
        )
    )
    return {
        "cer_reading": rate(reading, characters),
        "cer_reading_low": interval.low if interval else None,
        "cer_reading_high": interval.high if interval else None,
        "cer_convention": rate(errors, characters) - rate(reading, characters),
        "errors_reading": reading,
        "errors_convention": errors - reading,
    }


class _Table:
    """The replacements that hold for a page."""

    def __init__(self) -> None:
        self.starting: dict[str, list[Replacement]] = defaultdict(list)  # by the first letter, the longest last
        self._sources: list[str] = []

    def add(self, source: str, target: str) -> None:
        """Add a replacement that is not shorter than those before it."""
        self.starting[source[0]].append((source, target))
        self._sources.insert(0, source)

    @cached_property
    def pattern(self) -> re.Pattern[str] | None:
        """Where one may be made."""
        return re.compile("|".join(map(re.escape, self._sources))) if self._sources else None


def _reading(expected: str, read: str, errors: int, table: _Table, used: Counter[Replacement]) -> int:
    """The edits that are left where the reference is rewritten wherever that makes them fewer, from left to right."""
    place = 0
    while errors and table.pattern is not None and (there := table.pattern.search(expected, place)):
        place, best = there.start(), errors
        for source, target in table.starting[expected[place]]:
            if expected.startswith(source, place):
                rewritten = f"{expected[:place]}{target}{expected[place + len(source) :]}"
                if (fewer := Levenshtein.distance(rewritten, read, score_cutoff=best)) < best:
                    best, found = fewer, (source, target, rewritten)
        if best < errors:
            source, target, expected = found
            used[source, target] += 1
            place += len(target)
        else:
            place += 1
        errors = best
    return errors


class _Side:
    """What is written on pages, or what was read there, in which parts are counted as `str.count` counts."""

    def __init__(self, pages: Mapping[str, str]) -> None:
        self._pages = pages
        self._counted: dict[str, tuple[int, dict[str, int]]] = {}

    def times(self, part: str, most: float = math.inf) -> int:
        """How often a part stands there; where that is more than `most`, some number above it."""
        if part not in self._counted:
            total, of_page = 0, dict[str, int]()
            for page, text in self._pages.items():
                if number := text.count(part):
                    of_page[page] = number
                    total += number
                    if total > most:
                        return total
            self._counted[part] = total, of_page
        return self._counted[part][0]

    def elsewhere(self, part: str, page: str) -> int:
        """How often it stands on all other pages."""
        return self.times(part) - self._counted[part][1].get(page, 0)


@dataclass(frozen=True)
class _Learnt:
    """What became of what is written.

    Attributes:
        replaced: page -> replacement -> how often it was made there.
        total: the same of all pages, of replacements that may hold for some page.
        written, read: all pages.
    """

    limits: Limits
    replaced: dict[str, Counter[Replacement]]
    total: dict[Replacement, int]
    written: _Side
    read: _Side

    @classmethod
    def of(cls, lines: Mapping[str, Sequence[tuple[str, str]]], limits: Limits) -> _Learnt:
        """Count it."""
        replaced = {page: Counter(one for pair in of for one in _replacements(*pair)) for page, of in lines.items()}
        pages = Counter(chain.from_iterable(replaced.values()))
        recurring = {one for one, number in pages.items() if number > limits.pages}
        total = dict.fromkeys(recurring, 0)
        for found in replaced.values():
            for one in found.keys() & recurring:
                total[one] += found[one]
        written, read = (
            _Side({page: "\n".join(pair[side] for pair in of) for page, of in lines.items()}) for side in (0, 1)
        )

        def may_hold(one: Replacement) -> bool:
            times = 2 * total[one]  # what one page lacks of its share may be had where that page is left out
            most = times / limits.share
            return _holds(one, times, partial(written.times, most=most), partial(read.times, most=most), limits)

        ordered = sorted(filter(may_hold, total), key=lambda one: (len(one[0]), one))
        return cls(limits, replaced, {one: total[one] for one in ordered}, written, read)

    def without(self, page: str) -> _Table:
        """What holds for a page: learned on all others. What shorter ones make together is no replacement of its own."""
        own, table = self.replaced[page], _Table()
        written, read = partial(self.written.elsewhere, page=page), partial(self.read.elsewhere, page=page)
        for one, times in self.total.items():
            source, target = one
            if _holds(one, times - own[one], written, read, self.limits) and _rewritten(source, table) != target:
                table.add(source, target)
        return table


def _holds(
    one: Replacement, times: int, written: Callable[[str], int], read: Callable[[str], int], limits: Limits
) -> bool:
    """Whether a replacement is made often enough to be a convention; `written` and `read` count a part."""
    source, target = one
    if times >= limits.share * written(source):
        return True
    return len(target) == 1 < len(source) and times >= limits.share * read(target)


def _rewritten(text: str, table: _Table) -> str:
    """A text with all replacements made, the longest first."""
    found, place = "", 0
    while place < len(text):
        fitting = [one for one in table.starting.get(text[place], ()) if text.startswith(one[0], place)]
        source, target = fitting[-1] if fitting else (text[place], text[place])
        found, place = found + target, place + len(source)
    return found


def _replacements(expected: str, read: str) -> Iterator[Replacement]:
    """What stands in the place of what, also with the character before it and with the one after it."""
    if expected == read:
        return
    runs: list[tuple[int, int, int, int]] = []
    for step in Levenshtein.opcodes(expected, read):
        start, end, there, to = step.src_start, step.src_end, step.dest_start, step.dest_end
        if step.tag == "equal":
            continue
        if runs and runs[-1][1] == start and runs[-1][3] == there:
            runs[-1] = (runs[-1][0], end, runs[-1][2], to)
        else:
            runs.append((start, end, there, to))
    # what is read may hold a letter of what is written, as in `ꝑr` read as `perr`: then there are two runs
    near = [
        (first[0], second[1], first[2], second[3])
        for first, second in pairwise(runs)
        if second[0] - first[1] <= NEAR and " " not in expected[first[1] : second[0]]
    ]
    for start, end, there, to in (*runs, *near):
        if end - start > LONGEST or to - there > LONGEST:
            continue
        if start < end:
            yield expected[start:end], read[there:to]
        if start and there:
            yield expected[start - 1 : end], read[there - 1 : to]
        if end < len(expected) and to < len(read):
            yield expected[start : end + 1], read[there : to + 1]
