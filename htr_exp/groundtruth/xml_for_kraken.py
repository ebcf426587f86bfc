"""Writes the one dialect kraken is given: PAGE 2019 with exactly the lines that are used, in their order.

kraken 4.3.13 and 7.1.1 take lines in the order of the elements and never by a reading order. Where lines of two regions
alternate, a region is therefore continued in a second element; only the first has `Coords`, so that kraken sees one
region. Lines without a region stand in an element without `Coords` too: a region of the size of the page would be
learnt as one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from typing import Protocol

from htr_exp.core.errors import DatasetError
from htr_exp.groundtruth import xml
from htr_exp.groundtruth.file_tree import shown
from htr_exp.groundtruth.line_rules import shapeless
from htr_exp.groundtruth.model import GroundTruthPage, Line, Points, Region

_NAMESPACE = "http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15"
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}
_IN_ATTRIBUTE = str.maketrans(_ESCAPES)
_IN_TEXT = str.maketrans({character: _ESCAPES[character] for character in "&<>\r"})
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Braces and semicolons end a value in `custom`, and kraken 7.1.1 loses the whole page over a brace too many.
_IN_CUSTOM = re.compile("[{};]")


def storable(text: str) -> bool:
    """Tell whether XML can hold a text: no control characters, no bytes that are not UTF-8."""
    return _NOT_XML.search(text) is None


class Naming(Protocol):
    """What the types of lines and regions are called in training; None: such a line or region is left out."""

    def line(self, kind: str | None) -> str | None:
        """The class of a line."""

    def region(self, kind: str | None) -> str | None:
        """The class of a region."""


def staged_xml(page: GroundTruthPage, naming: Naming | None = None) -> bytes:
    """A page as PAGE XML for kraken; equal pages give equal bytes.

    Args:
        page: as examined.
        naming: what its types are called; None: as in the file. A region that is left out leaves its lines where they are.

    Raises:
        DatasetError: its file has changed since it was examined, or XML cannot hold the image's path.
    """
    image = str(page.image)
    if not storable(image):
        raise DatasetError(f"{shown(image)} cannot be written into XML: rename the file or the folder")
    content = xml.content(page.xml)
    if hashlib.sha256(content).hexdigest() != page.xml_digest:
        raise DatasetError(f"{page.xml} has changed since it was read a moment ago: start again once it is at rest")
    source = xml.page_of(xml.parse(content), page.choices)
    lines = [replace(source.lines[line.number], id=line.id) for line in page.lines]
    regions = source.regions
    if naming is not None:
        regions, lines = named(regions, lines, naming)
    return page_xml(image, page.width, page.height, regions, lines)


def with_image(content: bytes, image: str, other: str) -> bytes:
    """A page that `page_xml` wrote, with another path of its image.

    Args:
        content: the page.
        image: the path that it has.
        other: the new one.
    """
    before, after = (f'<Page imageFilename="{_attribute(path)}" '.encode() for path in (image, other))
    return content.replace(before, after, 1)


def named(regions: Sequence[Region], lines: Sequence[Line], naming: Naming) -> tuple[tuple[Region, ...], list[Line]]:
    """Regions and lines with their class names in training, without those that are left out."""
    kept = [
        replace(region, type=kind)
        for region in regions
        if not shapeless(region.polygon) and (kind := naming.region(region.type)) is not None
    ]
    return tuple(kept), [replace(line, type=kind) for line in lines if (kind := naming.line(line.type)) is not None]


def page_xml(image: str, width: int, height: int, regions: Sequence[Region], lines: Sequence[Line]) -> bytes:
    """The text of a PAGE file, as bytes.

    Args:
        image: its name or path.
        width: of the image, pixels.
        height: of the image, pixels.
        regions: of the page; those that no line names are written if they have a polygon.
        lines: in reading order.
    """
    out = [
        '<?xml version="1.0" encoding="UTF-8"?>\n',
        f'<PcGts xmlns="{_NAMESPACE}">\n',
        "<Metadata>\n<Creator>htr_exp</Creator>\n",
        "<Created>1970-01-01T00:00:00</Created>\n<LastChange>1970-01-01T00:00:00</LastChange>\n</Metadata>\n",
        f'<Page imageFilename="{_attribute(image)}" imageWidth="{width}" imageHeight="{height}">\n',
    ]
    of_id = {region.id: region for region in regions}
    pieces = [(key, list(part)) for key, part in groupby(lines, key=lambda line: line.region)]
    inhabited = {key for key, _ in pieces}
    empty = [region for region in regions if region.id not in inhabited and region.polygon]
    for number, (key, part) in enumerate(pieces):
        region = of_id.pop(key, None) if key is not None else None
        if region is None:
            out += _region(f"{key or 'lines'}_continued_{number}", None, part)
        else:
            out += _region(region.id, region, part)
    for region in empty:
        out += _region(region.id, region, [])
    out.append("</Page>\n</PcGts>\n")
    return "".join(out).encode()


def _region(name: str, region: Region | None, lines: list[Line]) -> list[str]:
    out = [f'<TextRegion id="{_attribute(name)}"{_custom(region.type if region else None)}>\n']
    if region and region.polygon:
        out.append(_coords("Coords", region.polygon))
    for line in lines:
        out.append(f'<TextLine id="{_attribute(line.id)}"{_custom(line.type)}>\n')
        if line.polygon:
            out.append(_coords("Coords", line.polygon))
        out.append(_coords("Baseline", line.baseline))
        text = line.text.translate(_IN_TEXT)
        out.append(f"<TextEquiv><Unicode>{text}</Unicode></TextEquiv>\n</TextLine>\n")
    out.append("</TextRegion>\n")
    return out


def _coords(name: str, points: Points) -> str:
    return f'<{name} points="{" ".join([f"{x},{y}" for x, y in points])}"/>\n'


def _custom(kind: str | None) -> str:
    return f' custom="structure {{type:{_attribute(type_name(kind))};}}"' if kind else ""


def type_name(kind: str) -> str:
    """A type as a staged page can hold it."""
    return _IN_CUSTOM.sub("_", kind)


def _attribute(text: str) -> str:
    return text.translate(_IN_ATTRIBUTE)
