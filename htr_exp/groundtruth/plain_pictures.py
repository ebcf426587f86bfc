"""Cuts pictures out of a page image for people to read: a line, with what is around it faded, and the page as a thumbnail."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from pathlib import Path

from PIL import Image, ImageDraw

from htr_exp.groundtruth.line_pictures import Decoded, Picture, Unreadable, decoded
from htr_exp.groundtruth.model import Line

LINE_SIZE = (900, 150)  # a picture of a line is at most as wide and high, pixels
UPRIGHT_SIZE = (220, 560)  # of a line that is written from top to bottom
THUMBNAIL_SIZE = (150, 200)
_LARGEST = 2.0  # times that a small line is enlarged
_WHITE = (255, 255, 255)
_FADED = 0.6  # of what lies outside the polygon, that is white
_LEAST_MARGIN = 6  # around a line, pixels of the page
_BARE_MARGIN = 40  # around a baseline without a polygon

Box = tuple[int, int, int, int]


def plain_pictures(
    path: Path, lines: Mapping[str, Line], *, thumbnail: bool, upright: bool
) -> tuple[dict[str, Picture], Picture | None]:
    """Pictures of a page's lines, and of the page; its image is decoded once, no larger than is needed.

    Args:
        path: of the image.
        lines: by any names.
        thumbnail: whether there is to be one.
        upright: whether points are in the image as EXIF turns it, as for kraken 7.

    Returns:
        The pictures of the lines, by their names, and the thumbnail. What cannot be shown says why.
    """
    boxes = {name: _box(line) for name, line in lines.items()}

    def size(width: int, height: int) -> tuple[int, int]:
        longer = max(width, height)  # whether it will be turned is not known yet
        within = [inside for box in boxes.values() if box and (inside := _within(box, longer, longer))]
        factor = max(map(_factor, within), default=0.0)
        least = max(factor, min(THUMBNAIL_SIZE[0] / width, THUMBNAIL_SIZE[1] / height))
        return min(width, math.ceil(width * least)), min(height, math.ceil(height * least))

    try:
        image = decoded(path, size=size, upright=upright)
    except Unreadable as error:
        none = Picture(None, said=str(error))
        return dict.fromkeys(lines, none), none if thumbnail else None
    found = {name: _line(image, lines[name], box) for name, box in boxes.items()}
    return found, _thumbnail(image) if thumbnail else None


def _box(line: Line) -> Box | None:
    points = line.polygon or line.baseline
    if not points:
        return None
    xs, ys = [x for x, _ in points], [y for _, y in points]
    thin = min(max(xs) - min(xs), max(ys) - min(ys))
    margin = max(_LEAST_MARGIN, thin // 8) if line.polygon else _BARE_MARGIN
    return min(xs) - margin, min(ys) - margin, max(xs) + margin, max(ys) + margin


def _within(box: Box, width: float, height: float) -> Box | None:
    """The part of a box that lies in an image; None where hardly anything does."""
    found = max(box[0], 0), max(box[1], 0), min(box[2], math.floor(width)), min(box[3], math.floor(height))
    return found if found[2] - found[0] >= 2 and found[3] - found[1] >= 2 else None


def _factor(box: Box) -> float:
    """How much a part of a page is enlarged."""
    width, height = box[2] - box[0], box[3] - box[1]
    most = UPRIGHT_SIZE if height > 2 * width else LINE_SIZE
    return min(most[0] / width, most[1] / height, _LARGEST)


def _line(image: Decoded, line: Line, box: Box | None) -> Picture:
    if box is None:
        return Picture(None, said="it has no points that could be shown")
    inside = _within(box, image.width, image.height)
    if inside is None:
        return Picture(None, said="it lies outside the image")
    left, top, right, bottom = inside
    factor = _factor(inside)
    size = max(1, round((right - left) * factor)), max(1, round((bottom - top) * factor))
    seen = image.part(inside, size)
    if len(line.polygon) > 2:
        clear = Image.new("L", size, round(255 * (1 - _FADED)))
        ImageDraw.Draw(clear).polygon([((x - left) * factor, (y - top) * factor) for x, y in line.polygon], fill=255)
        seen = Image.composite(seen, Image.new("RGB", size, _WHITE), clear)
    return Picture(_jpeg(seen), size)


def _thumbnail(image: Decoded) -> Picture:
    factor = min(THUMBNAIL_SIZE[0] / image.width, THUMBNAIL_SIZE[1] / image.height)
    size = max(1, round(image.width * factor)), max(1, round(image.height * factor))
    return Picture(_jpeg(image.part((0, 0, image.width, image.height), size)), size)


def _jpeg(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=70, optimize=True)
    return out.getvalue()
