"""What is said about pages: the doubts worth a warning, and the sentences of the errors."""

from __future__ import annotations

import ntpath
import os
import posixpath
from collections.abc import Iterator, Sequence

from htr_exp.core.text import counted
from htr_exp.groundtruth.choices import OTHER_TEXT
from htr_exp.groundtruth.file_tree import Tree, shown
from htr_exp.groundtruth.image_header import ImageFacts
from htr_exp.groundtruth.image_search import by_stem
from htr_exp.groundtruth.line_rules import RULES, outside
from htr_exp.groundtruth.model import UsedLine
from htr_exp.groundtruth.page_scan import MOST_CROSSING, PageFile
from htr_exp.groundtruth.parse import MOST_POINTS

_OF_LINES = {
    "line_without_id": "without an id, called line_N by the place",
    "line_without_type": "without a type",
    "tag_unknown": "with tags that the file does not define",
    "text_of_several": "with several transcriptions (TextEquiv), of which one is read",
    "text_not_first": "whose transcription that is read is not the first in the file",
    "text_from_words": "with text in words only, which are joined by blanks",
    "text_without_blanks": "with words between which the file has no blank (<SP>): they are joined by blanks",
    "text_with_hyphen": "with a hyphen in an element of its own (<HYP>), which is read, a soft one as -",
    "text_without_hyphen": "with a hyphen in an element of its own (<HYP>), which is left out",
    "text_with_outer_space": "with a blank at the beginning or the end",
    "text_with_odd_space": "with tabs, no-break spaces or other white space that is no blank",
    "text_with_double_space": "with several blanks in a row",
    "text_with_invisible": "with invisible characters",
    "text_with_private_use": "with characters for private use",
    "text_with_unknown": "with characters that stand for nothing (U+FFFD and the like)",
    "text_in_no_normal_form": "in neither NFC nor NFD",
    "baseline_right_to_left": "with a baseline that runs from right to left",
    "polygon_crosses_itself": "with a polygon that crosses or touches itself",
}
_OF_REGIONS = {
    "region_without_type": "without a type",
    "region_without_polygon": "without a shape that can be read",
    "duplicate_region_id": "with the id of another region",
}
_OF_BOTH = {
    "too_many_points": f"with more than {MOST_POINTS:,} points in a polygon or baseline, or one with more than {MOST_CROSSING} that crosses itself"
}
_OF_PARTS = (
    (("line", "lines"), _OF_LINES),
    (("region", "regions"), _OF_REGIONS),
    (("line or region", "lines or regions"), _OF_BOTH),
)
"""What the messages are about: one of it, several of it."""
_OF_FILES = {
    "byte_order_mark": "it begins with a byte order mark",
    "doctype": "it has a DOCTYPE, which is not looked up",
    "text_in_utf_16": "it is in UTF-16, as its first bytes say",
}

_MOST_FOLDERS = 20  # beside a dataset that are looked into


def note(code: str, ids: Sequence[str]) -> str:
    """Say what is odd about some lines or regions of a file, or about the file."""
    if code in _OF_FILES:
        return _OF_FILES[code]
    nouns, said = next((nouns, of[code]) for nouns, of in _OF_PARTS if code in of)
    named = next((one for one in ids if one), "")
    return f"{counted(len(ids), *nouns)} {said}" + (f" (first: {shown(named)})" if named else "")


def read_by_kraken(sheet: PageFile, size: tuple[int, int] | None) -> list[str]:
    """Say what each release of kraken would make of a file itself, where that is not what is used of it.

    Args:
        sheet: the file.
        size: of its image, pixels, if it is known: no release takes a line that leaves it.
    """

    def leaves(line: UsedLine) -> bool:
        return size is not None and outside(sheet.box(line), *size, sheet.task) is not None

    beyond = sum(leaves(line) for line in sheet.lines if line.number not in sheet.faults) if sheet.kraken else 0
    said = []
    for release, lines, notes, kept in sheet.kraken:
        read = []
        if lines is not None:
            lines -= beyond + sum(leaves(sheet.lines[number]) for number in kept)
            read = [f"reads {lines} of its {counted(len(sheet.lines), 'line')}"]
        said.append(f"kraken {release} {'; '.join([*read, *notes])}")
    if other := len({line for code, ids in sheet.notes if code in OTHER_TEXT for line in ids}):
        said.append(f"every kraken reads another text in {counted(other, 'line')}")
    return said


