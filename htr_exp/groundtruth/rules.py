"""The rules by which a supported kraken would drop a line, lose it or stop at it, applied before it can.

Sources: `extract_polygons` in kraken/lib/segmentation.py of 4.3.13 and 7.1.1, the parsers in kraken/lib/xml of both,
`transform` in kraken/lib/dataset/segmentation.py of 7.1.1.
"""

from __future__ import annotations

import math

from htr_exp.groundtruth.model import Line, Points, Task

SHORTEST_BASELINE = 5.0  # pixels along the line; kraken 7.1.1 drops shorter ones

Fault = tuple[str, str]  # code, message


def fault(line: Line, width: int, height: int, task: Task) -> Fault | None:
    """Return why kraken could not use this line on an image of this size, or None if it can."""
    if not line.baseline:
        return "line_without_baseline", "it has no baseline that can be read"
    if task == "segmentation":
        return _too_short_to_draw(line)
    return _without_polygon(line) or _without_text(line) or _degenerate(line) or _outside(line, width, height)


def _too_short_to_draw(line: Line) -> Fault | None:
    if len(line.baseline) < 2:
        return "line_too_small", "its baseline is a single point"
    return None


def _without_polygon(line: Line) -> Fault | None:
    return None if line.polygon else ("line_without_polygon", "it has no polygon that can be read")


def _without_text(line: Line) -> Fault | None:
    if line.text and not line.text.isspace():
        return None
    return "line_without_text", "it has no text" if not line.text else "its text is white space only"


def _degenerate(line: Line) -> Fault | None:
    if math.dist(line.baseline[0], line.baseline[-1]) < SHORTEST_BASELINE:
        length = sum(map(math.dist, line.baseline, line.baseline[1:]))
        if length < SHORTEST_BASELINE:
            return "line_too_small", f"its baseline is {length:.1f} pixels long: kraken needs {SHORTEST_BASELINE:.0f}"
    if _turns_back(line.baseline):
        return "line_turns_back", "its baseline turns back on itself, and kraken 7 cannot straighten it"
    if _flat(line.polygon):
        return "line_too_small", "its polygon has no area"
    return None


def _turns_back(points: Points) -> bool:
    """Tell whether a segment runs back exactly along the one before: between them kraken 7.1.1 divides by zero."""
    if sorted(points) == list(points):  # from left to right, as nearly all are
        return False
    for (x0, y0), (x1, y1), (x2, y2) in zip(points, points[1:], points[2:], strict=False):
        ax, ay, bx, by = x1 - x0, y1 - y0, x2 - x1, y2 - y1
        if ax * bx + ay * by < 0 and ax * by == ay * bx:
            return True
    return False


def _flat(points: Points) -> bool:
    """Tell whether all points are on one straight line."""
    if len(points) < 3:
        return True
    (x0, y0), (x1, y1) = points[:2]
    for x, y in points[2:]:  # noqa: SIM110 - the first point nearly always decides, a generator costs twice as much
        if (x1 - x0) * (y - y0) != (y1 - y0) * (x - x0):
            return False
    return True


def _outside(line: Line, width: int, height: int) -> Fault | None:
    xs, ys = zip(*line.polygon, *line.baseline, strict=True)
    if min(xs) >= 0 and min(ys) >= 0 and max(xs) < width and max(ys) < height:
        return None
    for what, points in (("polygon", line.polygon), ("baseline", line.baseline)):
        for x, y in points:
            if not (0 <= x < width and 0 <= y < height):
                size = f"{width} x {height}"
                return "line_outside_image", f"its {what} has a point at {x},{y}, outside the image of {size} pixels"
    return None
