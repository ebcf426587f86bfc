"""What is written of a page: PAGE, ALTO, hOCR or text, as kraken writes it, and what is added to it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import chain
from typing import Literal

from lxml import etree

from htr_exp.core.errors import DatasetError
from htr_exp.groundtruth import xml
from htr_exp.groundtruth.model import Points

Form = Literal["page", "alto", "hocr", "text"]

ENDINGS: dict[Form, str] = {"page": ".xml", "alto": ".xml", "hocr": ".hocr", "text": ".txt"}
"""Of the files of each form."""


class NotWhole(Exception):
    """What kraken has written is not whole, or not of this page; the text says why."""


@dataclass(frozen=True)
class Software:
    """What a page was read with.

    Attributes:
        program: htr_exp and its version.
        kraken: and its version.
        model: the recognition model's name and digest.
        segmenter: those of the model that finds lines; None where the lines are given.
    """

    program: str
    kraken: str
    model: str
    segmenter: str | None

    @property
    def models(self) -> dict[str, str]:
        """What each model is for -> its name and digest."""
        return {"model": self.model} | ({"segmentation model": self.segmenter} if self.segmenter else {})

    @property
    def in_words(self) -> str:
        """All of it."""
        return "; ".join((self.program, self.kraken, *(f"{what} {model}" for what, model in self.models.items())))


def finished(
    content: bytes, form: Form, *, written_for: str, image: str, lines: Sequence[tuple[str, Points]], software: Software
) -> tuple[bytes, int]:
    """A page as it is kept, and how many lines it has.

    The image is named without the folder that it was in, as eScriptorium and others look for it, and the file says what it
    was read with: kraken itself does not name its model.

    Args:
        content: what kraken wrote.
        form: of it.
        written_for: the path of the image, as kraken was given it.
        image: its name.
        lines: id and baseline of each line that must be there. kraken 4.3 gives them ids of its own, and keeps the baseline.
        software: what the page was read with.

    Raises:
        NotWhole: a part of it is missing.
    """
    if form == "text":
        try:
            return content, len(content.decode().splitlines())
        except UnicodeDecodeError:
            raise NotWhole("it is no UTF-8") from None
    if form == "hocr":
        if not content.rstrip().endswith(b"</html>"):
            raise NotWhole("it is cut short")
        meta = f'<meta name="htr_exp" content="{escape(software.in_words, quote=True)}"/>\n</head>'
        named = content.replace(escape(written_for).encode(), escape(image).encode())
        return named.replace(b"</head>", meta.encode(), 1), content.count(b'class="ocr_line"')
    try:
        root = xml.parse(content)
        page = xml.page_of(root)
    except DatasetError as error:
        raise NotWhole(error.headline) from None
    _give_back_ids(root, lines)
    (_name_software_in_page if form == "page" else _name_software_in_alto)(root, image, software)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8"), len(page.lines)


def _give_back_ids(root: etree._Element, lines: Sequence[tuple[str, Points]]) -> None:
    """Give the lines of a page the ids of those that have the same baseline: kraken's own may be those of other lines.

    Raises:
        NotWhole: one of these is missing.
    """
    left: dict[tuple[int, ...], list[str]] = {}
    for line, baseline in lines:
        left.setdefault(tuple(chain.from_iterable(baseline)), []).append(line)
    kept = set()
    for element in root.iter("{*}TextLine"):
        name = "ID" if "ID" in element.attrib else "id"
        of_page = element.find("{*}Baseline")
        points = element.get("BASELINE", "") if of_page is None else of_page.get("points", "")
        if same := left.get(tuple(map(int, re.findall(r"-?\d+", points)))):
            element.set(name, same.pop(0))
        else:
            kept.add(element.get(name))
    if lost := sorted(set(chain.from_iterable(left.values())) - kept):
        raise NotWhole(f"{len(lost)} of {len(lines)} lines are not in it: {lost[0]}")


def _name_software_in_page(root: etree._Element, image: str, software: Software) -> None:
    of = root.tag.removesuffix("PcGts")
    _part(root, f"{of}Page").set("imageFilename", image)
    metadata = _part(root, f"{of}Metadata")  # which end with any number of these
    for name, value in {"htr_exp": software.program, "kraken": software.kraken, **software.models}.items():
        step = etree.SubElement(metadata, f"{of}MetadataItem", type="processingStep", name=name, value=value)
        step.tail = "\n"


def _name_software_in_alto(root: etree._Element, image: str, software: Software) -> None:
    of = root.tag.removesuffix("alto")
    _part(root, f".//{of}fileName").text = image
    step = etree.SubElement(_part(root, f"{of}Description"), f"{of}Processing", ID="htr_exp")
    etree.SubElement(step, f"{of}processingStepDescription").text = software.in_words
    program = etree.SubElement(step, f"{of}processingSoftware")
    etree.SubElement(program, f"{of}softwareName").text = "kraken"
    etree.SubElement(program, f"{of}softwareVersion").text = software.kraken.removeprefix("kraken ")


def _part(root: etree._Element, path: str) -> etree._Element:
    found = root.find(path)
    if found is None:
        raise NotWhole(f"{path.rpartition('}')[2]} is not in it")
    return found
