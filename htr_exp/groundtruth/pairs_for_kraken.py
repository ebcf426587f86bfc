"""Writes line pairs as kraken is given them: each image under a name of ours, with its text beside it.

kraken looks for the text under all that stands before the first dot of an image's name. By our names it always finds the
one that is meant, in UTF-8 and without a line's end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from htr_exp.groundtruth.model import GroundTruthPage, Line
from htr_exp.groundtruth.xml_for_kraken import page_xml

TEXT = ".gt.txt"


def staged_pairs(page: GroundTruthPage) -> bytes:
    """The lines of a page of line pairs as PAGE XML, each in the pixels of its own picture; kraken never sees it.

    Equal pages give equal bytes.
    """
    lines = [
        Line(line.id, _bottom(line.width, line.height), _edge(line.width, line.height), line.text, None, None)
        for line in page.lines
    ]
    return page_xml("", 0, 0, (), lines)


def _bottom(width: float, height: float) -> tuple[tuple[int, int], ...]:
    return (0, int(height) - 1), (int(width) - 1, int(height) - 1)


def _edge(width: float, height: float) -> tuple[tuple[int, int], ...]:
    right, bottom = int(width) - 1, int(height) - 1
    return (0, 0), (right, 0), (right, bottom), (0, bottom)


def names(page: int, images: Sequence[Path]) -> Iterator[str]:
    """What the pictures of a page are called for kraken: by the numbers of page and line, with their own ending.

    Args:
        page: its number.
        images: of its lines.
    """
    for line, image in enumerate(images, 1):
        yield f"{page:05d}-{line:04d}{image.suffix}"


def text_name(image: str) -> str:
    """The name under which kraken looks for the text of an image of ours."""
    return image.split(".", 1)[0] + TEXT
