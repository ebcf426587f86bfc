"""The parsers of kraken 4.3.13 and 7.1.1, followed step by step to the lines they would give to training.

They differ from each other and from what PAGE and ALTO say, and an odd file is seldom odd in one way only. Sources:
kraken/lib/xml.py of 4.3.13; kraken/lib/xml/{__init__,common,alto,page}.py of 7.1.1.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from lxml import etree

from htr_exp.groundtruth.as_kraken.values import Unreadable, alto_points, custom, page_points, withdrawn


class Lost(Exception):
    """A file is lost as a whole."""

    def __init__(self, why: str, stops: bool = False) -> None:
        super().__init__(why)
        self.why = why
        self.stops = stops


def _stops(why: str) -> Lost:
    return Lost(why, stops=True)


@dataclass(slots=True)
class SeenLine:
    """What decides whether a line goes into training."""

    id: object  # nothing else is equal to that of a line which kraken passes over
    baseline: bool  # whether there is any point
    polygon: bool
    text: str
    element: etree._Element
    glued: bool = False


def _passed_over(line: etree._Element) -> SeenLine:
    return SeenLine(object(), False, False, "", line)


def first(root: etree._Element, name: str) -> etree._Element | None:
    """The first element of this name, whatever its namespace, wherever it is."""
    return next(root.iter(f"{{*}}{name}"), None)


def _text_of(element: etree._Element | None) -> str | None:
    return None if element is None else element.text


# PAGE

_PAGE_REGIONS = (
    *("TextRegion", "ImageRegion", "LineDrawingRegion", "GraphicRegion", "TableRegion", "ChartRegion", "MapRegion"),
    *("SeparatorRegion", "MathsRegion", "ChemRegion", "MusicRegion", "AdvertRegion", "NoiseRegion", "UnknownRegion"),
    "CustomRegion",
)


def _page_4(root: etree._Element, image_there: bool) -> list[SeenLine]:
    page = first(root, "Page")
    if page is None or page.get("imageFilename") is None:
        raise Lost("it names no image")
    for region in root.iter(*[f"{{*}}{name}" for name in _PAGE_REGIONS]):
        shape = _points_4(region.find("{*}Coords"), "region")
        if shape is not None and not region.get("type") and (said := region.get("custom")):
            _custom(said, stops=True)
    lines = []
    for line in root.iter("{*}TextLine"):
        polygon = _points_4(line.find("{*}Coords"), "polygon")
        baseline = _points_4(line.find("{*}Baseline"), "baseline")
        if baseline is not None:
            text, glued = _page_text(line)
            if said := line.get("custom"):
                _custom(said, stops=True)
            lines.append(SeenLine(None, bool(baseline), bool(polygon), text, line, glued))
        else:
            lines.append(_passed_over(line))
    _image_4(page.get("imageFilename"), image_there)
    return lines


def _points_4(element: etree._Element | None, what: str) -> int | None:
    """The number of points, or None where kraken goes on without them."""
    if element is None:
        return None
    points = element.get("points")
    if points is None:
        raise _stops(f"a {what} has no points in the attribute `points`, as in PAGE of 2010")
    try:
        return page_points(points)
    except Unreadable:
        return None


def _custom(text: str, stops: bool = False) -> dict[str, list[dict[str, str]]]:
    try:
        return custom(text)
    except Unreadable:
        raise Lost(f"custom={text[:60]!r} has a brace too many or too few", stops) from None


def _image_4(name: str | None, there: bool) -> None:
    if not name:
        raise _stops("it names no image")
    if not there:
        raise Lost("its image is not where it says")


def _page_text(line: etree._Element) -> tuple[str, bool]:
    """The text as kraken puts it together, and whether from its words."""
    equiv = line.find("{*}TextEquiv")
    source = line if equiv is None else equiv
    text = "".join([part.text or "" for part in source.iterfind(".//{*}Unicode")])
    return text, equiv is None and bool(text)


def _page_7(root: etree._Element, image_there: bool) -> list[SeenLine]:
    page = first(root, "Page")
    if page is None or page.get("imageFilename") is None:
        raise Lost("it names no image")
    _languages(page)
    size_7(page.get("imageWidth"), page.get("imageHeight"), image_there)
    lines = []
    for region in page.iterfind("{*}*"):
        name = str(region.tag).rpartition("}")[2]
        if name.endswith(_PAGE_REGIONS):
            lines += _page_region_7(region, name)
    reading_order_7(root, "regionRef")
    return lines


def _page_region_7(region: etree._Element, name: str) -> list[SeenLine]:
    shape = _points_7(region.find("{*}Coords"))
    kind = region.get("type")
    _languages(region)
    if (said := region.get("custom")) is not None:
        values = _custom(said)
        kind = kind or values.get("structure", [{}])[0].get("type")
        index = values.get("readingOrder", [{}])[0].get("index")
        if index is not None and shape is not None:
            _integer(index, "the index of a reading order")
    if not kind and name not in _PAGE_REGIONS:
        raise Lost(f"it has a region <{name}>, which it does not know")
    lines = []
    for line in region.iterfind("{*}TextLine"):
        baseline = _points_7(line.find("{*}Baseline"))
        if baseline is None:
            lines.append(_passed_over(line))
            continue
        polygon = _points_7(line.find("{*}Coords"))
        text, glued = _page_text(line)
        if (said := line.get("custom")) is not None:
            split = _custom(said).get("split", ())
            if len(split) == 1 and "type" not in split[0]:
                raise Lost(f"custom={said[:60]!r} has a split without a type")
        _languages(line)
        lines.append(SeenLine(line.get("id"), bool(baseline), bool(polygon), text, line, glued))
    return lines


def _points_7(element: etree._Element | None) -> int | None:
    points = None if element is None else element.get("points")
    try:
        return None if points is None else page_points(points)
    except Unreadable:
        return None


def _languages(element: etree._Element) -> None:
    named = [element.get("primaryLanguage"), element.get("secondaryLanguage")]
    said = element.get("custom")
    if said is not None:
        named += [value.get("type") for value in _custom(said).get("language", ())]
    for language in named:
        if withdrawn(language):
            raise Lost(f"{language!r} is no longer the name of a language")


def _integer(text: str | None, what: str) -> int:
    try:
        return int(text)  # type: ignore[arg-type]  # None is one of the cases
    except (TypeError, ValueError):
        raise Lost(f"{what} is {'not given' if text is None else repr(text[:60])} instead of a whole number") from None


def size_7(width: str | None, height: str | None, image_there: bool) -> None:
    """Look at the size of a page as 7.1.1 reads it; raises Lost."""
    size = _integer(width, "the width of its image"), _integer(height, "the height of its image")
    if not all(size) and not image_there:
        raise Lost("it gives no size of its image, which is not where it says")


def reading_order_7(root: etree._Element, reference: str) -> None:
    """Look at the reading order as 7.1.1 reads it; raises Lost."""
    found = first(root, "ReadingOrder")
    orders = [] if found is None else list(found)
    if len(orders) == 1 and str(orders[0].tag).endswith("UnorderedGroup"):
        orders = list(orders[0])
    for order in orders:
        if not str(order.tag).endswith("OrderedGroup") and order.get(reference) is None:
            raise Lost(f"its reading order has an element that refers to nothing (no `{reference}`)")


# ALTO


def _alto_4(root: etree._Element, image_there: bool) -> list[SeenLine]:
    name = _text_of(first(root, "fileName"))
    if not name:
        raise Lost("it names no image")
    space = root.find("{*}Layout/{*}Page/{*}PrintSpace")
    if space is None:
        raise _stops("it has no <PrintSpace>")
    box_4(space, "<PrintSpace>")
    for kind in ("TextBlock", "IllustrationType", "GraphicalElementType", "ComposedBlock"):
        for region in root.iterfind(f"{{*}}Layout/{{*}}Page/{{*}}PrintSpace/{{*}}{kind}"):
            shape = region.find("{*}Shape/{*}Polygon")
            if shape is not None:
                try:
                    _alto_points(shape.get("POINTS"), whole=False)
                except Unreadable:
                    raise _stops("a region's polygon has an odd number of coordinates, or none at all") from None
            elif all(region.get(key) is not None for key in ("HPOS", "VPOS", "WIDTH", "HEIGHT")):
                box_4(region, "a region")
    lines = []
    for line in root.iter("{*}TextLine"):
        points = line.get("BASELINE")
        if points is None:
            lines.append(_passed_over(line))
            continue
        shape = line.find("{*}Shape/{*}Polygon")
        if shape is not None and shape.get("POINTS") is None:
            raise _stops("a line's polygon has no `POINTS`")
        polygon = None if shape is None else _some(shape.get("POINTS"), whole=False)
        lines.append(SeenLine(None, bool(_some(points, whole=False)), bool(polygon), _alto_text(line), line))
    _image_4(name, image_there)
    return lines


def box_4(element: etree._Element, what: str) -> None:
    """Look at a box as 4.3.13 reads it; raises Lost."""
    for key in ("HPOS", "VPOS", "WIDTH", "HEIGHT"):
        value = element.get(key)
        try:
            int(float(value))  # type: ignore[arg-type]  # None is one of the cases
        except (TypeError, ValueError, OverflowError):
            raise _stops(f"{what} has {f'{key}={value[:60]!r}' if value is not None else f'no {key}'}") from None


def _alto_points(points: str | None, *, whole: bool) -> int:
    if points is None:
        raise Unreadable("")
    return alto_points(points, whole=whole)


def _some(points: str | None, *, whole: bool) -> int | None:
    try:
        return _alto_points(points, whole=whole)
    except Unreadable:
        return None


def _alto_text(line: etree._Element) -> str:
    return "".join([part.get("CONTENT") or " " for part in line.iter("{*}String", "{*}SP")])


_ALTO_REGIONS = ("TextBlock", "Illustration", "GraphicalElement", "ComposedBlock")


def _alto_7(root: etree._Element, image_there: bool) -> list[SeenLine]:
    unit = first(root, "MeasurementUnit")
    if unit is not None and (unit.text is None or unit.text.strip() != "pixel"):
        raise Lost(f"it measures in {(unit.text or '').strip()[:60]!r}, not in pixels")
    if not _text_of(first(root, "fileName")):
        raise Lost("it names no image")
    page = first(root, "Page")
    if page is None:
        raise Lost("it has no <Page>")
    size_7(page.get("WIDTH"), page.get("HEIGHT"), image_there)
    lines = []
    try:
        for region in root.iterfind("{*}Layout/{*}Page/{*}PrintSpace/{*}*"):
            name = str(region.tag).rpartition("}")[2]
            if name.endswith(_ALTO_REGIONS):
                if name not in _ALTO_REGIONS and not region.get("TYPE") and not _labelled(root, region.get("TAGREFS")):
                    raise Lost(f"it has a region <{name}>, which it does not know")
                lines += _alto_region_7(region)
    except OverflowError:
        raise Lost("a coordinate is infinite") from None
    reading_order_7(root, "REF")
    return lines


def _labelled(root: etree._Element, references: str | None) -> bool:
    named = set((references or "").split())
    tags = [
        tag for kind in ("StructureTag", "LayoutTag", "OtherTag") for tag in root.iterfind(f".//{{*}}Tags/{{*}}{kind}")
    ]
    return any(tag.get("ID") in named and tag.get("TYPE") in (None, "", "region", "type") for tag in tags)


def region_points(shape: etree._Element) -> None:
    """Look at the polygon of a region as 7.1.1 reads it; raises Lost."""
    try:
        _alto_points(shape.get("POINTS"), whole=True)
    except Unreadable:
        raise Lost("a region's polygon has an odd number of coordinates, or none at all") from None
    except OverflowError:
        raise Lost("a coordinate is infinite") from None


def _alto_region_7(region: etree._Element) -> list[SeenLine]:
    shape = region.find("{*}Shape/{*}Polygon")
    if shape is not None:
        region_points(shape)
    else:
        box = [region.get(key) for key in ("HPOS", "VPOS", "WIDTH", "HEIGHT")]
        with contextlib.suppress(TypeError, ValueError):
            [int(float(value)) for value in box]  # type: ignore[arg-type]  # None is one of the cases
    lines = []
    for line in region.iterfind("{*}TextLine"):
        baseline = _some(line.get("BASELINE"), whole=True)
        if baseline is None:
            lines.append(_passed_over(line))
            continue
        shape = line.find("{*}Shape/{*}Polygon")
        polygon = None if shape is None else _some(shape.get("POINTS"), whole=True)
        lines.append(SeenLine(line.get("ID"), bool(baseline), bool(polygon), _alto_text(line), line))
    return lines


Parser = Callable[[etree._Element, bool], list[SeenLine]]
"""Takes the root and whether the image is where the file says; raises Lost if the file is lost as a whole."""

PARSERS: dict[tuple[str, bool], Parser] = {
    ("4.3", False): _page_4,
    ("7.1", False): _page_7,
    ("4.3", True): _alto_4,
    ("7.1", True): _alto_7,
}
