"""Whether a file is so ordinary that every kraken reads from it the lines that we read: one look at each line.

What we read already tells much: a line that we found no baseline in is not looked at again. What is left is what our
readers put up with and kraken does not.
"""

from __future__ import annotations

from lxml import etree

from htr_exp.groundtruth.as_kraken.parsers import Lost, box_4, first, reading_order_7, region_points, size_7
from htr_exp.groundtruth.as_kraken.values import Unreadable, custom
from htr_exp.groundtruth.choices import OTHER_TEXT
from htr_exp.groundtruth.model import Page


def is_usual(root: etree._Element, page: Page) -> bool:
    """Tell whether kraken 4.3.13 and 7.1.1 read from this file just what we read.

    Args:
        root: the file's root element.
        page: the file as we read it.
    """
    if not page.image_name or any(code in OTHER_TEXT for code, _ in page.notes):
        return False
    # A text that is empty to us may stand further below, where kraken finds it.
    if not all(line.baseline and line.polygon and line.text for line in page.lines):
        return False
    try:
        return _usual_page(root, page) if page.format == "page" else _usual_alto(root, page)
    except Lost:
        return False


def _usual_page(root: etree._Element, page: Page) -> bool:
    element = first(root, "Page")
    if element is None or not _plain(element):
        return False
    size_7(element.get("imageWidth"), element.get("imageHeight"), False)
    reading_order_7(root, "regionRef")
    ids = set()
    for region in element:
        if not region.tag.endswith("Region"):
            continue
        if not (region.tag.endswith(_REGIONS) and _plain(region)):
            return False
        for line in region:
            if line.tag.endswith("}TextLine"):
                if not _plain(line):
                    return False
                ids.add(line.get("id"))
    if len(ids) != len(page.lines) or None in ids or sum([1 for _ in root.iter("{*}TextLine")]) != len(ids):
        return False
    return all(_is_plain(shape.get("points")) for shape in root.iter("{*}Coords", "{*}Baseline"))


# As kraken names them; the others are rare enough to be looked at more closely.
_REGIONS = ("}TextRegion", "}ImageRegion", "}GraphicRegion", "}TableRegion", "}SeparatorRegion", "}NoiseRegion")


def _plain(element: etree._Element) -> bool:
    said = element.get("custom")
    named = element.get("primaryLanguage") or element.get("secondaryLanguage")
    return not named and (said is None or _plain_custom[said])


class _PlainCustom(dict[str, bool]):
    """Whether a `custom` attribute has nothing that 7.1 could stumble on; they repeat from line to line."""

    def __missing__(self, text: str) -> bool:
        try:
            found = custom(text)
            plain = "language" not in found and "split" not in found
            int(found.get("readingOrder", [{}])[0].get("index", "0"))
        except (Unreadable, ValueError):
            plain = False
        if len(self) < 10_000:
            self[text] = plain
        return plain


_plain_custom = _PlainCustom()


def _is_plain(points: str | None) -> bool:
    if not points or ", " in points or " ," in points or not (points[0].isdigit() and points[-1].isdigit()):
        return False
    separators = points.encode("ascii", "replace").translate(None, b"0123456789")
    return len(separators) % 2 == 1 and separators == _SEPARATORS[: len(separators)]


_SEPARATORS = b", " * 20_000


def _usual_alto(root: etree._Element, page: Page) -> bool:
    unit = first(root, "MeasurementUnit")
    if unit is not None and (unit.text or "").strip() != "pixel":
        return False
    element = first(root, "Page")
    space = None if element is None else element.find("{*}PrintSpace")
    if element is None or space is None:
        return False
    size_7(element.get("WIDTH"), element.get("HEIGHT"), False)
    reading_order_7(root, "REF")
    box_4(space, "<PrintSpace>")
    ids = set()
    for block in space:
        if not block.tag.endswith("}TextBlock"):
            return False
        outline = block.find("{*}Shape/{*}Polygon")
        if outline is not None:
            region_points(outline)
        elif block.get("HPOS") is not None:
            box_4(block, "a region")
        ids.update([line.get("ID") for line in block if line.tag.endswith("}TextLine")])
    return len(ids) == len(page.lines) and None not in ids and sum([1 for _ in root.iter("{*}TextLine")]) == len(ids)
