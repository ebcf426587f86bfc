"""Pages for the tests with the real kraken: a few of the demo's, or of the real sets the smallest there are."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import shapely
from PIL import Image

from helpers.folders import DEMO
from htr_exp.groundtruth.model import Points
from htr_exp.groundtruth.xml import read_page
from htr_exp.groundtruth.xml_for_kraken import page_xml

PAGE = "dev/page-forais/foral_de_guarda_1250"
ALTO = "demo/alto-hours-sbb25"
HEIGHT = 900  # pixels of a strip


def demo_pages(to: Path, count: int = 6) -> Path:
    """Copy the first pages of the demo."""
    return copy_pages(DEMO / "pages", to, count)


def copy_pages(source: Path, to: Path, count: int) -> Path:
    """Copy the first pages of a set, images and all."""
    to.mkdir(parents=True)
    for xml in sorted(source.glob("*.xml"), key=lambda path: (len(path.name), path.name)):
        image = next(
            (one for one in source.glob(f"{xml.stem}.*") if one.suffix.lower() in (".jpg", ".jpeg", ".png")), None
        )
        if image is not None and len(list(to.glob("*.xml"))) < count:
            shutil.copy(xml, to)
            shutil.copy(image, to)
    return to


def narrow_pages(source: Path, to: Path, count: int) -> Path:
    """Write strips of the first pages of a set, 900 pixels high.

    blla scales every page to one height, so that a third of the width costs a third; and the polygons that kraken draws
    around the lines it finds cost more than the network, and less on a smaller image.
    """
    whole = copy_pages(source, to.with_name(f"{to.name}-whole"), count)
    to.mkdir()
    for xml in sorted(whole.glob("*.xml")):
        page = read_page(xml)
        with Image.open(next(path for path in whole.glob(f"{xml.stem}.*") if path.suffix != ".xml")) as image:
            scale = HEIGHT / image.height
            small = image.resize((round(scale * image.width), HEIGHT))
            left, width = small.width // 4, small.width // 3
            small.crop((left, 0, left + width, HEIGHT)).save(to / f"{xml.stem}.jpg")
        frame = (left + 1, 1, left + width - 1, HEIGHT - 1)
        regions = [
            replace(one, polygon=_within(shapely.Polygon(one.polygon).buffer(0), scale, frame))
            for one in page.regions
            if len(one.polygon) > 2
        ]
        lines = [
            replace(one, baseline=_within(shapely.LineString(one.baseline), scale, frame), polygon=())
            for one in page.lines
            if len(one.baseline) > 1
        ]
        kept = [
            one for one in lines if len(one.baseline) > 1 and abs(one.baseline[-1][0] - one.baseline[0][0]) > width / 3
        ]
        (to / xml.name).write_bytes(
            page_xml(f"{xml.stem}.jpg", width, HEIGHT, [one for one in regions if one.polygon], kept)
        )
    return to


def _within(shape: shapely.Geometry, scale: float, frame: tuple[int, int, int, int]) -> Points:
    """The longest part of a shape, scaled, that is within a frame, as seen from its left edge."""
    scaled = shapely.transform(shape, lambda points: points * scale)
    parts = shapely.get_parts(shapely.clip_by_rect(scaled, *frame))
    part = max(parts, key=lambda one: one.length, default=None)
    if part is None:
        return ()
    outline = part.exterior if isinstance(part, shapely.Polygon) else part
    return tuple((round(x) - frame[0], round(y)) for x, y in outline.coords)


def lists(folder: Path, train: int) -> list[str]:
    """The words of a split: the first pages to train on, then one to validate, one to test."""
    names = sorted(path.name for path in folder.glob("*.xml"))
    sides = {"train": names[:train], "validation": names[train : train + 1], "test": names[train + 1 : train + 2]}
    words = ["split=lists"]
    for side, of_side in sides.items():
        path = folder.parent / f"{side}.txt"
        path.write_text("".join(f"{name}\n" for name in of_side))
        words.append(f"split.lists.{side}={path}")
    return words