def doubts(sheet: PageFile, image_name: str, seen: ImageFacts) -> Iterator[tuple[str, str]]:
    """Yield the code and message of each doubt about a page's image."""
    if sheet.width and sheet.height and (sheet.width, sheet.height) != (seen.width, seen.height):
        said, found = f"{sheet.width} x {sheet.height}", f"{seen.width} x {seen.height}"
        message = f"it says {said} pixels, {shown(image_name)} has {found}: lines may lie beside the writing"
        yield "size_mismatch", message
    yield from doubts_of_image(image_name, seen)


def doubts_of_image(image_name: str, seen: ImageFacts) -> Iterator[tuple[str, str]]:
    """Yield the code and message of each doubt about an image, whatever says where its lines are."""
    if seen.orientation != 1:
        yield "image_rotated", f"{shown(image_name)} is turned by EXIF ({seen.orientation}): kraken 4 does not turn it"
    if not seen.whole:
        yield "image_truncated", f"{shown(image_name)} seems cut short: kraken drops a page whose image it cannot read"


def empty(sheet: PageFile, other: str = "") -> str:
    """Say why a page has nothing to use, and by which file its image is described."""
    return f"{_empty(sheet)}; {shown(other)} describes its image" if other else _empty(sheet)


def _empty(sheet: PageFile) -> str:
    if not sheet.lines:
        return "it has no lines"
    needed = RULES[sheet.task].needed
    if len(sheet.lines) == 1:
        return f"its only line lacks {needed}"
    return f"none of its {len(sheet.lines)} lines has {needed}"


def lost(tree: Tree, name: str, image_name: str, how: str) -> str:
    """Say where an image was looked for, and what may help."""
    if how == "image_outside":
        return f"its image {shown(image_name)} is outside the dataset folder {shown(tree.root)}: copy it beside the XML"
    if not image_name.strip():
        return "it names no image, and no single image has its name: put the image beside it under the same name"
    near, _ = by_stem(tree, name)
    above = posixpath.normpath(posixpath.join(tree.root, ".."))
    hint = ""
    if near:
        hint = f"; {shown(near)} has the XML's name: rename it if that is the one"
    elif _lies_in(above, image_name):
        hint = f", but in {shown(above)}, as in a workspace of METS: name that folder as the dataset"
    elif beside := _beside(tree, name, image_name):
        hint = f"; {shown(beside)} is outside the dataset: if that is the one, name {shown(above)} as the dataset"
    return f"its image {shown(image_name.strip())} is neither beside it nor in another folder of the dataset{hint}"


def _lies_in(folder: str, image_name: str) -> bool:
    name = posixpath.normpath(image_name.strip().replace("\\", "/"))
    try:
        return not name.startswith(("/", "..")) and os.path.isfile(os.path.join(folder, name))
    except ValueError:  # a name with a zero in it
        return False


def _beside(tree: Tree, name: str, image_name: str) -> str | None:
    """An image of this name in a folder beside the dataset's that holds none of its pages, as OCR4all has them; if it is the only one."""
    bare, above = ntpath.basename(image_name.strip()), posixpath.dirname(tree.root)
    try:
        with os.scandir(above) as entries:
            folders = [entry.path for entry in entries if entry.is_dir()]
        if len(folders) > _MOST_FOLDERS:  # as where all datasets lie side by side
            return None
        found = [path for path in folders if os.path.isfile(os.path.join(path, bare))]
    except (OSError, ValueError):
        return None
    if len(found) != 1 or os.path.exists(os.path.join(found[0], posixpath.basename(name))):
        return None
    return os.path.join(found[0], bare)


def derived(count: int) -> str:
    """Say that some images are other pictures of pages."""
    return f"{counted(count, 'image')} that a page names as made of its own, or that has its name and one more part (0001.bin.png)"


