"""Which files a dataset folder holds."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from unicodedata import normalize

IMAGES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".jp2", ".webp", ".bmp", ".gif")


_SHOWN = 200  # characters


def shown(name: str) -> str:
    """A name fit for a message: on one line and not too long, whatever characters it has."""
    if len(name) > _SHOWN:
        name = f"{name[: _SHOWN // 2]} ... {name[-_SHOWN // 4 :]}"
    return name if name.isprintable() else repr(name)


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Tell whether a relative path, or its bare name, is one of `patterns` or matches it as a glob, its ending in any case."""
    path = normalize("NFC", name)
    stem, ending = posixpath.splitext(path)
    return _matches(path, patterns) or (ending != ending.lower() and _matches(stem + ending.lower(), patterns))


def _matches(path: str, patterns: Sequence[str]) -> bool:
    bare = posixpath.basename(path)
    for pattern in patterns:
        wanted = normalize("NFC", pattern)
        if wanted in (path, bare) or fnmatchcase(path, wanted) or fnmatchcase(bare, wanted):
            return True
    return False


class Tree:
    """The files below a dataset folder, each once, by paths relative to it with `/`.

    Args:
        folder: the dataset folder.
        visited: device and inode of folders that were read already, through this dataset folder or another.
    """

    def __init__(self, folder: Path, visited: set[tuple[int, int]]) -> None:
        self.root = os.path.abspath(folder)
        self.files: list[str] = []
        self.hidden: list[str] = []
        self.unreadable: list[tuple[str, str]] = []  # folders, and why
        self._folders: list[str] = []
        self._walk(visited)
        self.files.sort()
        self.hidden.sort()
        everything = self.files + sorted(self._folders)  # a folder under an image's name is found, and refused later
        self._exact = set(everything)
        self._composed: dict[str, str] = {}
        self._folded: dict[str, list[str]] = {}
        for name in everything:
            self._composed.setdefault(normalize("NFC", name), name)
            self._folded.setdefault(folded(name), []).append(name)

    def path(self, name: str) -> Path:
        """The absolute path of a relative one."""
        return Path(self.root, name)

    def _walk(self, visited: set[tuple[int, int]]) -> None:
        waiting = [("", False)]
        while waiting:  # no recursion: folders may be deeper than Python's stack
            below, hidden = waiting.pop()
            try:
                found = _entries(os.path.join(self.root, below), visited)
            except OSError as error:
                if not below:
                    raise
                self.unreadable.append((below, error.strerror or str(error)))
                continue
            for name, is_folder in found:
                path = f"{below}/{name}" if below else name
                concealed = hidden or name.startswith(".")
                if is_folder:
                    self._folders.append(path)
                    waiting.append((path, concealed))
                else:
                    (self.hidden if concealed else self.files).append(path)

    def look_up(self, name: str) -> tuple[str, bool] | None:
        """The file of this name under either normal form; True if only the case of letters differs."""
        if name in self._exact:
            return name, False
        composed = normalize("NFC", name)
        if composed in self._composed:
            return self._composed[composed], False
        alike = self._folded.get(folded(name), [])
        return (alike[0], True) if len(alike) == 1 else None

    def images(self) -> list[str]:
        """The names of all image files, by their endings."""
        return [name for name in self.files if name.lower().endswith(IMAGES)]

    def images_named(self, *bare: str) -> list[str]:
        """The names of all image files that have one of these names, in whatever folder."""
        return [name for one in dict.fromkeys(map(folded, bare)) for name in self._by_bare.get(one, ())]

    def images_of_stem(self, stem: str) -> list[str]:
        """The names of all image files that have this name, whatever their ending and folder."""
        return self._by_stem.get(folded(stem), [])

    @cached_property
    def _by_bare(self) -> dict[str, list[str]]:
        return self._grouped(posixpath.basename)

    @cached_property
    def _by_stem(self) -> dict[str, list[str]]:
        return self._grouped(lambda name: posixpath.splitext(posixpath.basename(name))[0])

    def _grouped(self, key: Callable[[str], str]) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name in self.images():
            found.setdefault(folded(key(name)), []).append(name)
        return found


def folded(name: str) -> str:
    """A name without what some file systems do not tell apart: case and Unicode form."""
    return normalize("NFC", name).casefold()


def _entries(folder: str, visited: set[tuple[int, int]]) -> list[tuple[str, bool]]:
    """The names in a folder, and whether each is a folder; empty for a folder that was visited already."""
    status = os.stat(folder)
    if (status.st_dev, status.st_ino) in visited:  # a link that leads back, or a folder given twice
        return []
    visited.add((status.st_dev, status.st_ino))
    with os.scandir(folder) as entries:
        return sorted((entry.name, _is_folder(entry)) for entry in entries)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False
