"""Seals: the digest, size and time of files, in a manifest beside them, by which a later change is found.

Under its own name a manifest has the digest of all its other entries, so that none is taken out, added or edited unseen.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from htr_exp.core.file_cache import digest_of
from htr_exp.core.files import digest_json, read_json, sha256_bytes, sha256_file, write_atomically

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
    sealed: dict[str, Any] = {path.relative_to(manifest.parent).as_posix(): _seal(path) for path in files}
    sealed[manifest.name] = {"sha256": digest_json(sealed)}
    content = json.dumps(sealed, ensure_ascii=False, indent=1) + "\n"
    before(sha256_bytes(content.encode()))
    write_atomically(manifest, content)


def names(manifest: Path) -> set[str]:
    """The files that a manifest names beside itself, none of one that is missing or cannot be read."""
    try:
        return set(read_json(manifest)) - {manifest.name}
    except (OSError, ValueError, TypeError):
        return set()


@dataclass(frozen=True)
class Checked:
    """What a look at a manifest and its files found."""

    sealed: frozenset[str]  # the files that it names
    changed: tuple[str, ...]  # those that are missing or were changed since, and the manifest itself where it was


def check(manifest: Path, *, every_digest: bool = False) -> Checked:
    """Look whether sealed files, and the manifest that seals them, are as they were.

    A file of the same size and time is the same. One of another time is read, and its digest decides: a copied folder has
    other times.

    Args:
        manifest: as `write` made it; one that is missing or cannot be read is changed.
        every_digest: read the others, too: somebody may have set the time back.
    """
    try:
        sealed: dict[str, Seal] = read_json(manifest)
        whole = sealed.pop(manifest.name)["sha256"] == digest_json(sealed)
        folder = str(manifest.parent)  # a workspace has thousands of files, and paths as objects take their time
        changed = [name for name, seal in sealed.items() if _is_changed(f"{folder}/{name}", seal, every_digest)]
        return Checked(frozenset(sealed), (*[manifest.name] * (not whole), *changed))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Checked(frozenset(), (manifest.name,))


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
