"""Which page a line is on, told from the name of its image: only by names that cannot part the lines of one page.

A name that would leave it open, such as `0012_1_03`, tells nothing: a page that is thought too large is safe in a
split, one that is thought too small is not.
"""

from __future__ import annotations

import posixpath
import re

NAME, FOLDER = "name", "folder"
"""What may tell the page of a line, beside a column of a table: the name of its image, or its folder."""

_ENDINGS = re.compile(r"(\.(bin|nrm|dew|raw|gray|despeckled))?\.[^.]*$", re.IGNORECASE)
_NUMBERED_FOLDER, _OCROPUS_LINE = re.compile(r"\d{4}"), re.compile(r"01[0-9a-f]{4}", re.IGNORECASE)
_SEPARATOR = re.compile(r"[_-]")
_REGION = re.compile(r"(r|tr|reg|region|textregion|block|zone|c|col|column)\d+((l|tl|line)\d+)?", re.IGNORECASE)
_REGION_WORD = re.compile(r"tr|reg|region|textregion|block|zone|col|column", re.IGNORECASE)
_LINE = re.compile(r"(l|tl|ln|line|textline)\d+", re.IGNORECASE)
_LINE_WORD = re.compile(r"l|tl|ln|line|textline", re.IGNORECASE)
_NUMBER = re.compile(r"\d+[rv]?", re.IGNORECASE)
_PAGE = re.compile(r"(p|pg|pag|page|f|fol|folio|bl|s|img|image|scan)\d+[rv]?", re.IGNORECASE)

RULES = (
    ("0001/010001.bin.png", "OCRopus: the folder, if its name has four digits and the line's is 01 and four more"),
    ("0012__003__block.png", "OCR4all: what stands before two underscores"),
    ("NAME_r1_l3.png", "Transkribus and others: what stands before the first region or column (r1, region_1, c2, r1l3)"),
    ("0012_l3.png", "what stands before the line (l3, line_3, tl_3), if it ends with the only number, or with p12, fol12v"),
    ("0012_03.png", "what stands before the last number, if it ends with the only other number, or with p12, fol12v"),
)  # fmt: skip
"""Each rule by an example, in the order in which they are tried; `_` may be `-`."""


def page_of(name: str) -> str | None:
    """The page of a line, by the path of its image below the dataset folder; None if that does not tell it."""
    folder, bare = posixpath.split(name)
    stem = _ENDINGS.sub("", bare)
    if _OCROPUS_LINE.fullmatch(stem) and _NUMBERED_FOLDER.fullmatch(posixpath.basename(folder)):
        return folder
    page = _before(stem)
    return posixpath.join(folder, page) if page else None


def _before(stem: str) -> str | None:
    """The part of a line's name that is its page."""
    page, two, _ = stem.partition("__")
    if two:
        return page
    starts = [0, *(one.end() for one in _SEPARATOR.finditer(stem))]
    parts = _SEPARATOR.split(stem)

    def is_number(place: int) -> bool:
        return place < len(parts) and parts[place].isdecimal()

    for place in range(1, len(parts)):
        if _REGION.fullmatch(parts[place]) or (_REGION_WORD.fullmatch(parts[place]) and is_number(place + 1)):
            return stem[: starts[place] - 1]
    for place in range(1, len(parts)):
        if _LINE.fullmatch(parts[place]) or (_LINE_WORD.fullmatch(parts[place]) and is_number(place + 1)):
            break
    else:
        place = len(parts) - 1
        if place == 0 or not is_number(place):
            return None
    return stem[: starts[place] - 1] if _ends_with_page(parts[:place]) else None


def _ends_with_page(parts: list[str]) -> bool:
    """Tell whether a name ends with the number of a page: the only number, or one that says so."""
    *first, last = parts
    if _PAGE.fullmatch(last):
        return True
    if _NUMBER.fullmatch(last):
        return not any(map(_NUMBER.fullmatch, first))
    return not first and any(map(str.isdecimal, last))


def in_order(name: str) -> list[tuple[int, str]]:
    """What orders lines by their names: `l2` before `l10`."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name) if part]
