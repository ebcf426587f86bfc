"""Which files a dataset folder holds, and which of them a page means by the image it names."""

from __future__ import annotations

import ntpath
import os
import posixpath
from collections.abc import Sequence
from fnmatch import fnmatchcase
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
    """Tell whether a relative path, or its bare name, is one of `patterns` or matches it as a glob."""
    path = normalize("NFC", name)
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
            self._folded.setdefault(normalize("NFC", name).casefold(), []).append(name)

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

    def _look_up(self, name: str) -> tuple[str, bool] | None:
        """The file of this name under either normal form; True if only the case of letters differs."""
        if name in self._exact:
            return name, False
        composed = normalize("NFC", name)
        if composed in self._composed:
            return self._composed[composed], False
        folded = self._folded.get(composed.casefold(), [])
        return (folded[0], True) if len(folded) == 1 else None

    def image(self, xml: str, image_name: str) -> tuple[str | None, str]:
        """Find the image of a page.

        Args:
            xml: the page's own name.
            image_name: as the page gives it; empty if it gives none.

        Returns:
            The image's name or None, and why: `""` (as named), `image_elsewhere`, `image_by_stem`, `image_name_case`,
            `image_missing` or `image_outside`.
        """
        folder = posixpath.dirname(xml)
        if not image_name:
            return self._by_stem(xml)
        bare = ntpath.basename(image_name.rstrip("/\\"))  # ntpath knows both kinds of slash
        absolute = image_name.startswith(("/", "\\")) or bool(ntpath.splitdrive(image_name)[0])
        inside = True
        if absolute:
            relative = os.path.relpath(image_name, self.root) if image_name.startswith("/") else ".."
        else:
            relative = posixpath.normpath(posixpath.join(folder, image_name))
        if relative == ".." or relative.startswith("../"):
            inside = False
            if not absolute:
                return None, "image_outside"
        elif named := self._look_up(relative):
            return named[0], "image_name_case" if named[1] else ""
        places = [folder, posixpath.dirname(folder)] if folder else [""]
        for place in places:
            if near := self._look_up(posixpath.join(place, bare)):
                return near[0], "image_elsewhere"
        return None, "image_missing" if inside else "image_outside"

    def _by_stem(self, xml: str) -> tuple[str | None, str]:
        folder, bare = posixpath.split(xml)
        stem = posixpath.splitext(bare)[0]
        places = [folder, posixpath.dirname(folder)] if folder else [""]
        for place in places:
            found = [hit[0] for end in IMAGES if (hit := self._look_up(posixpath.join(place, stem + end)))]
            if len(set(found)) == 1:
                return found[0], "image_by_stem"
        return None, "image_missing"

    def images(self) -> list[str]:
        """The names of all image files, by their endings."""
        return [name for name in self.files if name.lower().endswith(IMAGES)]


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
