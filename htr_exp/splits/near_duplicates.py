"""Which pages have nearly the same text or the same look, among thousands of them.

A text is compared by its letters alone: no spaces, line breaks, marks or punctuation, upper and lower case, u and v, i
and j alike. Its shingles are the groups of six letters in a row. Two texts are near if nearly all shingles of the
shorter occur in the longer (a copy, a part, another order of the lines), or if few letters have to be changed to make
one of the other (a page transcribed twice).

All pairs of ten thousand pages are too many to compare. A quarter of the shingles, chosen by their hash, leads to the
pairs worth it. Shingles on many pages (formulae) are thinned out, so that the work grows with the text and not with its
square; those on very many lead only from each page to the next that has it, which is enough to chain copies together.
"""

from __future__ import annotations

import unicodedata
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, groupby, pairwise
from zlib import crc32

SHINGLE = 6
"""Letters of a shingle."""

_SAMPLED = 3  # a shingle leads to candidates if these bits of its hash are 0: one in four
_MANY = 32  # pages with a shingle, from which on it is thinned out
_VERY_MANY = 400  # pages with a shingle, from which on it only chains neighbours
_WORTH = 0.12  # share of the shingles in common that makes a pair worth comparing: half of what a copy with one letter in ten changed has
_LIKELY = (
    0.6  # share of the wanted containment that the sampled shingles must show for all to be counted, which is slow
)
_ALIGNED = 20_000  # letters; aligning longer texts would take seconds, they are compared by shingles alone
_PARTS = 16  # of the index while it is sorted: bounds its memory
_ALIKE = str.maketrans("vj", "ui")


@dataclass(frozen=True)
class NearTexts:
    """Two texts, by their places in the sequence, and how near they are."""

    first: int
    second: int
    containment: float  # share of the shorter one's shingles that the longer has
    similarity: float | None  # 1 - Levenshtein distance / letters of the longer; None if it was not needed


@dataclass(frozen=True)
class NearImages:
    """Two images, by their places in the sequence, and in how many bits their looks differ."""

    first: int
    second: int
    bits: int


def letters(text: str) -> str:
    """Return what of a text is compared."""
    folded = unicodedata.normalize("NFKD", text).casefold().translate(_ALIKE)
    return "".join(filter(str.isalnum, folded))


def near_texts(
    texts: Sequence[str], *, containment: float, similarity: float, least: int, others: Sequence[str] = ()
) -> Iterator[NearTexts]:
    """Yield the pairs of texts that are near, by their places; each text nearest to the front comes first.

    Args:
        texts: as `letters` returns them.
        containment: share of shingles from which on two texts are near.
        similarity: share of letters from which on they are.
        least: letters that a text must have to be compared at all.
        others: texts that are compared with `texts` but not with each other; their places go on from those of `texts`.
    """
    every = [*texts, *others]
    compared = [place for place, text in enumerate(every) if len(text) >= max(least, SHINGLE)]
    shingles = lru_cache(maxsize=256)(lambda place: _shingles(every[place]))
    for first, second, share in _candidates(every, compared, within=len(texts)):
        shared = _containment(shingles(first), shingles(second)) if share >= _LIKELY * containment else 0.0
        if shared >= containment:
            yield NearTexts(first, second, shared, None)
        elif (alike := _similarity(every[first], every[second], similarity)) >= similarity:
            yield NearTexts(first, second, shared or _containment(shingles(first), shingles(second)), alike)


def _shingles(text: str) -> frozenset[str]:
    return frozenset([text[start : start + SHINGLE] for start in range(len(text) - SHINGLE + 1)])


def _containment(first: frozenset[str], second: frozenset[str]) -> float:
    return len(first & second) / min(len(first), len(second))


def _similarity(first: str, second: str, least: float) -> float:
    short, long = sorted((len(first), len(second)))
    if short < least * long or long > _ALIGNED:
        return 0.0
    from rapidfuzz.distance import Levenshtein

    return Levenshtein.normalized_similarity(first, second, score_cutoff=least)


