"""Unpacks a zip of ground truth, as eScriptorium and other programs export it, and nothing that it may do besides."""

from __future__ import annotations

import errno
import os
import posixpath
import re
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from htr_exp.core.errors import DatasetError
from htr_exp.core.file_cache import digest_of
from htr_exp.core.files import beside
from htr_exp.groundtruth.file_tree import shown

MOST_ENTRIES = 200_000
"""Files that an archive may hold."""

MOST_BYTES = 1 << 30
"""To which an archive may unpack, whatever its own size."""

MOST_TIMES = 50
"""To how many times its own size it may unpack: images are hardly compressed, XML ten to twenty times."""

_BLOCK = 1 << 20  # bytes


def is_zip(path: Path) -> bool:
    """Tell whether a file is a zip, or is called one.

    Raises:
        OSError: it cannot be read.
    """
    with open(path, "rb") as file:
        return file.read(4) in (b"PK\x03\x04", b"PK\x05\x06") or path.suffix.lower() == ".zip"


def unpacked(path: Path, cache: Path) -> Path:
    """The folder that holds what a zip holds; it is unpacked once, whole or not at all, under its digest.

    Args:
        path: of the zip.
        cache: folder of all that was unpacked.

    Raises:
        DatasetError: it cannot be unpacked, or means harm.
        OSError: it cannot be read or written.
    """
    target = cache / digest_of(path)[:32] / (path.stem or "dataset")
    if not target.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        unpack(path, target)
    return target


def unpack(path: Path, target: Path) -> None:
    """Unpack a zip into a new folder, whole or not at all; where the folder is there by then, that stays.

    Args:
        path: of the zip.
        target: of the folder; the one that it is to be in is there.

    Raises:
        DatasetError: it cannot be unpacked, or means harm.
        OSError: it cannot be read or written.
    """
    aside = beside(target)
    try:
        with _opened(path) as archive:
            entries = list(_entries(archive, path.stat().st_size))
            aside.mkdir()
            for name, entry in entries:
                place = aside / name
                place.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(entry) as source, open(place, "xb") as copy:
                    shutil.copyfileobj(source, copy, _BLOCK)
        try:
            os.replace(aside, target)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):  # another process was quicker
                raise
    except FileExistsError as error:
        raise DatasetError(f"two of its files have the name {shown(Path(error.filename).name)}") from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def is_unpacked(path: Path, folder: Path) -> bool:
    """Whether a folder has the files of a zip as they are in it, and possibly others.

    Raises:
        DatasetError: it cannot be unpacked, or means harm.
        OSError: it cannot be read.
    """
    with _opened(path) as archive:
        for name, entry in _entries(archive, path.stat().st_size):
            file = folder / name
            if (
                not file.is_file()
                or file.stat().st_size != entry.file_size
                or zlib.crc32(file.read_bytes()) != entry.CRC
            ):
                return False
    return True


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise DatasetError(f"it is no zip that can be read ({error}): export it again") from None
    except (NotImplementedError, RuntimeError) as error:
        raise DatasetError(f"it cannot be unpacked ({error}): unpack it yourself, and name the folder") from None


def _entries(archive: zipfile.ZipFile, size: int) -> Iterator[tuple[str, zipfile.ZipInfo]]:
    """Yield the files of an archive by the names that they get.

    Raises:
        DatasetError: it would write elsewhere, holds a link, is encrypted, or is beyond all measure.
    """
    entries = archive.infolist()
    if len(entries) > MOST_ENTRIES:
        raise DatasetError(f"it holds {len(entries):,} files, more than {MOST_ENTRIES:,}: unpack it yourself")
    total = sum(entry.file_size for entry in entries)
    if total > max(MOST_BYTES, MOST_TIMES * size):
        raise DatasetError(f"it unpacks to {total >> 20:,} MB, which may be an attack: unpack it yourself")
    for entry in entries:
        name = _name(entry).replace("\\", "/")
        parts = name.split("/")
        if name.startswith("/") or ".." in parts or re.match(r"[A-Za-z]:", name) or "\0" in name:
            raise DatasetError(
                f"its file {shown(entry.filename)} would be written outside its folder: it may be an attack"
            )
        mode = entry.external_attr >> 16
        if mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise DatasetError(f"its file {shown(entry.filename)} is a link or a special file: it may be an attack")
        if entry.flag_bits & 1:
            raise DatasetError("it is encrypted: unpack it yourself, and name the folder")
        if not name.endswith("/") and parts[0] != "__MACOSX":
            yield posixpath.normpath(name), entry


def _name(entry: zipfile.ZipInfo) -> str:
    """The name of a file; those of macOS are in UTF-8 without saying so."""
    if entry.flag_bits & 0x800 or entry.filename.isascii():
        return entry.filename
    try:
        return entry.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return entry.filename
