"""Which pages of a dataset are nearly the same, by image or by text, whatever the split."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Protocol

from htr_exp.config.schema import Leakage
from htr_exp.core.own_command import own_command
from htr_exp.core.text import and_more, first_of
from htr_exp.groundtruth.image_hash import BITS, looks
from htr_exp.groundtruth.model import LineImage
from htr_exp.splits import near_duplicates

_SHOWN = 10  # groups of pages in a message
_NAMED = 8  # pages of a group
_EXPLAINED = 3  # pairs of a group
_LINE = 15  # letters of a line whose repetition is worth a word; shorter ones are headings and amens


class GuardedLine(Protocol):
    """What the guard needs of a line."""

    @property
    def id(self) -> str: ...
    @property
    def text(self) -> str: ...


class GuardedPage(Protocol):
    """What the guard needs of a page."""

    @property
    def name(self) -> str: ...
    @property
    def image(self) -> Path: ...
    @property
    def xml_digest(self) -> str: ...
    @property
    def image_digest(self) -> str: ...
    @property
    def digest(self) -> str: ...
    @property
    def lines(self) -> Sequence[GuardedLine]: ...
    @property
    def line_images(self) -> Sequence[LineImage]: ...


@dataclass(frozen=True)
class Pair:
    """Two pages of a dataset that a split must keep on one side."""

    kind: str  # near_image or near_text
    first: str
    second: str
    measure: str  # how near they are, in words


@dataclass(frozen=True)
class Similar:
    """What the pages of a dataset have in common, whatever the split."""

    pairs: tuple[Pair, ...]
    looks: Mapping[str, int]  # page name -> its image's look
    views: Mapping[str, Sequence[int]]  # page name -> that look, and of a page of little text the image's other views
    letters: Mapping[str, str]  # page name -> its text as it is compared, lines apart
    lines: Mapping[str, tuple[int, ...]]  # page name -> a hash of each line, 0 for short ones; of this process only
    unseen: Mapping[str, str]  # page name -> why its image was not looked at


def find_similar(
    pages: Sequence[GuardedPage],
    settings: Leakage,
    cache: Path | None,
    progress: Callable[[int, int], None] | None = None,
) -> Similar:
    """Find the pages of a dataset that are nearly the same.

    Args:
        pages: all pages.
        settings: the thresholds.
        cache: folder in which the looks of images are remembered; None remembers nothing.
        progress: called with the number of images looked at anew, and of all such.
    """
    letters: dict[str, str] = {}
    lines: dict[str, tuple[int, ...]] = {}
    for page in pages:
        texts = [near_duplicates.letters(line.text) for line in page.lines]
        letters[page.name] = near_duplicates.text_of(texts)
        lines[page.name] = tuple([hash(text) if len(text) >= _LINE else 0 for text in texts])
    by_bytes: dict[str, GuardedPage] = {}
    for page in pages:
        if not page.line_images:  # what a line looks like says too little: headings look alike
            by_bytes.setdefault(page.image_digest, page)
    of_little_text = {
        page.image_digest for page in pages if near_duplicates.length(letters[page.name]) < settings.differing_text
    }
    views: dict[str, Sequence[int]] = {}  # image digest -> its look, and its other views where they may decide
    why_unseen: dict[str, str] = {}
    for all_views in (False, True):
        group = [page for digest, page in by_bytes.items() if (digest in of_little_text) == all_views]
        seen = looks([page.image for page in group], cache, progress, views=all_views)
        views |= {page.image_digest: seen.known[page.image] for page in group if page.image in seen.known}
        why_unseen |= {page.name: seen.unseen[page.image] for page in group if page.image in seen.unseen}
    known = {page.name: views[page.image_digest] for page in pages if page.image_digest in views}
    pairs = (
        *_near_images(pages, known, letters, settings),
        *_same_lines(pages),
        *_near_texts(pages, letters, settings),
    )
    return Similar(pairs, {name: seen[0] for name, seen in known.items()}, known, letters, lines, why_unseen)


def _near_images(
    pages: Sequence[GuardedPage],
    known: Mapping[str, Sequence[int]],
    letters: Mapping[str, str],
    settings: Leakage,
) -> Iterator[Pair]:
    seen = [page for page in pages if page.name in known]
    for near in near_duplicates.near_images([known[page.name] for page in seen], bits=bits_of(settings)):
        first, second = seen[near.first], seen[near.second]
        if first.image_digest != second.image_digest and images_decide(
            near.bits, letters[first.name], letters[second.name], settings
        ):
            yield Pair("near_image", first.name, second.name, looks_alike(near.bits, settings))


def _same_lines(pages: Sequence[GuardedPage]) -> Iterator[Pair]:
    """Yield the pages of line pairs that have a picture of a line in common, each with the first that has it."""
    first: dict[str, tuple[GuardedPage, LineImage]] = {}
    told: set[tuple[str, str]] = set()
    for page in pages:
        for image in page.line_images:
            other, its = first.setdefault(image.digest, (page, image))
            if other.image_digest != page.image_digest and (other.name, page.name) not in told:
                told.add((other.name, page.name))
                yield Pair("near_image", other.name, page.name, f"{its.name} and {image.name} have the same bytes")


def _near_texts(pages: Sequence[GuardedPage], letters: Mapping[str, str], settings: Leakage) -> Iterator[Pair]:
    for near in near_duplicates.near_texts([letters[page.name] for page in pages], **text_limits(settings)):
        first, second = pages[near.first], pages[near.second]
        if first.digest != second.digest:
            yield Pair("near_text", first.name, second.name, reads_alike(near, settings))


def thresholds(settings: Leakage) -> tuple[float, ...]:
    """What decides which pages are nearly the same."""
    return tuple(getattr(settings, field.name) for field in fields(settings) if field.name != "accept")


def bits_of(settings: Leakage) -> int:
    """In how many bits the looks of near images may differ."""
    return int(max(settings.near_image, settings.copied_image) * BITS)


def text_limits(settings: Leakage) -> dict[str, Any]:
    """The thresholds of `near_texts`."""
    return {
        "similarity": settings.near_text,
        "containment": settings.contained_text,
        "lines": settings.shared_lines,
        "line": settings.near_line,
        "found": settings.found_lines,
        "least": settings.text_letters,
    }


def images_decide(bits: int, first: str, second: str, settings: Leakage) -> bool:
    """Whether near images make two pages nearly the same: long texts decide themselves, unless an image was only saved anew."""
    if bits <= settings.copied_image * BITS:
        return True
    shorter = min(near_duplicates.length(first), near_duplicates.length(second))
    return bits <= settings.near_image * BITS and shorter < settings.differing_text


def looks_alike(bits: int, settings: Leakage) -> str:
    """How near two images are, in words."""
    share = bits / BITS
    key = "copied_image" if share <= settings.copied_image else "near_image"
    return f"their images agree in {1 - share:.0%} of their look (leakage.{key}={getattr(settings, key):g})"


def reads_alike(near: near_duplicates.NearTexts, settings: Leakage) -> str:
    """How near two texts are, in words."""
    key, words = _READS[near.measure]
    return f"{words.format(near.share)} (leakage.{key}={getattr(settings, key):g})"


_READS = {
    "similarity": ("near_text", "their texts agree in {:.0%} of the letters"),
    "containment": ("contained_text", "{:.0%} of the shorter text is in the other"),
    "lines": ("shared_lines", "{:.0%} of the lines of one are in the other, rare ones counted more"),
    "found": ("found_lines", "{:.0%} of the lines of one stand in the other, whatever the line breaks"),
}
"""Measure of near texts -> the threshold that decided, and how it is told."""


def explained(pairs: Sequence[Pair]) -> list[str]:
    """Say which pages a drawn split keeps on one side, why, how near they are, and which word parts them."""
    said = []
    for names in sorted(map(sorted, together(pairs))):
        inside = [pair for pair in pairs if pair.first in names]
        why = "; ".join(f"{pair.first} and {pair.second}: {pair.measure}" for pair in inside[:_EXPLAINED])
        more = f"; {and_more(len(inside) - _EXPLAINED, 'pair')}" * (len(inside) > _EXPLAINED)
        kinds = ",".join(sorted({pair.kind for pair in inside}))
        said.append(
            f"{first_of(names, _NAMED)} count as one, nearly the same page: {why}{more}. leakage.accept=[{kinds}] parts them"
        )
    if len(said) > _SHOWN:
        more = and_more(len(said) - _SHOWN, "group")
        return [*said[:_SHOWN], f"{more} of pages that count as one; `{own_command('check')}` names all"]
    return said


def together(pairs: Iterable[Pair]) -> list[set[str]]:
    """The sets of pages that a drawn split has to keep on one side, for `splits`."""
    group_of: dict[str, set[str]] = {}
    for pair in pairs:
        first = group_of.setdefault(pair.first, {pair.first})
        second = group_of.setdefault(pair.second, {pair.second})
        if first is not second:
            small, large = sorted((first, second), key=len)
            large |= small
            group_of.update(dict.fromkeys(small, large))
    return list({id(group): group for group in group_of.values()}.values())
