"""PAGE (2010 to 2019) and ALTO (2 to 4) as kraken 7.1 reads them: the same lines, texts, points and types.

Where kraken is blind these readers are not: they also find lines in nested regions, in ALTO's composed blocks and
margins, the points of PAGE 2010 and coordinates with decimals; of several transcriptions of a PAGE line they take the
one that the format calls the main text; and they put a blank between words that have none between them.
"""

from __future__ import annotations

import re

from lxml import etree

from htr_exp.groundtruth import coordinates
from htr_exp.groundtruth.choices import DEFAULT, Choices, in_order
from htr_exp.groundtruth.file_tree import shown
from htr_exp.groundtruth.model import Line, Note, NotGroundTruth, Page, Points, Region, Unplaceable

MOST_POINTS = 5_000
"""Of a polygon or baseline. Those of kraken and of other programs have some hundreds; what is computed of one takes the square of it."""

# The type of a region that states none (kraken/lib/xml/common.py, 7.1.1).
_PAGE_REGIONS = {
    "TextRegion": "text",
    "ImageRegion": "image",
    "LineDrawingRegion": "line drawing",
    "GraphicRegion": "graphic",
    "TableRegion": "table",
    "ChartRegion": "chart",
    "MapRegion": "map",
    "SeparatorRegion": "separator",
    "MathsRegion": "maths",
    "ChemRegion": "chem",
    "MusicRegion": "music",
    "AdvertRegion": "advert",
    "NoiseRegion": "noise",
    "UnknownRegion": "unknown",
    "CustomRegion": "custom",
}
_ALTO_REGIONS = {
    "TextBlock": "text",
    "Illustration": "illustration",
    "GraphicalElement": "graphic",
    "ComposedBlock": "composed",
}


class _Found:
    """The regions and lines of a page, in the order of the file."""

    def __init__(self, choices: Choices) -> None:
        self.choices = choices
        self.regions: list[Region] = []
        self.lines: list[Line] = []
        self.corrected = False  # the text that is read of a line has index 0
        self.guessed: list[int] = []  # numbers of the lines where it has a higher one
        self._notes: dict[str, list[str]] = {}
        self._ids: set[str] = set()

    def note(self, code: str, identifier: str | None) -> None:
        """Note what a warning is to be given of, and the line or region that it is about."""
        self._notes.setdefault(code, []).append(identifier or "")

    @property
    def notes(self) -> tuple[Note, ...]:
        return tuple((code, tuple(ids)) for code, ids in self._notes.items())

    def index(self, index: int | None) -> None:
        """Note the index of the text that is read of the next line."""
        if index == 0:
            self.corrected = True
        elif index:
            self.guessed.append(len(self.lines))

    def outline(self, text: str | None, identifier: str | None) -> Points:
        """The points of a coordinate list; of one that is beyond all measure none, and a note."""
        points = coordinates.points(text)
        if len(points) <= MOST_POINTS:
            return points
        self.note("too_many_points", identifier)
        return ()

    def region(self, identifier: str | None, kind: str | None, default: str, polygon: Points) -> str:
        """Add a region and return its id, made unique: nothing but its lines refers to it."""
        if kind is None:
            self.note("region_without_type", identifier)
        if identifier in self._ids:
            self.note("duplicate_region_id", identifier)
        number = len(self.regions) + 1
        while not identifier or identifier in self._ids:
            identifier = f"region_{number}"
            number += 1
        self._ids.add(identifier)
        self.regions.append(Region(identifier, kind or default, polygon))
        return identifier


class _Names(dict[str, str]):
    """The names of elements without their namespaces."""

    def __missing__(self, tag: str) -> str:
        name = tag[tag.rfind("}") + 1 :]
        if len(self) < 1_000:
            self[tag] = name
        return name


_names = _Names()


def _only(pages: list[etree._Element], root: etree._Element) -> etree._Element:
    """The page of a file.

    Raises:
        NotGroundTruth: there is none.
        Unplaceable: there are several.
    """
    if not pages:
        raise NotGroundTruth("it has no <Page>")
    if len(pages) > 1:
        message = f"it has {len(pages)} <Page> elements, and names one image"
        raise Unplaceable("several_pages", message, len(pages), _line_ids(root))
    return pages[0]


def _line_ids(root: etree._Element) -> tuple[str, ...]:
    return tuple([line.get("ID") or line.get("id") or "" for line in root.iter("{*}TextLine")])


_SOFT = "\u00ad"  # Abbyy's programs write a hyphen at the end of a line so; nothing that learns would see it

_UNITS = {"mm10": " (tenths of a millimetre)", "inch1200": " (1200ths of an inch)"}


# PAGE


