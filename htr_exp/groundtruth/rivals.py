"""Several XML files of one image: those of which nothing can be used leave it to another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from htr_exp.groundtruth.page_scan import PageFile


def giving_way(sheets: Sequence[PageFile], images: Sequence[Path | None]) -> dict[int, int]:
    """The places of the files that give way, each with that of the file that has their image.

    Programs write the regions of a page into one file and its lines into another (OCR-D), or the words of its lines
    into an ALTO file without their shapes, beside PAGE (Transkribus): there is nothing to choose. Where several files of
    an image can be used there is, and where none can be the first has it.

    Args:
        sheets: what is known of each file of a dataset.
        images: the image that each means; None: there is none.
    """
    of_image: dict[Path, list[int]] = {}
    for place, (sheet, image) in enumerate(zip(sheets, images, strict=True)):
        if sheet.refused is None and image is not None:
            of_image.setdefault(image, []).append(place)
    found = {}
    for places in of_image.values():
        keep = [place for place in places if sheets[place].usable] or places[:1]
        found.update({place: keep[0] for place in places if place not in keep})
    return found