def found_otherwise(wanted: str, found: str, how: str) -> str:
    """Say which image was taken instead of the one named."""
    if how == "image_by_stem":
        named = f"names {shown(wanted.strip())}, which is not there" if wanted.strip() else "names no image"
        return f"it {named}: {shown(found)} is taken, which has the XML's own name"
    if how == "image_name_spelled":
        return f"it names {wanted[:200]!r}: {shown(found)} is taken"
    if how == "image_other_ending":
        return f"its image {shown(wanted)} is not there: {shown(found)} is taken, the only image of this name"
    if how == "image_name_case":
        return f"it names {shown(wanted)}; {shown(found)} is taken, though upper and lower case differ"
    return f"its image {shown(wanted)} is not there, seen from the XML: {shown(found)} of the dataset folder is taken"


def pairs(count: int) -> str:
    """Say that a folder holds line pairs beside XML, and which are read."""
    what = f"{counted(count, 'line pair')} (an image of a line and its .gt.txt or .txt)"
    return f"{what}: XML is read here; dataset.format=line_pairs reads the line pairs instead"


def xml_beside_pairs(count: int) -> str:
    """Say that a folder holds XML beside line pairs, and which are read."""
    return f"{counted(count, 'XML file')}: line pairs are read here; dataset.format=xml reads XML instead"


NO_LAYOUT = "line pairs say nothing of where lines are on a page: task=segmentation needs PAGE or ALTO"


def no_pairs(pattern: str) -> str:
    """Say that a folder holds no line pair that can be used."""
    of = "" if pattern == "*.xml" else f" whose image matches dataset.pattern={pattern!r}"
    return f"it holds no line pair{of}: an image of a line and a text of its name beside it, .gt.txt or .txt"


def several_images(images: Sequence[str]) -> str:
    """Say that several images have one text, and how to choose."""
    keep, leave = sorted(images, key=len)[:2]
    named = ", ".join(shown(image) for image in images)
    return f"it is the text of {named}: choose by dataset.pattern or dataset.exclude, e.g. {_choice(keep, leave)}"


def spare_texts(count: int) -> str:
    """Say that images have two texts."""
    return f"{counted(count, 'image')} {'has' if count == 1 else 'have'} a second text beside the one that is read: .gt.txt goes before .txt"


def untold(images: Sequence[str]) -> str:
    """Say that the page of some lines is not known, and what to write."""
    what = f"the {'name' if len(images) == 1 else 'names'} of {counted(len(images), 'line image')} ({shown(images[0])})"
    return (
        f"{what} {'does' if len(images) == 1 else 'do'} not tell the page, and a split must not part the lines of one: name a table with a row for each image "
        "(dataset.metadata=FILE) and its column of pages (dataset.page_of_line=COLUMN), or take each folder for a page (dataset.page_of_line=folder)"
    )


def in_several_folders(name: str, pages: Sequence[str]) -> str:
    """Say that pages of one name are taken for different ones."""
    return f"{counted(len(pages), 'page')} of the name {shown(name)}, each in a folder of its own, are taken for different pages"


def claimed(labels: tuple[str, str], names: tuple[str, str], lines: tuple[int, int], image: str) -> str:
    """Say that two pages describe one image, and how to choose.

    Args:
        labels: of both, as reports give them.
        names: of both, below their folders.
        lines: how many of each can be used.
        image: what both describe.
    """
    both = f"{shown(labels[0])} and {shown(labels[1])} both describe {shown(image)}"
    keep, leave = names if lines[0] >= lines[1] else reversed(names)
    if posixpath.dirname(keep) == posixpath.dirname(leave):
        keep, leave = sorted(names, key=len)  # one glob names all `.checked.xml`, none all that are not
    return f"{both}: choose by dataset.pattern or dataset.exclude, e.g. {_choice(keep, leave)}"


def _choice(keep: str, leave: str) -> str:
    """A setting that leaves out the second of two files, and likely the others of its kind."""
    home, other = posixpath.dirname(keep), posixpath.dirname(leave)
    if home != other:
        inside = not other or home.startswith(f"{other}/")
        return f"dataset.pattern={f'{home}/*'!r}" if inside else f"dataset.exclude={f'{other}/*'!r}"
    stem = keep.rsplit(".", 1)[0]
    return f"dataset.exclude={f'*{leave[len(stem) :]}' if leave.startswith(f'{stem}.') else leave!r}"