def read_pcgts(root: etree._Element, namespace: str, choices: Choices = DEFAULT) -> Page:
    """Read a PAGE document.

    Raises:
        NotGroundTruth: it has no page.
        Unplaceable: it has several.
    """
    page, found = _only(root.findall(f"{namespace}Page"), root), _Found(choices)
    _walk_page(page, None, found)
    year = re.search(r"\d{4}-\d\d-\d\d", namespace)
    return Page(
        format="page",
        version=year.group() if year else "",
        image_name=page.get("imageFilename") or "",
        width=coordinates.integer(page.get("imageWidth")),
        height=coordinates.integer(page.get("imageHeight")),
        regions=tuple(found.regions),
        lines=tuple(found.lines),
        notes=found.notes,
        corrected=found.corrected,
        guessed=tuple(found.guessed),
    )


def _walk_page(parent: etree._Element, region: str | None, found: _Found) -> None:
    for child in parent:
        name = _names[child.tag]
        if name == "TextLine":
            found.lines.append(_page_line(child, region, found))
        elif name.endswith("Region"):
            polygon = next((_coords(part, child, found) for part in child if _names[part.tag] == "Coords"), ())
            kind = child.get("type") or _structure(child)
            default = _PAGE_REGIONS.get(name, name)
            _walk_page(child, found.region(child.get("id"), kind, default, polygon), found)
        elif name == "TableCell":
            _walk_page(child, region, found)


def _page_line(element: etree._Element, region: str | None, found: _Found) -> Line:
    baseline: Points = ()
    polygon: Points = ()
    equivs = []
    for child in element:
        name = _names[child.tag]
        if name == "Coords":
            polygon = polygon or _coords(child, element, found)
        elif name == "Baseline":
            baseline = baseline or _coords(child, element, found)
        elif name == "TextEquiv":
            equivs.append(child)
    text, others = _transcription(equivs, element, found)
    return Line(element.get("id") or "", baseline, polygon, text, _structure(element), region, others)


def _transcription(equivs: list[etree._Element], line: etree._Element, found: _Found) -> tuple[str, tuple[str, ...]]:
    """The text of a PAGE line, and the texts that it has beside it."""
    if len(equivs) == 1 and (text := _unicode(equivs[0])).strip():
        found.index(_index(equivs[0]))
        return text, ()
    identifier = line.get("id")
    texts, order = _in_order(equivs, found.choices)
    if texts and texts[0].strip():
        if len({text for text in texts if text.strip()}) > 1:
            found.note("text_of_several", identifier)
        if order[0]:
            found.note("text_not_first", identifier)
        found.index(_index(equivs[order[0]]))
        return texts[0], tuple([text for text in texts[1:] if text.strip()])
    words = [_word(word, found.choices) for word in line.iterfind("{*}Word")]
    text = " ".join([word for word in words if word])
    if text:
        found.note("text_from_words", identifier)
    return text or next(iter(texts), ""), ()


def _word(word: etree._Element, choices: Choices) -> str:
    """The text of a word: its own, or that of its glyphs."""
    texts, _ = _in_order(word.findall("{*}TextEquiv"), choices)
    if texts and texts[0].strip():
        return texts[0]
    return "".join([_word(glyph, choices) for glyph in word.iterfind("{*}Glyph")])


def _unicode(equiv: etree._Element) -> str:
    return "".join([part.text or "" for part in equiv if _names[part.tag] == "Unicode"])


def _in_order(equivs: list[etree._Element], choices: Choices) -> tuple[list[str], list[int]]:
    """Transcriptions, the one that is to be read first, and their places in the file."""
    found = [(_index(equiv), _unicode(equiv)) for equiv in equivs]
    order = in_order(found, choices.text_equiv)
    return [found[place][1] for place in order], order


def _index(equiv: etree._Element) -> int | None:
    said = (equiv.get("index") or "").strip()
    return int(said) if said.isascii() and said.isdigit() and len(said) < 10 else None


def _coords(element: etree._Element, of: etree._Element, found: _Found) -> Points:
    """The points of an element that belongs to a line or region."""
    points = element.get("points")
    if points is None and len(element):  # PAGE 2010: <Point x="1" y="2"/>
        points = " ".join(f"{point.get('x')},{point.get('y')}" for point in element)
    return found.outline(points, of.get("id"))


def _structure(element: etree._Element) -> str | None:
    """The type in `custom="readingOrder {index:0;} structure {type:heading;}"`."""
    for chunk in (element.get("custom") or "").split("}"):  # no pattern: a hostile value would make it go back for ever
        name, _, values = chunk.partition("{")
        if name.strip().endswith("structure"):
            for value in values.split(";"):
                key, colon, said = value.partition(":")
                if colon and key.strip() == "type":
                    return said.strip() or None
    return None


# ALTO


