"""Draws on the image of a page what a model found there and what it did not, for people to look at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import shapely
from PIL import Image, ImageDraw, ImageFont

from htr_exp.groundtruth.model import Points
from htr_exp.scoring.layout.model import PagePair
from htr_exp.scoring.layout.relations import Relations

LONGEST = 1600  # pixels of the longer side of the picture
NARROWEST = 360  # pixels of its width, for the legend
_FONT_SIZE = 15
_PAD = 8  # pixels around each entry of the legend
_SAMPLE = 34  # pixels of line shown before each of its words
_WHITE = (255, 255, 255)
_INK = (30, 30, 30)

Color = tuple[int, int, int]
Point = tuple[float, float]


@dataclass(frozen=True)
class _Pen:
    """How a kind of line is drawn: colours of Okabe and Ito, which all can tell apart, and patterns besides."""

    name: str
    color: Color
    width: int = 3  # pixels
    pattern: Literal["solid", "dashed", "dotted", "knobbed"] = "solid"
    halo: bool = True  # a white border, so that it is seen on ink as well


_TRUTH = _Pen("ground truth", (110, 110, 110), 1, halo=False)
_REGION = _Pen("predicted region", (0, 0, 0), 1, "dashed", halo=False)
_FOUND = _Pen("found", (0, 158, 115), 3)
_MISSED = _Pen("missed", (213, 94, 0), 5, "dashed")
_INVENTED = _Pen("invented", (0, 114, 178), 5, "dotted")
_MERGED = _Pen("merged", (204, 121, 167), 5)
_SPLIT = _Pen("split", (230, 159, 0), 3, "knobbed")


def draw_overlay(image: Image.Image, pair: PagePair, relations: Relations) -> Image.Image:
    """The page, scaled down, with both layouts drawn on it and a legend with numbers below.

    True lines and regions are thin and grey. Predicted lines are drawn over them as what they are; of several things that
    a line can be, merged goes before split, and both before found and invented. A missed line is drawn where it is
    missing, unless a merged line runs over it.

    Args:
        image: the page, in the pixels of the points.
        pair: its ground truth and what was found.
        relations: `relate` of the lines of both.
    """
    room = LONGEST - _legend_height(relations, NARROWEST)  # a wider one needs fewer rows
    scale = min(1.0, LONGEST / image.width, room / image.height)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    page = image.convert("RGB").resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
    width = max(page.width, NARROWEST)
    picture = Image.new("RGB", (width, page.height + _legend_height(relations, width)), _WHITE)
    picture.paste(page, (0, 0))
    draw = ImageDraw.Draw(picture)
    frame = (-1.0, -1.0, float(page.width), float(page.height))
    for pen, points in _strokes(pair, relations):
        for part in _inside(points, scale, frame):
            _stroke(draw, part, pen)
    _legend(draw, relations, width, page.height)
    return picture


def _strokes(pair: PagePair, relations: Relations) -> Iterator[tuple[_Pen, Points]]:
    """Yield what to draw, the uppermost last."""
    reference, hypothesis = pair.reference, pair.hypothesis
    for region in reference.regions:
        yield _TRUTH, (*region.polygon, *region.polygon[:1])
    for region in hypothesis.regions:
        yield _REGION, (*region.polygon, *region.polygon[:1])
    for line in reference.lines:
        yield _TRUTH, line.baseline
    pens = {
        **dict.fromkeys((predicted for _, predicted in relations.found), _FOUND),
        **dict.fromkeys(relations.invented, _INVENTED),
        **dict.fromkeys(_pieces_of_split(relations), _SPLIT),
        **dict.fromkeys((predicted for predicted, _ in relations.merged), _MERGED),
    }
    for place, pen in sorted(pens.items()):
        yield pen, hypothesis.lines[place].baseline
    for place in sorted(set(relations.missed) - _swallowed(relations)):
        yield _MISSED, reference.lines[place].baseline


def _inside(points: Points, scale: float, frame: tuple[float, float, float, float]) -> Iterator[list[Point]]:
    """Yield the parts of a line within the picture: a point far outside would take for ever to draw."""
    placed = np.array(points, dtype=float).reshape(-1, 2) * scale
    if len(placed) == 1:
        placed = placed + np.array([(-1.0, 0.0), (1.0, 0.0)])
    if len(placed):
        clipped = shapely.clip_by_rect(shapely.linestrings(placed), *frame)
        for part in shapely.get_parts(clipped):
            if not part.is_empty and shapely.get_type_id(part) == shapely.GeometryType.LINESTRING:
                yield [(x, y) for x, y in shapely.get_coordinates(part).tolist()]


def _stroke(draw: ImageDraw.ImageDraw, points: list[Point], pen: _Pen) -> None:
    if pen.pattern == "dashed":
        parts = list(_pieces(points, 3 * pen.width, 2 * pen.width))
    elif pen.pattern == "dotted":
        parts = list(_pieces(points, 1.5 * pen.width, 1.5 * pen.width))
    else:
        parts = [points]
    if pen.halo:
        for part in parts:
            draw.line(part, fill=_WHITE, width=pen.width + 2, joint="curve")
    for part in parts:
        draw.line(part, fill=pen.color, width=pen.width, joint="curve")
    if pen.pattern == "knobbed":  # where each piece begins and ends is what matters of a split line
        for x, y in (points[0], points[-1]):
            draw.ellipse((x - 5, y - 5, x + 5, y + 5), fill=pen.color, outline=_WHITE)


def _pieces(points: list[Point], drawn: float, left_out: float) -> Iterator[list[Point]]:
    """Yield the dashes of a line, of the given lengths in pixels."""
    path = np.array(points)
    along = np.concatenate(([0.0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))))
    for start in np.arange(0.0, max(along[-1], 1e-9), drawn + left_out):
        end = min(start + drawn, along[-1])
        corners = path[(along > start) & (along < end)].tolist()
        begin, stop = ([float(np.interp(at, along, path[:, axis])) for axis in (0, 1)] for at in (start, end))
        yield [(x, y) for x, y in (begin, *corners, stop)]


def _entries(relations: Relations) -> Sequence[tuple[_Pen, str]]:
    merged = _swallowed(relations) & set(relations.missed)
    pieces = (_pieces_of_split(relations) | {line for line, _ in relations.merged}) & set(relations.invented)
    return [
        (_TRUTH, _TRUTH.name),
        (_FOUND, f"found {len(relations.found)}"),
        (_MISSED, f"missed {len(relations.missed)}" + (f", {len(merged)} of them merged" if merged else "")),
        (_INVENTED, f"invented {len(relations.invented)}" + (f", {len(pieces)} of them pieces" if pieces else "")),
        (_MERGED, f"merged {len(relations.merged)}"),
        (_SPLIT, f"split {len(relations.split)}"),
        (_REGION, _REGION.name),
    ]


def _swallowed(relations: Relations) -> set[int]:
    """The true lines that a merged one runs over."""
    return {true for _, group in relations.merged for true in group}


def _pieces_of_split(relations: Relations) -> set[int]:
    """The predicted lines that are pieces of a split one, unless they are merged as well."""
    return {piece for _, pieces in relations.split for piece in pieces} - {line for line, _ in relations.merged}


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(_FONT_SIZE)


def _places(relations: Relations, width: int) -> Iterator[tuple[int, int, _Pen, str]]:
    """Yield the entries of the legend with their left upper corners, in rows that fit the width."""
    font = _font()
    x, y = _PAD, _PAD
    for pen, text in _entries(relations):
        taken = _SAMPLE + _PAD + round(font.getlength(text))
        if x > _PAD and x + taken + _PAD > width:
            x, y = _PAD, y + _FONT_SIZE + _PAD
        yield x, y, pen, text
        x += taken + 2 * _PAD


def _legend_height(relations: Relations, width: int) -> int:
    return max(y for _, y, _, _ in _places(relations, width)) + _FONT_SIZE + 2 * _PAD


def _legend(draw: ImageDraw.ImageDraw, relations: Relations, width: int, top: int) -> None:
    font = _font()
    for x, y, pen, text in _places(relations, width):
        middle = top + y + _FONT_SIZE / 2
        _stroke(draw, [(float(x), middle), (float(x + _SAMPLE), middle)], pen)
        draw.text((x + _SAMPLE + _PAD, middle), text, fill=_INK, font=font, anchor="lm")
