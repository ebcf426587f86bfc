"""Seals: the digest, size and time of files, in a manifest beside them, by which a later change is found."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypedDict

from htr_exp.core.file_cache import digest_of
from htr_exp.core.files import read_json, sha256_bytes, sha256_file, write_atomically

CHANGED = "changed since it was written: {files}"
"""What is said wherever something of such a run is shown."""


class Seal(TypedDict):
    """A file when it was sealed."""

    sha256: str
    size: int
    mtime_ns: int


def write(manifest: Path, files: Iterable[Path], *, before: Callable[[str], None] = lambda sha256: None) -> None:
    """Seal files of the manifest's folder, and of folders in it.

    Args:
        manifest: the file that is written.
        files: what is sealed.
        before: told the digest of the manifest before that is there.

    Raises:
        OSError: a file cannot be read, or the manifest not be written.
    """
    sealed = {path.relative_to(manifest.parent).as_posix(): _seal(path) for path in files}
    content = json.dumps(sealed, ensure_ascii=False, indent=1) + "\n"
    before(sha256_bytes(content.encode()))
    write_atomically(manifest, content)


def names(manifest: Path) -> set[str]:
    """The files that a manifest names, none of one that is missing or cannot be read."""
    try:
        return set(read_json(manifest))
    except (OSError, ValueError, TypeError):
        return set()


def changed(manifest: Path, *, every_digest: bool = False) -> list[str]:
    """The names of the sealed files that are missing or were changed since, or of a manifest that cannot be read.

    A file of the same size and time is the same. One of another time is read, and its digest decides: a copied folder has
    other times.

    Args:
        manifest: as `write` made it.
        every_digest: read the others, too: somebody may have set the time back.
    """
    try:
        sealed: dict[str, Seal] = read_json(manifest)
        folder = str(manifest.parent)  # a workspace has thousands of files, and paths as objects take their time
        return [name for name, seal in sealed.items() if _is_changed(f"{folder}/{name}", seal, every_digest)]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return [manifest.name]


def _seal(path: Path) -> Seal:
    status = path.stat()
    return {"sha256": sha256_file(path), "size": status.st_size, "mtime_ns": status.st_mtime_ns}


def _is_changed(path: str, seal: Seal, every_digest: bool) -> bool:
    try:
        status = os.stat(path)
        if status.st_size != seal["size"]:
            return True
        if every_digest:
            return sha256_file(Path(path)) != seal["sha256"]
        return status.st_mtime_ns != seal["mtime_ns"] and digest_of(Path(path)) != seal["sha256"]
    except OSError:
        return True
