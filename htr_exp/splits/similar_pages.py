"""Which pages of a dataset are nearly the same, by image or by text, whatever the split."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from htr_exp.config.schema import Leakage
from htr_exp.groundtruth.image_hash import BITS, looks
from htr_exp.splits import near_duplicates

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
    letters: Mapping[str, str]  # page name -> its text as it is compared
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
        letters[page.name] = "".join(texts)
        lines[page.name] = tuple([hash(text) if len(text) >= _LINE else 0 for text in texts])
    by_bytes: dict[str, GuardedPage] = {}
    for page in pages:
        by_bytes.setdefault(page.image_digest, page)
    seen = looks([page.image for page in by_bytes.values()], cache, progress)
    look_of = {digest: seen.known.get(page.image) for digest, page in by_bytes.items()}
    known = {page.name: look for page in pages if (look := look_of[page.image_digest]) is not None}
    unseen = {page.name: seen.unseen[page.image] for page in by_bytes.values() if page.image in seen.unseen}
    pairs = (*_near_images(pages, known, settings), *_near_texts(pages, letters, settings))
    return Similar(pairs, known, letters, lines, unseen)


def _near_images(pages: Sequence[GuardedPage], known: Mapping[str, int], settings: Leakage) -> Iterator[Pair]:
    seen = [page for page in pages if page.name in known]
    for near in near_duplicates.near_images([known[page.name] for page in seen], bits=bits_of(settings)):
        first, second = seen[near.first], seen[near.second]
        if first.image_digest != second.image_digest:
            yield Pair("near_image", first.name, second.name, looks_alike(near.bits, settings))


def _near_texts(pages: Sequence[GuardedPage], letters: Mapping[str, str], settings: Leakage) -> Iterator[Pair]:
    for near in near_duplicates.near_texts([letters[page.name] for page in pages], **text_limits(settings)):
        first, second = pages[near.first], pages[near.second]
        if first.digest != second.digest:
            yield Pair("near_text", first.name, second.name, reads_alike(near, settings))


def bits_of(settings: Leakage) -> int:
    return int(settings.near_image * BITS)


def text_limits(settings: Leakage) -> dict[str, Any]:
    return {
        "containment": settings.contained_text,
        "similarity": settings.near_text,
        "least": settings.text_letters,
    }


def looks_alike(bits: int, settings: Leakage) -> str:
    return f"their images differ in {bits / BITS:.1%} of their look (leakage.near_image={settings.near_image:g})"


def reads_alike(near: near_duplicates.NearTexts, settings: Leakage) -> str:
    if near.similarity is not None:
        return f"their texts agree in {near.similarity:.0%} of the letters (leakage.near_text={settings.near_text:g})"
    return f"{near.containment:.0%} of the shorter text is in the other (leakage.contained_text={settings.contained_text:g})"


def together(pairs: Iterable[Pair]) -> list[set[str]]:
    """Return the sets of pages that a drawn split has to keep on one side, for `splits`."""
    group_of: dict[str, set[str]] = {}
    for pair in pairs:
        first = group_of.setdefault(pair.first, {pair.first})
        second = group_of.setdefault(pair.second, {pair.second})
        if first is not second:
            small, large = sorted((first, second), key=len)
            large |= small
            group_of.update(dict.fromkeys(small, large))
    return list({id(group): group for group in group_of.values()}.values())
