"""Where the files lie that problems name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from htr_exp.groundtruth.file_tree import Tree
from htr_exp.groundtruth.folders import Source, prefixes
from htr_exp.groundtruth.image_search import find_image


class Located:
    """The files of dataset folders by their labels, as `Problem.file` and `GroundTruthPage.name` give them.

    Args:
        folders: as they were given to `examine`.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._files: dict[str, tuple[Tree, str]] = {}
        visited: set[tuple[int, int]] = set()
        for folder, prefix in zip(folders, prefixes(folders), strict=True):
            try:
                source = Source(Tree(folder, visited), prefix)
            except OSError:
                continue  # which is one of the problems
            for name in source.tree.files:
                self._files[source.label(name)] = source.tree, name

    def file(self, label: str) -> Path | None:
        """A file's path, or None if there is no such file (any more)."""
        if label not in self._files:
            return None
        tree, name = self._files[label]
        return tree.path(name)

    def image(self, label: str, image_name: str) -> Path | None:
        """The image that a page means.

        Args:
            label: of the page.
            image_name: as the page gives it; empty if it gives none.
        """
        if label not in self._files:
            return None
        tree, name = self._files[label]
        found, _ = find_image(tree, name, image_name)
        return None if found is None else tree.path(found)
