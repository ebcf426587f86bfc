"""Cuts small pictures of lines out of page images, with polygon and baseline drawn on them, for people to look at."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageOps

from htr_exp.groundtruth.choices import Choices
from htr_exp.groundtruth.file_tree import shown
from htr_exp.groundtruth.image_file import TooManyPixels, opened_image
from htr_exp.groundtruth.model import Dataset, Line, NotGroundTruth, NotWellFormed, Page, Points
from htr_exp.groundtruth.page_scan import identified
from htr_exp.groundtruth.paths import Located
from htr_exp.groundtruth.xml import open_regular, read_page

MOST_PIXELS = 120_000_000  # of an image that is decoded: a page photographed at 100 megapixels; a bomb has more
LINE_SIZE = (900, 200)  # a picture of a line is at most as wide and high, pixels
PAGE_SIZE = (900, 480)
_MARGIN = 40  # around a line, pixels of the page
_LARGEST = 3.0  # times that a small line is enlarged
_GREY = (222, 222, 222)  # what lies beyond the image
_POLYGON = (0, 84, 210)
_BASELINE = (214, 30, 30)


class Excerpt(NamedTuple):
    """What to cut out."""

    file: str  # label of the page, or of an image
    line: str | None = None  # its id; None: the whole page
    again: bool = False  # of several lines with this id, the last


@dataclass(frozen=True)
class Picture:
    """What there is to see, or why there is nothing."""

    jpeg: bytes | None
    size: tuple[int, int] = (0, 0)  # pixels
    text: str | None = None  # the line's transcription
    said: str = ""  # why there is no picture


class Unreadable(Exception):
    """An image that cannot be shown, with the reason."""


def cut(wanted: Iterable[Excerpt], dataset: Dataset, located: Located) -> dict[Excerpt, Picture]:
    """A picture of each line or page that is wanted; each page is read and each image decoded once.

    Args:
        wanted: lines and pages by the names that problems give them.
        dataset: the pages that are used.
        located: where all other files are.
    """
    of_file: dict[str, list[Excerpt]] = {}
    for one in dict.fromkeys(wanted):
        of_file.setdefault(one.file, []).append(one)
    images = {page.name: page.image for page in dataset.pages}
    found: dict[Excerpt, Picture] = {}
    for label, ones in of_file.items():
        page, path = _page(label, images, located, dataset.choices)
        lines = identified(page.lines) if page is not None else ()
        try:
            if path is None:
                raise Unreadable("its image is not there")
            whole = all(one.line is None for one in ones)
            image = decoded(path, size=(lambda *_: PAGE_SIZE) if whole else None)
        except Unreadable as error:
            for one in ones:
                line = _line(lines, one)
                found[one] = Picture(None, text=line.text if line else None, said=str(error))
            continue
        for one in ones:
            found[one] = _picture(image, lines, one)
    return found


def _page(label: str, images: dict[str, Path], located: Located, choices: Choices) -> tuple[Page | None, Path | None]:
    """The page of a label and its image, as far as they are there; a label may be an image's own."""
    file = located.file(label)
    if file is None:
        return None, None
    try:
        page = read_page(file, choices)
    except (NotWellFormed, NotGroundTruth):
        return None, None if file.suffix.lower() == ".xml" else file
    return page, images.get(label) or located.image(label, page.image_name)


@dataclass(frozen=True)
class Decoded:
    """An image, or a smaller version of it."""

    image: Image.Image
    scale: float  # of its pixels to those that points are in

    @property
    def width(self) -> float:
        """In the pixels of points, as `height`."""
        return self.image.width / self.scale

    @property
    def height(self) -> float:
        return self.image.height / self.scale

    def part(self, box: tuple[float, float, float, float], size: tuple[int, int]) -> Image.Image:
        """A part of the image.

        Args:
            box: left, top, right and bottom within the image, in the pixels of points.
            size: of the picture, pixels.
        """
        left, top, right, bottom = (side * self.scale for side in box)
        inside = (max(left, 0), max(top, 0), min(right, self.image.width), min(bottom, self.image.height))
        return self.image.resize(size, Image.Resampling.BILINEAR, box=inside, reducing_gap=2.0)


