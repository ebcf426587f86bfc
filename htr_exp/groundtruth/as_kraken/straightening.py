"""Whether kraken 7.1.1 can straighten a line whose baseline turns back: where it does, it may divide by zero.

Between two segments it lays a bevel of some steps, and turns the normal of the first into that of the second. Where the
second runs back exactly along the first, the normals are opposite, and halfway between them there is none: a step that
meets the middle ends the line. The number of steps hangs on the height of the line and the length of the segments.

Sources: `extract_polygons` and `_bevelled_warping_envelope` in kraken/lib/segmentation.py of 7.1.1;
`subdivide_polygon` in skimage/measure/_polygon.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from htr_exp.groundtruth.model import Points

if TYPE_CHECKING:
    from numpy import ndarray

_MANY = 50  # points of a polygon, beyond which kraken simplifies it
_TOLERANCE = 2  # pixels, by which it does


def breaks(baseline: Points, polygon: Points) -> bool:
    """Tell whether 7.1.1 loses a line with this baseline, of three points at least, and this polygon.

    It calculates as kraken does, to the last bit: whether two normals are opposite is a matter of rounding.
    """
    import numpy

    line = numpy.array(baseline)
    directions = numpy.diff(line, axis=0)
    lengths = numpy.linalg.norm(directions, axis=1)
    directions = directions / lengths[:, None]
    back = numpy.flatnonzero((0.5 * directions[:-1] + 0.5 * directions[1:] == 0).all(axis=1))
    if not len(back):
        return False
    widest = _height(line, directions, lengths, polygon) / 3
    for place in back:
        beveled = sum(float(length / max(2.0, length / widest)) for length in lengths[place : place + 2])
        if max(1, round(beveled / (widest / 2))) % 2 == 0:
            return True
    return False


def _height(line: ndarray, directions: ndarray, lengths: ndarray, polygon: Points) -> int:
    """The height of the straightened line, pixels: kraken moves each point of the polygon with its nearest segment."""
    import numpy

    outline = _subdivided(polygon)
    away = outline[None, :] - line[:-1, None]
    along = numpy.einsum("kpm,km->kp", away, directions)
    nearest = numpy.argmin(numpy.maximum(-along, along - lengths[:, None]), axis=0)
    away, of_segment = away[nearest, numpy.arange(len(outline))], directions[nearest]
    heights = of_segment[:, 0] * away[:, 1] - of_segment[:, 1] * away[:, 0] + line[0][1]
    return int(heights.max()) - int(heights.min()) + 1


def _subdivided(polygon: Points) -> ndarray:
    """The polygon with rounded corners: a quadratic B-spline."""
    import numpy

    points = numpy.array(polygon)
    if len(points) > _MANY:
        import shapely

        points = shapely.get_coordinates(
            shapely.simplify(shapely.LineString(points), _TOLERANCE, preserve_topology=False)
        )
    closed = bool((points[0] == points[-1]).all())
    first, second = (numpy.roll(points[:-1], 1, axis=0), points[:-1]) if closed else (points[:-1], points[1:])
    rounded = numpy.empty((2 * len(first), 2))
    rounded[::2], rounded[1::2] = 0.75 * first + 0.25 * second, 0.25 * first + 0.75 * second
    return numpy.vstack([rounded, rounded[:1]] if closed else [points[:1], rounded, points[-1:]])