def _sampled(text: str) -> set[int]:
    code = text.encode("utf-16-le", "surrogatepass")  # two bytes a letter in every script
    width = 2 * SHINGLE
    hashes = map(crc32, [code[start : start + width] for start in range(0, len(code) - width + 1, 2)])
    return {found for found in hashes if not found & _SAMPLED}


def _candidates(texts: Sequence[str], compared: Sequence[int], within: int) -> Iterator[tuple[int, int, float]]:
    """Yield the pairs of places whose texts may be near, the smaller first, and the share of sampled shingles in common.

    Two places from `within` on are no pair.
    """
    parts = [array("Q") for _ in range(_PARTS)]
    sizes = array("I", [0]) * len(texts)
    for place in compared:
        found = _sampled(texts[place])
        sizes[place] = len(found)
        for one in found:
            parts[one >> 2 & _PARTS - 1].append(one << 32 | place)
    index = _Index(len(texts))
    for number in range(_PARTS):
        index.add(sorted(parts[number]))
        parts[number] = array("Q")
    for place in compared:
        if place >= within:
            return
        worth: dict[int, float] = {}
        for counts, of in ((index.thinned(place), index.kept), (index.chained(place), sizes)):
            for other, shared in counts.items():
                share = shared / min(of[place], of[other])
                if shared > 1 and share >= max(_WORTH, worth.get(other, 0.0)):
                    worth[other] = share
        for other in sorted(worth):
            yield place, other, worth[other]


class _Index:
    """Which later texts have a shingle of a text; everything in flat arrays, for there are millions."""

    def __init__(self, texts: int) -> None:
        self.kept = array("I", [0]) * texts  # shingles of a text that count in `thinned`
        self._later = array("I")  # the places of each shingle, one shingle after the other
        self._spans = [array("Q") for _ in range(texts)]  # begin and end in _later, of the places after one's own
        self._next: list[array[int] | None] = [None] * texts

    def add(self, postings: Sequence[int]) -> None:
        """Take in postings, sorted: the hash of a shingle, shifted by 32 bits, and the place of a text that has it."""
        for code, group in groupby(postings, key=lambda posting: posting >> 32):
            places = [posting & 0xFFFFFFFF for posting in group]
            many = len(places)
            if many > _VERY_MANY:
                for place, after in pairwise(places):
                    known = self._next[place]
                    if known is None:
                        known = self._next[place] = array("I")
                    known.append(after)
                continue
            if many > _MANY and (code >> 6) % many >= _MANY:
                continue
            for place in places:
                self.kept[place] += 1
            if many > 1:
                begin = len(self._later)
                self._later.extend(places)
                end = len(self._later)
                for offset, place in enumerate(places[:-1], begin + 1):
                    self._spans[place].append(offset << 32 | end)

    def thinned(self, place: int) -> Counter[int]:
        """Count the shingles that each later text shares with one."""
        later = self._later
        return Counter(chain.from_iterable([later[span >> 32 : span & 0xFFFFFFFF] for span in self._spans[place]]))

    def chained(self, place: int) -> Counter[int]:
        """Count the shingles on very many texts that lead from one to the next."""
        return Counter(self._next[place] or ())


def near_images(looks: Sequence[int], *, bits: int, others: Sequence[int] = ()) -> Iterator[NearImages]:
    """Yield the pairs of images whose looks differ in so few bits, by their places.

    Args:
        looks: as integers.
        bits: in how many two near images may differ.
        others: looks that are compared with `looks` but not with each other; their places go on from those of `looks`.
    """
    every = [*looks, *others]
    for first, look in enumerate(looks):
        # fifty million pairs of ten thousand images take seconds so, and hundreds of images no time at all
        near = [second for second in range(first + 1, len(every)) if (look ^ every[second]).bit_count() <= bits]
        for second in near:
            yield NearImages(first, second, (look ^ every[second]).bit_count())