def decoded(path: Path, *, size: Callable[[int, int], tuple[int, int]] | None = None, upright: bool = True) -> Decoded:
    """An image's pixels in RGB.

    Args:
        path: of the image.
        size: from width and height, at which size it will do: a smaller version is quicker. None: as it is.
        upright: turn it as EXIF says, as kraken 7 does.

    Raises:
        Unreadable: it cannot be shown.
    """
    try:
        with (
            open(path, "rb", opener=open_regular) as file,
            opened_image(file, most_pixels=MOST_PIXELS) as image,
        ):
            width = image.width
            if size is not None:
                image.draft("RGB", size(image.width, image.height))
            scale = image.width / width
            return Decoded((ImageOps.exif_transpose(image) if upright else image).convert("RGB"), scale)
    except TooManyPixels as error:
        what = f"{shown(path.name)} has {error.pixels // 1_000_000} million pixels: too many to show"
        raise Unreadable(what) from None
    except Exception as error:  # noqa: BLE001 - a broken image raises whatever the decoder of its format does
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise Unreadable(f"{shown(path.name)} cannot be opened: {reason}") from None


def _line(lines: Sequence[Line], one: Excerpt) -> Line | None:
    named = [line for line in lines if line.id == one.line]
    return (named[-1] if one.again else named[0]) if named else None


def _picture(image: Decoded, lines: Sequence[Line], one: Excerpt) -> Picture:
    width, height = round(image.width), round(image.height)
    if one.line is None:
        return _drawn(image, (0, 0, width, height), PAGE_SIZE, 1.0, lines, None, whole=True)
    line = _line(lines, one)
    if line is None:
        return Picture(None, said="the line was not found again")
    points = line.polygon + line.baseline
    if not points:
        return Picture(None, text=line.text, said="it has no points that could be shown")
    xs, ys = [x for x, _ in points], [y for _, y in points]
    left, top = max(min(xs) - _MARGIN, -_MARGIN), max(min(ys) - _MARGIN, -_MARGIN)
    right, bottom = min(max(xs) + _MARGIN, width + _MARGIN), min(max(ys) + _MARGIN, height + _MARGIN)
    if right - left < 2 or bottom - top < 2:
        return Picture(None, text=line.text, said=f"it lies far outside the image, at {min(xs)},{min(ys)}")
    return _drawn(image, (left, top, right, bottom), LINE_SIZE, _LARGEST, [line], line.text, whole=False)


def _drawn(
    seen: Decoded,
    box: tuple[int, int, int, int],
    largest: tuple[int, int],
    enlarged: float,
    lines: Sequence[Line],
    text: str | None,
    *,
    whole: bool,
) -> Picture:
    left, top, right, bottom = box
    factor = min(largest[0] / (right - left), largest[1] / (bottom - top), enlarged)
    size = max(1, round((right - left) * factor)), max(1, round((bottom - top) * factor))
    canvas = Image.new("RGB", size, _GREY)
    part = max(left, 0), max(top, 0), min(right, seen.width), min(bottom, seen.height)
    if part[2] > part[0] and part[3] > part[1]:
        room = max(1, round((part[2] - part[0]) * factor)), max(1, round((part[3] - part[1]) * factor))
        canvas.paste(seen.part(part, room), (round((part[0] - left) * factor), round((part[1] - top) * factor)))
    draw = ImageDraw.Draw(canvas, "RGBA")

    def placed(points: Points) -> list[tuple[float, float]]:
        return [((x - left) * factor, (y - top) * factor) for x, y in points]

    for line in lines:
        if len(line.polygon) > 1:
            outline = placed(line.polygon)
            if whole:
                draw.polygon(outline, fill=(*_POLYGON, 34))
            else:
                draw.line([*outline, outline[0]], fill=(*_POLYGON, 230), width=2, joint="curve")
        if len(line.baseline) > 1:
            draw.line(placed(line.baseline), fill=(*_BASELINE, 230), width=1 if whole else 2)
        if line.baseline and not whole:  # where it begins: a line drawn backwards is seen at once
            x, y = placed(line.baseline[:1])[0]
            draw.ellipse((x - 4, y - 4, x + 4, y + 4), fill=(*_BASELINE, 255))
    out = io.BytesIO()
    canvas.save(out, "JPEG", quality=72, subsampling=0, optimize=True)  # with less colour the thin lines fade
    return Picture(out.getvalue(), size, text)
