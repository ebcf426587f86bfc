"""What is said about pages: the doubts worth a warning, and the sentences of the errors."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence

from htr_exp.groundtruth.facts import ImageFacts
from htr_exp.groundtruth.find import Tree, shown
from htr_exp.groundtruth.model import Line, Page, Task

# White space other than a single blank, and what shows nothing: soft hyphen, zero width, direction marks, BOM.
_ODD = re.compile("[^\\S ]|  |[\u00ad\u200b-\u200f\u202a-\u202e\u2060\ufeff]")


def doubts(page: Page, image_name: str, seen: ImageFacts) -> Iterator[tuple[str, str]]:
    """Yield the code and message of each doubt about a page as a whole and its image."""
    if page.width and page.height and (page.width, page.height) != (seen.width, seen.height):
        said, found = f"{page.width} x {page.height}", f"{seen.width} x {seen.height}"
        message = f"it says {said} pixels, {shown(image_name)} has {found}: lines may lie beside the writing"
        yield "size_mismatch", message
    if seen.orientation != 1:
        yield "image_rotated", f"{shown(image_name)} is turned by EXIF ({seen.orientation}): kraken 4 does not turn it"
    if not seen.whole:
        yield "image_truncated", f"{shown(image_name)} seems cut short: kraken drops a page whose image it cannot read"
    if missing := sum(1 for line in page.lines if not line.id):
        yield "line_without_id", f"{missing} lines have no id and are called line_N by their place"
    if "text_from_words" in page.notes:
        yield "text_from_words", "lines without a text of their own get that of their words, joined by blanks"
    if "tag_unknown" in page.notes:
        yield "tag_unknown", "TAGREFS name tags that the file does not define: their types are unknown"


def text_doubts(lines: Sequence[Line]) -> Iterator[tuple[str, str]]:
    """Yield the code and message of each doubt about the texts of a page."""
    if edges := [line.id for line in lines if line.text != line.text.strip()]:
        yield "text_with_outer_space", f"{len(edges)} lines begin or end with a blank (first: {edges[0]})"
    if odd := [line.id for line in lines if _ODD.search(line.text)]:
        yield "text_with_odd_space", f"{len(odd)} lines have double blanks or invisible characters (first: {odd[0]})"


def empty(page: Page, task: Task) -> str:
    """Say why a page has nothing to use."""
    if not page.lines:
        return "it has no lines"
    if task == "segmentation":
        return f"none of its {len(page.lines)} lines has a baseline"
    return f"none of its {len(page.lines)} lines has a baseline, a polygon and a text that can be used"


def lost(tree: Tree, name: str, image_name: str, how: str) -> str:
    """Say where an image was looked for, and what may help."""
    if how == "image_outside":
        return f"its image {shown(image_name)} is outside the dataset folder {shown(tree.root)}: copy it beside the XML"
    if not image_name:
        return "it names no image, and no single image has its name: put the image beside it under the same name"
    near, _ = tree.image(name, "")
    hint = f"; {shown(near)} has the XML's name: rename it if that is the one" if near else ""
    return f"its image {shown(image_name)} is neither beside it nor in the parent folder{hint}"


def found_otherwise(wanted: str, found: str, how: str) -> str:
    """Say which image was taken instead of the one named."""
    if how == "image_by_stem":
        return f"it names no image: {shown(found)} is taken, which has its name"
    if how == "image_name_case":
        return f"it names {shown(wanted)}; {shown(found)} is taken, though upper and lower case differ"
    return f"its image {shown(wanted)} is not where it says: {shown(found)} of the dataset folder is taken"


def claimed(first: str, second: str, names: tuple[str, str], image: str) -> str:
    """Say that two pages, by their labels and their names, describe one image, and how to choose."""
    both = f"{shown(first)} and {shown(second)} both describe {shown(image)}"
    return f"{both}: choose by dataset.pattern or dataset.exclude, e.g. dataset.exclude={_choice(*names)!r}"


def _choice(first: str, second: str) -> str:
    """Return a glob that leaves out one of two files, and likely the others of its kind."""
    folders = posixpath.dirname(first), posixpath.dirname(second)
    if folders[0] != folders[1] and folders[1]:
        return f"{folders[1]}/*"
    short, long = sorted((first, second), key=len)
    stem = short.rsplit(".", 1)[0]
    if long.startswith(f"{stem}."):
        return f"*{long[len(stem) :]}"
    return second
