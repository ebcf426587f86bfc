"""What was learnt of files, remembered as long as they stay the same: one archive for each folder and kind of fact.

A file is the same if its size, its times of content and of status, and its inode are: no program sets the time of
status back. A file that changed so lately that its clock may not have ticked since is never remembered.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import platformdirs

from htr_exp.core.files import sha256_bytes, sha256_file

Stamp = tuple[int, int, int, int]

TICK_NS = 2_000_000_000
"""The coarsest clock of a file system in use (FAT; NFS servers and kernels are finer), nanoseconds."""

LARGE = 1 << 20
"""From this size on (bytes) reading a file takes longer than finding out what is remembered of it."""


def stamp_of(status: os.stat_result) -> Stamp:
    """What tells a file from itself after a change: size, times of content and status, inode."""
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def settled(stamp: Stamp) -> bool:
    """Whether a file changed so long ago that its next change will show in its times."""
    return max(stamp[1:3]) < time.time_ns() - TICK_NS


def user_cache() -> Path:
    """The folder of this user where facts about files are remembered."""
    return platformdirs.user_cache_path("htr_exp") / "files"


class Remembered:
    """Facts of one kind about files, as JSON values.

    A cache that cannot be read or written is no cache: everything still works, only slower.

    Args:
        where: folder of the archives; None remembers nothing beyond this object.
        kind: what the facts are, part of the archives' names.
        form: changes whenever facts of one kind change their meaning.
    """

    def __init__(self, where: Path | None, kind: str, form: int) -> None:
        self._where = where
        self._kind = kind
        self._form = form
        self._archives: dict[str, zipfile.ZipFile | None] = {}
        self._learnt: dict[str, dict[str, tuple[Stamp, Any]]] = {}

    @classmethod
    def of_user(cls, kind: str, form: int) -> Remembered:
        """The facts kept in this user's cache folder."""
        return cls(user_cache(), kind, form)

    def get(self, root: str, name: str, stamp: Stamp) -> Any | None:
        """What is known of the file `name` below the folder `root`; None: nothing, or only of another state of it."""
        learnt = self._learnt.get(root, {}).get(name)
        if learnt is None:
            learnt = self._stored(root, name)
        return learnt[1] if learnt is not None and learnt[0] == stamp else None

    def put(self, root: str, name: str, stamp: Stamp, value: Any) -> None:
        """Remember what a file of this stamp holds, unless it changed a moment ago."""
        if settled(stamp):
            self._learnt.setdefault(root, {})[name] = (stamp, value)

    def save(self) -> None:
        """Write what was learnt; a folder that cannot be written is left as it is."""
        for root in sorted(self._learnt):
            with contextlib.suppress(OSError, ValueError, zipfile.BadZipFile, zlib.error):
                if target := self._file(root):
                    self._write(root, target)
        self._learnt.clear()
        for archive in self._archives.values():
            if archive is not None:
                archive.close()
        self._archives.clear()

    def _stored(self, root: str, name: str) -> tuple[Stamp, Any] | None:
        archive = self._archive(root)
        if archive is None:
            return None
        try:
            named, stamp, value = json.loads(archive.read(_member(name)))
        except (KeyError, OSError, ValueError, TypeError, zipfile.BadZipFile, zlib.error):
            return None
        return (tuple(stamp), value) if named == _printable(name) else None

    def _archive(self, root: str) -> zipfile.ZipFile | None:
        if root not in self._archives:
            self._archives[root] = self._opened(root)
        return self._archives[root]

    def _opened(self, root: str) -> zipfile.ZipFile | None:
        file = self._file(root)
        if file is None:
            return None
        try:
            archive = zipfile.ZipFile(file)
        except (OSError, ValueError, zipfile.BadZipFile):
            return None
        if archive.comment != self._comment(root):
            archive.close()
            return None
        return archive

    def _write(self, root: str, target: Path) -> None:
        """Write the archive anew beside the old one, with all that is still known, and put it in its place."""
        learnt, old = self._learnt[root], self._archive(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            with zipfile.ZipFile(aside, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
                archive.comment = self._comment(root)
                new = {_member(name): (name, *known) for name, known in learnt.items()}
                for member, (name, stamp, value) in new.items():
                    archive.writestr(member, json.dumps([_printable(name), stamp, value], separators=(",", ":")))
                for member in old.namelist() if old is not None else ():
                    if member not in new:
                        archive.writestr(member, old.read(member))  # type: ignore[union-attr]
            os.replace(aside, target)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(aside)

    def _comment(self, root: str) -> bytes:
        return f"{self._kind} {self._form} {sha256_bytes(os.fsencode(root))}".encode()

    def _file(self, root: str) -> Path | None:
        if self._where is None:
            return None
        return self._where / f"{self._kind}-{sha256_bytes(os.fsencode(root))[:32]}.zip"


def fact_of(
    path: Path, kind: str, form: int, learn: Callable[[], Any], *, about: str = "", where: Path | None = None
) -> Any:
    """One fact of one file, learnt only where it is not remembered of the file as it is now.

    Args:
        path: the file.
        kind: what the fact is, as of `Remembered`.
        form: its form, as of `Remembered`.
        learn: finds it out, as a JSON value that is not None; what it raises is raised here.
        about: what else the fact depends on.
        where: the folder of the archives; None: this user's.

    Raises:
        OSError: there is no such file.
    """
    stamp = stamp_of(path.stat())
    remembered = Remembered(user_cache() if where is None else where, kind, form)
    root, name = str(path.parent), f"{path.name} {about}".rstrip()
    try:
        value = remembered.get(root, name, stamp)
        if value is None:
            value = learn()
            remembered.put(root, name, stamp, value)
        return value
    finally:
        remembered.save()


def digest_of(path: Path) -> str:
    """The SHA-256 of a file; of a large one it is remembered as long as the file stays the same.

    Raises:
        OSError: it cannot be read.
    """
    if path.stat().st_size < LARGE:
        return sha256_file(path)
    return str(fact_of(path, "digests", 1, lambda: sha256_file(path)))


def _member(name: str) -> str:
    return sha256_bytes(os.fsencode(name))[:32]


def _printable(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode()
