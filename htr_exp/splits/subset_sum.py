"""How groups of lines are shared out so that each side comes as near to its share as whole groups allow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from itertools import combinations
from math import gcd

BY_HAND = 1_000_000
"""Steps of a subset sum from which numpy is worth its import."""

SWAPPED = 120
"""Groups up to which exchanging any two is tried."""

BEGINNINGS, TRIED = 8, 240
"""At most so many beginnings, and so many groups in all of them."""

PASSES = 50
"""At most so often are all groups looked at again; a few passes are enough in practice."""


def nearest(lines: Sequence[int], target: float, at_most: int) -> list[int]:
    """Return the indices, at least one and at most `at_most`, whose lines add up nearest to `target`.

    A subset sum over sums up to twice the target; it ends as soon as no sum can be nearer. Each sum keeps the set with the
    fewest members, found first.

    Args:
        lines: of each group, in the order in which groups are taken.
        target: lines.
        at_most: groups.
    """
    step = reduce(gcd, lines)
    best_possible = min(
        abs(multiple * step - target) for multiple in (int(target // step), int(target // step) + 1) if multiple > 0
    )
    alone = min(range(len(lines)), key=lambda index: (abs(lines[index] - target), index))
    if len(lines) * target > BY_HAND:
        return _nearest_of_many(lines, target, at_most, best_possible, alone)
    sets: dict[int, tuple[int, ...]] = {0: ()}
    best: tuple[int, ...] = (alone,)
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


def _nearest_of_many(lines: Sequence[int], target: float, at_most: int, best_possible: float, alone: int) -> list[int]:
    """Return what `nearest` does, with all sums at once: 10,000 pages take a second instead of minutes."""
    import numpy

    sums = numpy.arange(int(2 * target) + 1)
    off = abs(sums - target)
    members = numpy.full(len(sums), len(lines) + 1)  # the fewest that add up to each sum; more than there are: none do
    members[0] = 0
    changed = []  # for each group the sums whose set it ended
    best, distance = (lines[alone], -1), abs(lines[alone] - target)  # a sum, and the last group that may be in its set
    for index, count in enumerate(lines):
        grown = members[:-count] + 1 if count < len(sums) else members[:0]
        fewer = numpy.zeros(len(sums), dtype=bool)
        fewer[count:] = (grown < members[count:]) & (grown <= at_most)
        members[count:][fewer[count:]] = grown[fewer[count:]]
        changed.append(numpy.packbits(fewer))
        reached = numpy.flatnonzero(fewer)
        if len(reached):
            near = int(reached[numpy.argmin(off[reached])])  # the smaller of two that are as near
            if off[near] < distance:
                best, distance = (near, index), float(off[near])
        if distance <= best_possible:
            break
    total, last = best
    if last < 0:
        return [alone]
    found = []
    for index in range(last, -1, -1):
        if total and changed[index][total // 8] >> (7 - total % 8) & 1:
            found.append(index)
            total -= lines[index]
    return found[::-1]


def spread(groups: Sequence[Mapping[str, int]], shares: Sequence[float]) -> list[int]:
    """Return the side of each group, so that each side has its share of all lines and of the lines of every value.

    Least squares: of each value, relative to its lines, and as heavily as all values together of the sum. Groups are placed
    one after the other where they are missing most, then moved and exchanged while that brings anything nearer. Where they are
    few, the same is done from several beginnings, and the nearest end is taken.

    Args:
        groups: lines of each value in each group, in the order in which groups are placed; at least as many as shares.
        shares: of each side; each gets at least one group.
    """
    places = {value: place for place, value in enumerate(dict.fromkeys(value for group in groups for value in group))}
    vectors = [
        [(places[value], lines) for value, lines in group.items()] + [(len(places), sum(group.values()))]
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
        vectors: of each group, its values' places and lines, and last the sum of its lines.
        shares: of each side.
    """

    def __init__(self, vectors: Sequence[Sequence[tuple[int, int]]], shares: Sequence[float]) -> None:
        totals = [0] * (1 + max(place for vector in vectors for place, _ in vector))
        for vector in vectors:
            for place, lines in vector:
                totals[place] += lines
        values = len(totals) - 1
        self.vectors = vectors
        self.weights = [1 / total for total in totals[:-1]] + [values / totals[-1]]
        self.off = [[-share * total for total in totals] for share in shares]  # lines more than its share
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
        """Return what adding a group to a side (1), or taking it away (-1), adds to the squares."""
        off = self.off[side]
        return sum(
            self.weights[place] * lines * (2 * sign * off[place] + lines) for place, lines in self.vectors[index]
        )

    def _put(self, index: int, side: int) -> None:
        self.side[index] = side
        self.members[side] += 1
        for place, lines in self.vectors[index]:
            self.off[side][place] += lines

    def _take(self, index: int) -> int:
        side = self.side[index]
        self.members[side] -= 1
        for place, lines in self.vectors[index]:
            self.off[side][place] -= lines
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
