"""Several XML files of one image: those of which nothing can be used leave it to another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from htr_exp.groundtruth.folders import Source
from htr_exp.groundtruth.image_search import find_image
from htr_exp.groundtruth.page_scan import PageFile


def giving_way(files: Sequence[tuple[Source, str]], sheets: Sequence[PageFile]) -> dict[int, int]:
    """The places of the files that give way, each with that of the file that has their image.

    Programs write the regions of a page into one file and its lines into another (OCR-D), or the words of its lines
    into an ALTO file without their shapes, beside PAGE (Transkribus): there is nothing to choose. Where several files of
    an image can be used there is, and where none can be the first has it.

    Args:
        files: all files of a dataset: folder and name.
        sheets: what is known of each.
    """
    of_image: dict[Path, list[int]] = {}
    for place, ((source, name), sheet) in enumerate(zip(files, sheets, strict=True)):
        if sheet.refused is None and (image := find_image(source.tree, name, sheet.image_name)[0]) is not None:
            of_image.setdefault(source.tree.path(image), []).append(place)
    found = {}
    for places in of_image.values():
        keep = [place for place in places if sheets[place].usable] or places[:1]
        found.update({place: keep[0] for place in places if place not in keep})
    return found
