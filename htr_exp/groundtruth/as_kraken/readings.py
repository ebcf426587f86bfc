"""What kraken itself would make of a file, were it given as it is: which lines it loses in silence, and where it stops.

The staged copies that a run gives to kraken have none of this: it is for whoever hands files to `ketos train -f xml`
with its defaults (baselines, white space normalised, texts put into display order). Sources: kraken/lib/train.py and
PolygonGTDataset of 4.3.13, kraken/train/vgsl.py and PolygonGTDataset of 7.1.1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from lxml import etree

from htr_exp.core.text import counted
from htr_exp.groundtruth.as_kraken.fast_path import is_usual
from htr_exp.groundtruth.as_kraken.parsers import PARSERS, Lost, SeenLine
from htr_exp.groundtruth.as_kraken.values import refused, vanishes
from htr_exp.groundtruth.model import Page

RELEASES = ("4.3", "7.1")

_SAID = {
    "baseline": "{} no baseline that it can read",
    "polygon": "{} no polygon that it can read",
    "text": "{} no text, or only characters that it removes",
    "shape": "{} a shape that it cannot cut out of the image",
    "reach": "{} where it does not look: below another region, a table's cell, a composed block, a margin or a second page",
}
"""What is wrong with lines that kraken loses, after `3 lines have` or `3 lines stand`."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one release of kraken makes of one file in `ketos train -f xml`."""

    lines: int | None  # that go into training; None if the whole file is lost
    fails: str | None = None  # why the whole file is lost
    stops: bool = False  # whether the training ends there, instead of going on without the file
    lost: tuple[tuple[str, int], ...] = ()  # lines lost, by cause: baseline, polygon, text, shape, reach
    repeated: int = 0  # lines of which another with the same id is read in their place
    glued: int = 0  # lines whose text is put together from words, without blanks, and from their glyphs once more

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about it; the release is to be named before them."""
        if self.fails is not None:
            return (f"{'stops' if self.stops else 'leaves out the whole file'}: {self.fails}",)
        said = [_SAID[cause].format(_lines(count, cause)) for cause, count in self.lost]
        if self.repeated:
            said.append(f"{_lines(self.repeated)} the id of a later one, which it reads again in their place")
        if self.glued:
            said.append(f"{_lines(self.glued)} text in words only, which it puts together without blanks")
        return tuple(said)


def _lines(count: int, cause: str = "") -> str:
    verb = ("stands", "stand") if cause == "reach" else ("has", "have")
    return f"{counted(count, 'line')} {verb[count != 1]}"


NOT_XML = Reading(None, "it is not well-formed XML")
"""What every release makes of a file that is no XML: it is left out with a warning."""


def by_release(
    root: etree._Element,
    page: Page | None = None,
    image_there: bool = True,
    uncut: Mapping[str, Collection[int]] | None = None,
) -> dict[str, Reading]:
    """What each supported release makes of a file.

    Args:
        root: the file's root element, whether it is ground truth or not, without comments.
        page: the file as we read it, if it could be read: where nothing in it is odd, which costs little to see, it
            says already how many lines there are.
        image_there: whether the image is where the file says, seen from the file's own folder.
        uncut: by release, the numbers of those of our lines that it cannot cut out of the image; None: it can all.
    """
    uncut = uncut or {}
    if page is not None and image_there and is_usual(root, page):
        readings = {release: _usual(page, release, uncut.get(release, ())) for release in RELEASES}
        if bad := refused("".join([line.text for line in page.lines])):
            readings["4.3"] = _refusing(bad)
        return readings
    elements = list(root.iter("{*}TextLine")) if page is not None and any(uncut.values()) else []
    known = page is not None and len(elements) == len(page.lines)  # else it has lines where we do not look
    found = {}
    for release in RELEASES:
        shapeless = {elements[number] for number in uncut.get(release, ())} if known else set()
        found[release] = _reading(root, release, image_there, shapeless)
    return found


def _usual(page: Page, release: str, uncut: Collection[int]) -> Reading:
    texts = sum([vanishes(line.text, release) for line in page.lines])
    shapes = sum([not vanishes(page.lines[number].text, release) for number in uncut])
    lost = {"text": texts, "shape": shapes}
    return Reading(
        len(page.lines) - texts - shapes, lost=tuple((cause, count) for cause, count in lost.items() if count)
    )


def _refusing(character: str) -> Reading:
    return Reading(None, f"it cannot bring U+{ord(character):04X} into display order", stops=True)


def _reading(root: etree._Element, release: str, image_there: bool, shapeless: set[etree._Element]) -> Reading:
    tag = str(root.tag)
    if not tag.endswith(("alto", "PcGts")):
        return Reading(None, "it is neither PAGE nor ALTO")
    try:
        lines = PARSERS[release, tag.endswith("alto")](root, image_there)
    except Lost as lost:
        return Reading(None, lost.why, lost.stops)
    if release == "4.3" and (bad := refused("".join([line.text for line in lines]))):
        return _refusing(bad)
    reach = sum(1 for _ in root.iter("{*}TextLine")) - len(lines)
    if release == "4.3":
        return _counted(lines, release, shapeless)
    last = {line.id: line for line in lines}
    repeated = len(lines) - len(last)
    return _counted([last[line.id] for line in lines], release, shapeless, reach, repeated)


def _counted(
    lines: list[SeenLine], release: str, shapeless: set[etree._Element], reach: int = 0, repeated: int = 0
) -> Reading:
    lost: Counter[str] = Counter()
    glued = 0
    for line in lines:
        if not line.baseline:
            lost["baseline"] += 1
        elif not line.polygon:
            lost["polygon"] += 1
        elif vanishes(line.text, release):
            lost["text"] += 1
        elif line.element in shapeless:
            lost["shape"] += 1
        else:
            glued += line.glued
    kept = len(lines) - sum(lost.values())
    if reach:
        lost["reach"] = reach
    return Reading(kept, lost=tuple(lost.items()), repeated=repeated, glued=glued)
