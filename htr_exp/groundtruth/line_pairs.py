"""Line pairs: an image of a line beside a text file with what it says, as kraken's `-f path` and other programs take them."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from unicodedata import normalize

from htr_exp.groundtruth.file_tree import Tree

GT, PLAIN = ".gt.txt", ".txt"
"""The endings of the texts. Programs write what they read into `.txt`, so that `.gt.txt` is taken where both are there."""


@dataclass(frozen=True, slots=True)
class LinePair:
    """An image of a line and its text."""

    name: str  # the image's, as reports give it
    image: Path
    xml: Path  # its text; called as the file of a page is, since tables name both alike


@dataclass
class FoundPairs:
    """What the images and texts of a folder are to each other, by their names."""

    text_of: dict[str, str] = field(default_factory=dict)  # image -> text
    images_of: dict[str, list[str]] = field(default_factory=dict)  # a text that several images have in common
    spare: list[tuple[str, str]] = field(default_factory=list)  # an image, and another text of it that is not read
    images_alone: list[str] = field(default_factory=list)
    texts_alone: list[str] = field(default_factory=list)


def find_pairs(tree: Tree, images: Iterable[str]) -> FoundPairs:
    """Pair images with the texts beside them: `l1.png` or `l1.bin.png` with `l1.gt.txt`, else with `l1.txt`.

    Args:
        tree: the dataset folder.
        images: their names.
    """
    texts: dict[tuple[str, str], str] = {}
    for name in tree.files:
        for ending in (GT, PLAIN):
            if name.lower().endswith(ending):
                texts.setdefault((normalize("NFC", name[: -len(ending)]), ending), name)
                break
    found = FoundPairs()
    takers: dict[str, list[str]] = {}
    others: list[tuple[str, str]] = []
    for image in images:
        stems = _stems(image)
        candidates = [texts[stem, ending] for ending in (GT, PLAIN) for stem in stems if (stem, ending) in texts]
        if not candidates:
            found.images_alone.append(image)
            continue
        takers.setdefault(candidates[0], []).append(image)
        others += [(image, text) for text in candidates[1:]]
    for text, of in takers.items():
        if len(of) == 1:
            found.text_of[of[0]] = text
        else:
            found.images_of[text] = of
    found.spare = [(image, text) for image, text in others if text not in takers]
    spoken_for = takers.keys() | {text for _, text in found.spare}
    plain = any(not text.lower().endswith(GT) for text in takers)  # else a `.txt` may be anything: a README
    found.texts_alone = [
        name
        for (_, ending), name in sorted(texts.items(), key=lambda item: item[1])
        if name not in spoken_for and (ending == GT or plain)
    ]
    return found


def _stems(image: str) -> list[str]:
    """What the name of an image's text may begin with: all but the last ending, and all before the first dot."""
    folder, bare = posixpath.split(image)
    stems = posixpath.splitext(bare)[0], bare.split(".")[0]
    return list(dict.fromkeys(normalize("NFC", posixpath.join(folder, stem)) for stem in stems if stem))