def read_alto(root: etree._Element, namespace: str, choices: Choices = DEFAULT) -> Page:
    """Read an ALTO document.

    Raises:
        NotGroundTruth: it has no page.
        Unplaceable: it has several, or measures in another unit than pixels.
    """
    page, found = _only(root.findall(f"{namespace}Layout/{namespace}Page"), root), _Found(choices)
    unit = (root.findtext(f".//{namespace}MeasurementUnit") or "pixel").strip()
    if unit.casefold() not in ("pixel", "pixels", "px"):
        meant = f"{shown(unit)}{_UNITS.get(unit.casefold(), '')}"
        raise Unplaceable("unit_not_pixel", f"it measures in {meant}, and kraken reads pixels only", 1, _line_ids(root))
    _walk_alto(page, None, _tags(root, namespace), found)
    version = re.search(r"ns-v(\d+)", namespace)
    return Page(
        format="alto",
        version=root.get("SCHEMAVERSION") or (version.group(1) if version else ""),
        image_name=root.findtext(f".//{namespace}fileName") or "",
        width=coordinates.integer(page.get("WIDTH")),
        height=coordinates.integer(page.get("HEIGHT")),
        regions=tuple(found.regions),
        lines=tuple(found.lines),
        notes=found.notes,
    )


def _tags(root: etree._Element, namespace: str) -> dict[str, tuple[str, str]]:
    """The label of each tag by its id, with what the tag is for (`type` unless it says otherwise)."""
    tags = {}
    for tag in root.iterfind(f"{namespace}Tags/*"):
        label = tag.get("LABEL")
        if label and _names[tag.tag] in ("StructureTag", "LayoutTag", "OtherTag"):
            tags[tag.get("ID") or ""] = (tag.get("TYPE") or "type", label)
    return tags


def _label(
    element: etree._Element, tags: dict[str, tuple[str, str]], purposes: tuple[str, ...], found: _Found
) -> str | None:
    references = element.get("TAGREFS")
    if not references:
        return None
    labels: dict[str, str] = {}
    for reference in references.split():
        if reference in tags:
            labels.setdefault(*tags[reference])
        else:
            found.note("tag_unknown", element.get("ID"))
    for purpose in purposes:
        if purpose in labels:
            return labels[purpose]
    return None


def _walk_alto(parent: etree._Element, region: str | None, tags: dict[str, tuple[str, str]], found: _Found) -> None:
    for child in parent:
        name = _names[child.tag]
        if name == "TextLine":
            found.lines.append(_alto_line(child, region, tags, found))
        elif name in _ALTO_REGIONS:
            kind = child.get("TYPE") or _label(child, tags, ("region", "type"), found)
            _walk_alto(
                child, found.region(child.get("ID"), kind, _ALTO_REGIONS[name], _outline(child, found)), tags, found
            )
        elif name in ("PrintSpace", "TopMargin", "LeftMargin", "RightMargin", "BottomMargin"):
            _walk_alto(child, region, tags, found)


def _outline(block: etree._Element, found: _Found) -> Points:
    polygon = block.find("{*}Shape/{*}Polygon")
    if polygon is not None:
        return found.outline(polygon.get("POINTS"), block.get("ID"))
    box = [block.get(key) for key in ("HPOS", "VPOS", "WIDTH", "HEIGHT")]
    if not all(box):
        return ()
    x, y, width, height = map(coordinates.integer, box)
    return ((x, y), (x, y + height), (x + width, y + height), (x + width, y))


def _alto_line(element: etree._Element, region: str | None, tags: dict[str, tuple[str, str]], found: _Found) -> Line:
    polygon: Points = ()
    parts: list[str] = []
    others: tuple[str, ...] = ()
    after_word = joined = False
    for child in element:
        name = _names[child.tag]
        if name == "String":
            content = child.get("CONTENT") or " "
            if after_word and not (content[0].isspace() or parts[-1][-1].isspace()):
                parts.append(" ")
                joined = True
            parts.append(content)
            after_word = True
        elif name == "SP":
            parts.append(child.get("CONTENT") or " ")
            after_word = False
        elif name == "HYP":
            hyphen = (child.get("CONTENT") or "").replace(_SOFT, "-")
            if not "".join(parts).endswith(hyphen):  # some programs write it into the last word, too
                found.note(f"text_{'with' if found.choices.hyphens else 'without'}_hyphen", element.get("ID"))
                if found.choices.hyphens:
                    parts.append(hyphen)
                else:
                    others += (hyphen,)
            after_word = False
        elif name == "Shape" and not polygon:
            polygon = next(
                (
                    found.outline(shape.get("POINTS"), element.get("ID"))
                    for shape in child
                    if _names[shape.tag] == "Polygon"
                ),
                (),
            )
    if joined:
        found.note("text_without_blanks", element.get("ID"))
    return Line(
        element.get("ID") or "",
        found.outline(element.get("BASELINE"), element.get("ID")),
        polygon,
        "".join(parts),
        _label(element, tags, ("type", "line"), found),
        region,
        others,
    )
