"""Dataset folders: which of their files are ground truth, and how all of them are named in what is reported."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from htr_exp.groundtruth.file_tree import Tree, matches


def prefixes(folders: Sequence[Path]) -> list[str]:
    """The prefix of the page names of each folder: empty for a single folder, else its name, made unique."""
    if len(folders) == 1:
        return [""]
    taken: set[str] = set()
    prefixes = []
    for folder in folders:
        name, number = folder.absolute().name, 1
        prefix = name
        while prefix in taken:
            number += 1
            prefix = f"{name}-{number}"
        taken.add(prefix)
        prefixes.append(f"{prefix}/")
    return prefixes


@dataclass
class Source:
    """A dataset folder, and how its files are named in what is reported."""

    tree: Tree
    prefix: str
    only: Collection[str] | None = (
        None  # the files that a METS file or a manifest lists, there or not; None: there is no such
    )

    def label(self, name: str) -> str:
        """The name of a file as reports and records give it."""
        # A name that is not UTF-8 could be neither printed nor stored.
        return (self.prefix + name).encode("utf-8", "backslashreplace").decode()

    def select(self, pattern: str, exclude: Sequence[str]) -> list[str]:
        """The names of the files that match `pattern` and none of `exclude`."""
        files = self.tree.files if self.only is None else [name for name in self.tree.files if name in self.only]
        return [name for name in files if matches(name, [pattern]) and not matches(name, exclude)]

    def lost(self, pattern: str, exclude: Sequence[str]) -> list[str]:
        """The names of the files that `select` would give if they were there: a METS file lists them."""
        lost = sorted(set(self.only or ()) - set(self.tree.files))
        return [name for name in lost if matches(name, [pattern]) and not matches(name, exclude)]

    def excluded(self, pattern: str, exclude: Sequence[str]) -> list[str]:
        """The names of the files that match `pattern` and one of `exclude`."""
        return [name for name in self.tree.files if matches(name, [pattern]) and matches(name, exclude)]

    def hidden(self, pattern: str) -> list[str]:
        """The names of hidden files that could be taken for ground truth, or that file managers leave behind."""
        return [
            name
            for name in self.tree.hidden
            if (bare := posixpath.basename(name)) == ".DS_Store" or bare.startswith("._") or matches(name, [pattern])
        ]
