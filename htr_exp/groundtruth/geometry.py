"""What the shapes of lines tell: how long and high they are, and which are drawn so that a reading may suffer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import chain

from htr_exp.groundtruth.model import Line, Points


def length(points: Points) -> float:
    """The length of a line of points, pixels."""
    return sum(map(math.dist, points, points[1:]))


def polygons(lines: Sequence[Line]) -> tuple[list[float], list[int]]:
    """Measure the polygons of some lines.

    Returns:
        Each polygon's area in square pixels (0 where there are less than three points), and the indices of those that
        are not simple: a polygon that crosses or touches itself has no well-defined inside (OGC Simple Features,
        as GEOS tests it).
    """
    areas = [0.0] * len(lines)
    drawn = [number for number, line in enumerate(lines) if len(line.polygon) > 2]
    if not drawn:
        return areas, []
    import numpy  # both cost a third of a second, and a dataset that is remembered needs neither
    import shapely

    rings = [lines[number].polygon for number in drawn]
    points = numpy.array(list(chain.from_iterable(chain.from_iterable(rings))), dtype=float).reshape(-1, 2)
    of_ring = numpy.repeat(numpy.arange(len(rings)), [len(ring) for ring in rings])
    shapes = shapely.polygons(shapely.linearrings(points, indices=of_ring))
    for number, area in zip(drawn, shapely.area(shapes).tolist()):
        areas[number] = area
    simple = shapely.is_valid(shapes).tolist()
    return areas, [number for number, well in zip(drawn, simple) if not well]


def crossing(outlines: Sequence[Points], most: int) -> list[int]:
    """The indices of outlines of more than `most` points that cross or touch themselves.

    To make valid polygons of their parts takes the square of their points: with some thousands, minutes.
    """
    long = [number for number, points in enumerate(outlines) if len(points) > most]
    if not long:
        return []
    import shapely

    return [number for number in long if not shapely.is_valid(shapely.Polygon(outlines[number]))]


def right_to_left(lines: Iterable[Line]) -> list[str]:
    """The ids of lines whose baseline runs from right to left: drawn backwards, in a script that does not."""
    found = []
    for line in lines:
        if len(line.baseline) > 1:
            (x0, y0), (x1, y1) = line.baseline[0], line.baseline[-1]
            if x1 < x0 and x0 - x1 > abs(y1 - y0):
                found.append(line.id)
    return found
