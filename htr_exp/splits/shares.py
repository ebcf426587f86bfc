"""How groups of pages are shared out among sides: along their ranking, or as near to every share as whole groups allow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

SWAPPED = 120
"""Groups up to which exchanging any two is tried."""

BEGINNINGS, TRIED = 8, 240
"""At most so many beginnings, and so many groups in all of them."""

PASSES = 50
"""At most so often are all groups looked at again; a few passes are enough in practice."""


def along(pages: Sequence[int], shares: Sequence[float], *, every: bool = True) -> list[int]:
    """Cut a ranking of groups into sides; one more page moves at most one group over each boundary between sides.

    Each side but the last takes groups in their order as long as they bring it nearer to its share of all pages, counted from
    the beginning of the ranking: a side does not get more because the one before got less by rounding alone. A group that
    is too large for what is left of a side is passed over, and later ones are taken.

    Args:
        pages: of each group, in the order of the ranking.
        shares: of each side, 1 together.
        every: each side gets at least one group; there are at least as many groups as sides then.
    """
    total, last = sum(pages), len(shares) - 1
    side = [last] * len(pages)
    left = list(range(len(pages)))
    due = placed = 0.0
    for number, share in enumerate(shares[:-1]):
        due += share * total
        missing = due - placed
        at_most = len(left) - (last - number if every else 0)
        taken: list[int] = []
        for index in left:
            if len(taken) < at_most and abs(missing - pages[index]) < abs(missing):
                taken.append(index)
                missing -= pages[index]
        if every and not taken:
            taken = [min(left, key=lambda index: abs(missing - pages[index]))]
        for index in taken:
            side[index] = number
            placed += pages[index]
        left = [index for index in left if side[index] == last]
    return side


def spread(groups: Sequence[Mapping[str, int]], shares: Sequence[float]) -> list[int]:
    """The side of each group, so that each side has its share of all pages and of the pages of every value.

    Least squares: of each value, relative to its pages, and as heavily as all values together of the sum. Groups are placed
    one after the other where they are missing most, then moved and exchanged while that brings anything nearer. Where they are
    few, the same is done from several beginnings, and the nearest end is taken.

    Args:
        groups: pages of each value in each group, in the order in which groups are placed; at least as many as shares.
        shares: of each side; each gets at least one group.
    """
    places = {value: place for place, value in enumerate(dict.fromkeys(value for group in groups for value in group))}
    vectors = [
        [(places[value], pages) for value, pages in group.items()] + [(len(places), sum(group.values()))]
        for group in groups
    ]
    ends = []
    for start in range(max(1, min(BEGINNINGS, len(groups), TRIED // len(groups)))):
        placing = _Placing(vectors, shares)
        placing.begin([*range(start, len(groups)), *range(start)])
        placing.improve()
        ends.append(placing)
    return min(ends, key=lambda placing: round(placing.squares, 6)).side


class _Placing:
    """Groups on sides, and how far each side is from its shares.

    Args:
        vectors: of each group, its values' places and pages, and last the sum of its pages.
        shares: of each side.
    """

    def __init__(self, vectors: Sequence[Sequence[tuple[int, int]]], shares: Sequence[float]) -> None:
        totals = [0] * (1 + max(place for vector in vectors for place, _ in vector))
        for vector in vectors:
            for place, pages in vector:
                totals[place] += pages
        values = len(totals) - 1
        self.vectors = vectors
        self.weights = [1 / total for total in totals[:-1]] + [values / totals[-1]]
        self.off = [[-share * total for total in totals] for share in shares]  # pages more than its share
        self.side = [-1] * len(vectors)
        self.members = [0] * len(shares)
        self.least = 1e-9 * totals[-1]  # what is less is a rounding error, no gain

    @property
    def squares(self) -> float:
        """How far all sides are from their shares."""
        return sum(weight * off**2 for side in self.off for weight, off in zip(self.weights, side))

    def begin(self, order: Sequence[int]) -> None:
        """Place all groups, one after the other."""
        for number, index in enumerate(order):
            empty = [side for side, count in enumerate(self.members) if not count]
            open_to = empty if len(empty) >= len(order) - number else range(len(self.members))
            self._put(index, min(open_to, key=lambda side: (self._change(index, side, 1), side)))

    def improve(self) -> None:
        """Move and exchange groups until nothing comes nearer."""
        for _ in range(PASSES):
            moved = [self._moved(index) for index in range(len(self.vectors))]
            pairs = combinations(range(len(self.vectors)), 2) if len(self.vectors) <= SWAPPED else ()
            swapped = [self._swapped(one, other) for one, other in pairs]
            if not any(moved) and not any(swapped):
                return

    def _change(self, index: int, side: int, sign: int) -> float:
        """What adding a group to a side (1), or taking it away (-1), adds to the squares."""
        off = self.off[side]
        return sum(
            self.weights[place] * pages * (2 * sign * off[place] + pages) for place, pages in self.vectors[index]
        )

    def _put(self, index: int, side: int) -> None:
        self.side[index] = side
        self.members[side] += 1
        for place, pages in self.vectors[index]:
            self.off[side][place] += pages

    def _take(self, index: int) -> int:
        side = self.side[index]
        self.members[side] -= 1
        for place, pages in self.vectors[index]:
            self.off[side][place] -= pages
        return side

    def _moved(self, index: int) -> bool:
        here = self.side[index]
        if self.members[here] == 1:
            return False
        gains = [(self._change(index, side, 1), side) for side in range(len(self.members)) if side != here]
        gain, there = min(gains)
        if gain + self._change(index, here, -1) >= -self.least:
            return False
        self._take(index)
        self._put(index, there)
        return True

    def _swapped(self, one: int, other: int) -> bool:
        here, there = self.side[one], self.side[other]
        if here == there:
            return False
        before = self._change(one, here, -1) + self._change(other, there, -1)
        self._take(one)
        self._take(other)
        after = self._change(one, there, 1) + self._change(other, here, 1)
        nearer = before + after < -self.least
        self._put(one, there if nearer else here)
        self._put(other, here if nearer else there)
        return nearer
