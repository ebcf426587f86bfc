"""Line pairs: an image of a line beside a text file with what it says, as kraken's `-f path` and other programs take them."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable

from htr_exp.groundtruth.file_tree import Tree

_TEXTS = (".gt.txt", ".txt")


def line_pairs(tree: Tree, images: Iterable[str]) -> list[str]:
    """Those of some images that have a text of their own name beside them: `l1.png` or `l1.bin.png` with `l1.gt.txt`.

    Args:
        tree: the dataset folder.
        images: their names.
    """
    texts = {name for name in tree.files if name.endswith(_TEXTS)}
    found = []
    for image in images:
        folder, bare = posixpath.split(image)
        stems = posixpath.splitext(bare)[0], bare.split(".")[0]
        if any(posixpath.join(folder, stem + end) in texts for stem in stems for end in _TEXTS):
            found.append(image)
    return found
