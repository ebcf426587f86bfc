"""The rules by which a supported kraken would drop a line, lose it or stop at it, applied before it can.

Sources: `extract_polygons` in kraken/lib/segmentation.py of 4.3.13 and 7.1.1, the parsers in kraken/lib/xml of both,
`transform` in kraken/lib/dataset/segmentation.py of 7.1.1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from htr_exp.core.task import RECOGNITION, SEGMENTATION, Task
from htr_exp.groundtruth.as_kraken import values
from htr_exp.groundtruth.as_kraken.straightening import breaks
from htr_exp.groundtruth.model import Line, Points

SHORTEST_BASELINE = 5.0  # pixels along the line; kraken 7.1.1 drops shorter ones

Fault = tuple[str, str]  # code, message
Box = tuple[int, int, int, int]  # least x, least y, greatest x, greatest y, pixels


def fault(line: Line, task: Task) -> Fault | None:
    """Why kraken cannot use this line, whatever its image, or None if it can.

    Returns:
        The code of the first reason, and all reasons in words.
    """
    reasons = [reason for test in RULES[task].tests if (reason := test(line))]
    return (reasons[0][0], "; ".join(said for _, said in reasons)) if reasons else None


def outside(box: Box | None, width: int, height: int, task: Task) -> Fault | None:
    """Why a line cannot be used on an image of this size (pixels), or None if it can.

    For recognition no point may lie beyond the image. What segmentation learns of a baseline is drawn, and cut off at
    the edge: it can be used as long as some of it is within.

    Args:
        box: least x, least y, greatest x and greatest y of the points that matter for the task.
        width: of the image.
        height: of the image.
        task: what the line is for.
    """
    if box is None:
        return None
    if RULES[task].within(box, width, height):
        return None
    reach = f"it reaches from {box[0]},{box[1]} to {box[2]},{box[3]}"
    return "line_outside_image", f"{reach}, beyond the image of {width} x {height} pixels"


def _without_baseline(line: Line) -> Fault | None:
    return None if line.baseline else ("line_without_baseline", "it has no baseline that can be read")


def _single_point(line: Line) -> Fault | None:
    return ("line_too_small", "its baseline is a single point") if len(line.baseline) == 1 else None


def _without_polygon(line: Line) -> Fault | None:
    return None if line.polygon else ("line_without_polygon", "it has no polygon that can be read")


def without_text(text: str) -> Fault | None:
    """Why kraken would take no line for this text, or None if it does."""
    if not text:
        return "line_without_text", "it has no text"
    if text.isspace():
        return "line_without_text", "its text is white space only"
    if not text.isascii() and any(values.vanishes(text, release) for release in ("4.3", "7.1")):
        return "line_without_text", "its text is only characters that kraken removes"
    return None


def _without_text(line: Line) -> Fault | None:
    return without_text(line.text)


def _too_short(line: Line) -> Fault | None:
    if not line.baseline or math.dist(line.baseline[0], line.baseline[-1]) >= SHORTEST_BASELINE:
        return None
    length = sum(map(math.dist, line.baseline, line.baseline[1:]))
    if length >= SHORTEST_BASELINE:
        return None
    return "line_too_small", f"its baseline is {length:.1f} pixels long: kraken needs {SHORTEST_BASELINE:.0f}"


def _backwards(line: Line) -> Fault | None:
    if not (_turns_back(line.baseline) and len(line.polygon) > 1 and breaks(line.baseline, line.polygon)):
        return None
    return "line_turns_back", "its baseline turns back on itself, and kraken 7 cannot straighten it"


def _without_area(line: Line) -> Fault | None:
    return ("line_too_small", "its polygon has no area") if line.polygon and _flat(line.polygon) else None


def _turns_back(points: Points) -> bool:
    """Tell whether a segment runs back exactly along the one before."""
    if sorted(points) == list(points):  # from left to right, as nearly all are
        return False
    for (x0, y0), (x1, y1), (x2, y2) in zip(points, points[1:], points[2:], strict=False):
        ax, ay, bx, by = x1 - x0, y1 - y0, x2 - x1, y2 - y1
        if ax * bx + ay * by < 0 and ax * by == ay * bx:
            return True
    return False


def cut_by(line: Line, release: str) -> bool:
    """Tell whether a release of kraken can cut a line, with baseline and polygon, out of an image that holds it whole."""
    if len(line.baseline) < 2:
        return False
    if release == "4.3":
        return True
    return len(line.polygon) > 1 and not (_too_short(line) or _backwards(line))


def shapeless(points: Points) -> bool:
    """Tell whether a region has no area that could be learnt."""
    return not points or _flat(points)


def _flat(points: Points) -> bool:
    """Tell whether all points are on one straight line."""
    if len(points) < 3:
        return True
    (x0, y0), (x1, y1) = points[:2]
    for x, y in points[2:]:  # noqa: SIM110 - the first point nearly always decides, a generator costs twice as much
        if (x1 - x0) * (y - y0) != (y1 - y0) * (x - x0):
            return False
    return True


def _whole(box: Box, width: int, height: int) -> bool:
    return box[0] >= 0 and box[1] >= 0 and box[2] < width and box[3] < height


def _in_part(box: Box, width: int, height: int) -> bool:
    return box[2] >= 0 and box[3] >= 0 and box[0] < width and box[1] < height


def _all_points(line: Line) -> Points:
    return line.polygon + line.baseline


def _baseline_points(line: Line) -> Points:
    return line.baseline


@dataclass(frozen=True)
class LineRules:
    """What a task needs of a line.

    Attributes:
        needed: in words.
        tests: each says what is missing; the gravest first.
        points: those that the task needs.
        within: whether the extent of these points lies well enough within an image of a width and height.
    """

    needed: str
    tests: tuple[Callable[[Line], Fault | None], ...]
    points: Callable[[Line], Points]
    within: Callable[[Box, int, int], bool]


RULES: dict[Task, LineRules] = {
    RECOGNITION: LineRules(
        needed="a baseline, a polygon and a text that can be used",
        tests=(_without_baseline, _without_polygon, _without_text, _too_short, _backwards, _without_area),
        points=_all_points,
        within=_whole,
    ),
    SEGMENTATION: LineRules(
        needed="a baseline",
        tests=(_without_baseline, _single_point),
        points=_baseline_points,
        within=_in_part,
    ),
}
"""What each task needs of a line."""
