"""Which texts may be near, among thousands of them, and how rare what they say is.

Shingles are the groups of six letters in a row. All pairs of ten thousand pages are too many to compare: a quarter of
the shingles, chosen by their hash, leads to the pairs worth it. Shingles on many pages (formulae) are thinned out, so
that the work grows with the text and not with its square; those on very many lead only from each page to the next that
has it, which is enough to chain copies together.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain, groupby, pairwise
from zlib import crc32

SHINGLE = 6
"""Letters of a shingle."""

_SAMPLED = 3  # a shingle leads to candidates if these bits of its hash are 0: one in four
_MANY = 32  # pages with a shingle, from which on it is thinned out
_VERY_MANY = 400  # pages with a shingle, from which on it only chains neighbours
_WORTH = 0.12  # share of the shingles in common that makes a pair worth comparing: half of what a copy with one letter in ten changed has
_PARTS = 16  # of the index while it is sorted: bounds its memory
_TWICE = 2  # what a page and its copy say of themselves: the rarest there can be


class ShingleIndex:
    """The shingles of texts; everything in flat arrays, for there are millions.

    Args:
        texts: letters without breaks.
        compared: the places of those that are compared at all.
    """

    def __init__(self, texts: Sequence[str], compared: Sequence[int]) -> None:
        self._compared = compared
        self._sizes = array("I", [0]) * len(texts)  # shingles of a text
        self._kept = array("I", [0]) * len(texts)  # those that count in _thinned
        self._later = array("I")  # the places of each shingle, one shingle after the other
        self._spans = [array("Q") for _ in texts]  # begin and end in _later, of the places after one's own
        self._next: list[array[int] | None] = [None] * len(texts)
        self._often: dict[int, int] = {}  # how often a shingle occurs, of those that occur more than twice
        parts = [array("Q") for _ in range(_PARTS)]
        for place in compared:
            found = _sampled(texts[place])
            self._sizes[place] = len(set(found))
            for one in found:
                parts[one >> 2 & _PARTS - 1].append(one << 32 | place)
        for number in range(_PARTS):
            self._add(sorted(parts[number]))
            parts[number] = array("Q")

    def candidates(self, within: int) -> Iterator[tuple[int, int, float]]:
        """Yield the pairs of places whose texts may be near, the smaller first, and the share of sampled shingles in common.

        Two places from `within` on are no pair.
        """
        for place in self._compared:
            if place >= within:
                return
            worth: dict[int, float] = {}
            for counts, of in ((self._thinned(place), self._kept), (self._chained(place), self._sizes)):
                for other, shared in counts.items():
                    share = shared / min(of[place], of[other])
                    if shared > 1 and share >= max(_WORTH, worth.get(other, 0.0)):
                        worth[other] = share
            for other in sorted(worth):
                yield place, other, worth[other]

    def rarity(self, text: str) -> float:
        """How rare the shingles of a text are in the mean: 1 if they occur twice at most, 0.3 if ten times, 0.15 if a hundred times."""
        often = [self._often.get(one, _TWICE) for one in _sampled(text)]
        return sum(1 / (1 + math.log2(one / _TWICE)) for one in often) / len(often) if often else 1.0

    def _add(self, postings: Sequence[int]) -> None:
        """Take in postings, sorted: the hash of a shingle, shifted by 32 bits, and the place of a text that has it."""
        for code, group in groupby(postings, key=lambda posting: posting >> 32):
            found = [posting & 0xFFFFFFFF for posting in group]
            if len(found) > _TWICE:
                self._often[code] = len(found)
            places = list(dict.fromkeys(found))
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
                self._kept[place] += 1
            if many > 1:
                begin = len(self._later)
                self._later.extend(places)
                end = len(self._later)
                for offset, place in enumerate(places[:-1], begin + 1):
                    self._spans[place].append(offset << 32 | end)

    def _thinned(self, place: int) -> Counter[int]:
        """Count the shingles that each later text shares with one."""
        later = self._later
        return Counter(chain.from_iterable([later[span >> 32 : span & 0xFFFFFFFF] for span in self._spans[place]]))

    def _chained(self, place: int) -> Counter[int]:
        """Count the shingles on very many texts that lead from one to the next."""
        return Counter(self._next[place] or ())


def shingles_of(text: str) -> frozenset[str]:
    """The different shingles of a text."""
    return frozenset([text[start : start + SHINGLE] for start in range(len(text) - SHINGLE + 1)])


def hashes_of(text: str) -> Iterator[int]:
    """The hash of each shingle of a text, as often as it occurs."""
    code = text.encode("utf-16-le", "surrogatepass")  # two bytes a letter in every script
    width = 2 * SHINGLE
    return map(crc32, [code[start : start + width] for start in range(0, len(code) - width + 1, 2)])


def _sampled(text: str) -> list[int]:
    return [found for found in hashes_of(text) if not found & _SAMPLED]
