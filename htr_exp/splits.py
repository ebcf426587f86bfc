"""Which pages are learnt from, steered by and scored on: drawn by seed or given, whole pages only, frozen to a file."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from math import gcd
from pathlib import Path, PurePosixPath
from typing import Protocol

from htr_exp.errors import DatasetError
from htr_exp.files import digest_json, sha256_bytes

NAMES = ("train", "validation", "test")


class SplitPage(Protocol):
    """What a split needs to know of a page."""

    @property
    def name(self) -> str: ...
    @property
    def image(self) -> Path: ...
    @property
    def image_digest(self) -> str: ...
    @property
    def digest(self) -> str: ...
    @property
    def lines(self) -> Sequence[object]: ...


@dataclass(frozen=True)
class Split:
    """Pages of each side, in code point order of their names, and why they are there."""

    pages: dict[str, tuple[str, ...]]  # train, validation, test -> page names
    why: dict[str, str]  # page name -> reason
    digest: str  # of the sides' page digests: the same wherever the same pages are split alike


def draw(pages: Sequence[SplitPage], *, seed: int, validation: float, test: float) -> Split:
    """Draw a split by page whose shares of lines are as near to those asked for as pages allow.

    Pages that show one image, or one image's bytes, stay together. The draw depends on `seed` and on the pages' content,
    not on their names, order or place: pages are ordered by the SHA-256 of seed and content, and each held-out side is
    the earliest set of them, in that order, whose lines come nearest to its share.

    Args:
        pages: all pages, each with at least one line.
        seed: decides the order.
        validation: share of all lines, between 0 and 1.
        test: share of all lines; 0 makes no test set.

    Raises:
        DatasetError: there are fewer images than sides.
    """
    groups = sorted(_same_image(pages), key=lambda group: _rank(seed, group))
    sides = [side for side, share in (("test", test), ("validation", validation)) if share > 0]
    needed = len(sides) + 1
    if len(groups) < needed:
        problems = [
            f"{len(groups)} page{'s' * (len(groups) != 1)} with text and different images: {needed} are needed, "
            f"one each for {', '.join(reversed(sides))} and train"
        ]
        if test > 0 and len(groups) >= needed - 1:
            problems.append(
                "split.test=0 goes without a test set: then only a validation score can be given, which is optimistic"
            )
        raise DatasetError("there are too few pages for a split:", problems)
    total = sum(len(page.lines) for page in pages)
    shares = {"test": test, "validation": validation}
    chosen: dict[str, list[int]] = {}
    left = list(range(len(groups)))
    for position, side in enumerate(sides):
        lines = [sum(len(page.lines) for page in groups[index]) for index in left]
        at_most = len(left) - (len(sides) - position)
        picked = {left[index] for index in _nearest(lines, shares[side] * total, at_most)}
        chosen[side] = sorted(picked)
        left = [index for index in left if index not in picked]
    chosen["train"] = left
    placed = {side: [page for index in chosen.get(side, []) for page in groups[index]] for side in NAMES}
    return _frozen(placed, {page.name: f"drawn with split.seed={seed}" for page in pages})


def given(pages: Sequence[SplitPage], lists: dict[str, Sequence[str]], source: str) -> Split:
    """Take the split that lists of page names give.

    A name is a page's path below its dataset folder, its file name, or either without `.xml`, or its image's name, as long as it
    means one page.

    Args:
        pages: all pages.
        lists: side -> page names as written; `test` may be absent.
        source: where the lists stand, for messages and the record.

    Raises:
        DatasetError: with every name that is unknown, ambiguous or on two sides, each page that shares an image with a page
            of another side, and each side without pages.
    """
    known: dict[str, set[str]] = {}
    by_name = {page.name: page for page in pages}
    for page in pages:
        path = PurePosixPath(page.name)
        for alias in {page.name, path.name, str(path.with_suffix("")), path.stem, page.image.name}:
            known.setdefault(alias, set()).add(page.name)
    problems: list[str] = []
    side_of: dict[str, str] = {}
    for side in NAMES:
        for name in lists.get(side, ()):
            matches = {name} if name in by_name else known.get(name, set())
            if len(matches) != 1:
                what = (
                    "there is no such page with text"
                    if not matches
                    else f"it may be any of {', '.join(sorted(matches))}"
                )
                problems.append(f"{source}: {side}: {name}: {what}")
                continue
            (match,) = matches
            if side_of.setdefault(match, side) != side:
                problems.append(f"{source}: {match} is in {side_of[match]} and in {side}")
    for group in _same_image([by_name[name] for name in side_of]):
        on = {side_of[page.name] for page in group}
        if len(on) > 1:
            names = ", ".join(f"{page.name} ({side_of[page.name]})" for page in group)
            problems.append(f"{source}: pages of one image are on different sides: {names}")
    for side in NAMES:
        if (side != "test" or "test" in lists) and side not in side_of.values():
            problems.append(f"{source}: no page is in {side}")
    if problems:
        raise DatasetError("the given split cannot be used:", problems)
    placed = {side: [by_name[name] for name in side_of if side_of[name] == side] for side in NAMES}
    return _frozen(placed, {name: f"given by {source}" for name in side_of})


def everything(pages: Sequence[SplitPage]) -> Split:
    """Put every page on the test side: a model is evaluated, nothing is learnt."""
    return _frozen({"train": [], "validation": [], "test": list(pages)}, {page.name: "evaluated" for page in pages})


def read_list(path: Path) -> list[str]:
    """Return the names in a list file: one a line, CRLF and BOM allowed, blank lines left out.

    Raises:
        DatasetError: the file cannot be read.
    """
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: the list of pages cannot be read: {error}") from None


def read_table(path: Path, *, page_column: str, column: str) -> dict[str, list[str]]:
    """Return side -> page names from a CSV file; other words than train, validation (or val, dev) and test are refused.

    Raises:
        DatasetError: the file cannot be read, lacks a column, or has another word in it.
    """
    words = {"train": "train", "validation": "validation", "val": "validation", "dev": "validation", "test": "test"}
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            sample = file.read(4096)
            file.seek(0)
            delimiter = max(",;\t", key=sample.partition("\n")[0].count)
            reader = csv.DictReader(file, delimiter=delimiter)
            rows, columns = list(reader), list(reader.fieldnames or ())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path}: the table of pages cannot be read: {error}") from None
    absent = [name for name in (page_column, column) if name not in columns]
    if absent:
        raise DatasetError(f"{path}: it has no column {', '.join(absent)}; its columns are {', '.join(columns)}")
    lists: dict[str, list[str]] = {}
    problems = []
    for number, row in enumerate(rows, start=2):
        word = (row[column] or "").strip()
        if word.lower() in words:
            lists.setdefault(words[word.lower()], []).append((row[page_column] or "").strip())
        elif word:
            problems.append(f"{path}:{number}: {column}={word}: write train, validation or test, or leave it empty")
    if problems:
        raise DatasetError("the given split cannot be used:", problems)
    return lists


def _same_image(pages: Sequence[SplitPage]) -> list[list[SplitPage]]:
    """Group pages that show one image, by place or by bytes."""
    group_of: dict[str, list[SplitPage]] = {}
    for page in pages:
        keys = (f"path {page.image}", f"bytes {page.image_digest}")
        merged: list[SplitPage] = [page]
        for other in {id(group_of[key]): group_of[key] for key in keys if key in group_of}.values():
            merged = [*other, *merged]
        for member in merged:
            for key in (f"path {member.image}", f"bytes {member.image_digest}"):
                group_of[key] = merged
    return list({id(group): group for group in group_of.values()}.values())


def _rank(seed: int, group: Sequence[SplitPage]) -> tuple[str, str]:
    content = ",".join(sorted(page.digest for page in group))
    return sha256_bytes(f"{seed}:{content}".encode()), min(page.name for page in group)


def _nearest(lines: Sequence[int], target: float, at_most: int) -> list[int]:
    """Return the indices, at least one and at most `at_most`, whose lines add up nearest to `target`.

    A subset sum over sums up to twice the target; it ends as soon as no sum can be nearer. Each sum keeps the set with the
    fewest members, found first.
    """
    step = reduce(gcd, lines)
    best_possible = min(
        abs(multiple * step - target) for multiple in (int(target // step), int(target // step) + 1) if multiple > 0
    )
    sets: dict[int, tuple[int, ...]] = {0: ()}
    best: tuple[int, ...] = (min(range(len(lines)), key=lambda index: (abs(lines[index] - target), index)),)
    for index, count in enumerate(lines):
        for total, members in sorted(sets.items(), reverse=True):
            grown = total + count
            if grown > 2 * target or len(members) == at_most:
                continue
            if grown not in sets or len(sets[grown]) > len(members) + 1:
                sets[grown] = (*members, index)
        near = min((total for total in sets if total), key=lambda total: (abs(total - target), total), default=None)
        if near is not None and abs(near - target) < abs(sum(lines[member] for member in best) - target):
            best = sets[near]
        if abs(sum(lines[member] for member in best) - target) <= best_possible:
            break
    return list(best)


def _frozen(placed: dict[str, list[SplitPage]], why: dict[str, str]) -> Split:
    pages = {side: tuple(sorted(page.name for page in placed[side])) for side in NAMES}
    digest = digest_json({side: sorted(page.digest for page in placed[side]) for side in NAMES})
    return Split(pages=pages, why=why, digest=digest)
