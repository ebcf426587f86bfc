"""Baselines as points at equal steps, and how near those of one line come to those of another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from htr_exp.groundtruth.model import Points
from htr_exp.scoring.layout.model import Booleans, Floats, Integers, ranges

SPACING = 5  # pixels between ticks, as in the published tool (`desPolyTickDist`)
FEWEST = 20  # ticks of a line that is long enough for them; a shorter one has a tick at each pixel
MOST = 20_000
"""Ticks of a line, reached at 100,000 pixels: no image has such a line, but a damaged file may."""

_AT_ONCE = 1 << 20  # distances computed in one go: 8 MiB an array


@dataclass(frozen=True)
class Ticks:
    """The ticks of several baselines, one line after the other; each line has at least one."""

    points: Floats  # (x, y) a row: whole pixels
    starts: Integers  # of each line in `points`
    counts: Integers  # of ticks of each line

    @cached_property
    def low(self) -> Floats:
        """The left upper corner of each line."""
        return np.minimum.reduceat(self.points, self.starts) if len(self.starts) else np.empty((0, 2))

    @cached_property
    def high(self) -> Floats:
        """The right lower corner of each line."""
        return np.maximum.reduceat(self.points, self.starts) if len(self.starts) else np.empty((0, 2))

    def gathered(self, lines: Integers) -> tuple[Integers, Integers]:
        """The ticks of some lines: for each tick the place of its line in `lines`, and its own in `points`."""
        counts = self.counts[lines]
        return np.repeat(np.arange(len(lines)), counts), ranges(self.starts[lines], counts)

    def means(self, values: Floats) -> Floats:
        """The mean of each line over its ticks."""
        return np.add.reduceat(values, self.starts) / self.counts if len(self.starts) else np.empty(0)


def ticks_of(baselines: Sequence[Points]) -> Ticks:
    """The ticks of baselines, none of them empty, where the published tool has them.

    Tool: Transkribus BaseLineEvaluationScheme, `Util.normDesDist`. A baseline is drawn pixel by pixel, and every fifth
    pixel or so is kept, with the first and the last. A baseline of one point, of which the tool makes none, is one tick.
    """
    if not baselines:
        return Ticks(np.empty((0, 2)), np.empty(0, np.intp), np.empty(0, np.intp))
    vertices = np.array([point for points in baselines for point in points], dtype=np.float64)
    sizes = np.array([len(points) for points in baselines])
    last = np.cumsum(sizes) - 1
    first = last - sizes + 1
    steps = np.diff(vertices, axis=0, append=vertices[-1:])
    pixels = np.abs(steps).max(axis=1)
    pixels[last] = 1  # from the end of a line to the beginning of the next, so that no two share a place on the path
    path = np.concatenate(([0.0], np.cumsum(pixels)[:-1]))
    lengths = path[last] - path[first]
    counts = np.where(lengths < FEWEST, lengths + 1, np.maximum(FEWEST, lengths // SPACING + 1))
    counts = np.minimum(counts, MOST).astype(np.intp)
    number = ranges(np.zeros_like(counts), counts)
    step = np.repeat(lengths / np.maximum(counts - 1, 1), counts)
    ends = np.cumsum(counts)
    along = np.floor(number * step)
    along[ends - 1] = lengths
    places = np.repeat(path[first], counts) + along
    segment = np.searchsorted(path, places, side="right") - 1
    within = (places - path[segment])[:, None] * steps[segment] / np.maximum(pixels[segment], 1)[:, None]
    return Ticks(np.floor(vertices[segment] + within + 0.5), (ends - counts).astype(np.intp), counts)


class Swarm(NamedTuple):
    """Points that are compared with those of another swarm under the same number."""

    number: Integers
    along: Floats  # where each lies on the axis that is searched
    at: tuple[Floats, ...]  # what distances are measured between, an axis each

    def some(self, chosen: Booleans) -> Swarm:
        """The chosen points."""
        return Swarm(self.number[chosen], self.along[chosen], tuple(axis[chosen] for axis in self.at))


def nearest(here: Swarm, there: Swarm, reach: Floats) -> Floats:
    """How far each point of `here` is from the nearest of `there`, in city-block distance; infinity without one.

    Args:
        here: the points to measure from.
        there: the points to measure to.
        reach: for each point of `here`, how far along the axis the other may be.
    """
    distances = np.full(len(here.along), np.inf)
    if not len(here.along) or not len(there.along):
        return distances
    low = min(here.along.min(), there.along.min())
    stride = max(here.along.max(), there.along.max()) - low + 2 * reach.max() + 1  # numbers out of each other's reach
    place = here.along - low + here.number * stride
    others = there.along - low + there.number * stride
    order = np.argsort(others, kind="stable")
    others, targets = others[order], tuple(axis[order] for axis in there.at)
    begin = np.searchsorted(others, place - reach, side="left")
    counts = np.searchsorted(others, place + reach, side="right") - begin
    asked = np.flatnonzero(counts)
    block = np.cumsum(counts[asked]) // _AT_ONCE
    for rows in np.split(asked, np.flatnonzero(np.diff(block)) + 1):
        if len(rows):
            size = counts[rows]
            near = ranges(begin[rows], size)
            apart = np.zeros(len(near))
            for own, other in zip(here.at, targets):
                apart += np.abs(np.repeat(own[rows], size) - other[near])
            distances[rows] = np.minimum.reduceat(apart, np.cumsum(size) - size)
    return distances
