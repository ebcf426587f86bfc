"""Files of the cache with their digests beside them: one that somebody changed is made again, and never used."""

from __future__ import annotations

from pathlib import Path

from htr_exp.core.file_cache import digest_of
from htr_exp.core.files import sha256_file, write_atomically


def seal(file: Path, content: Path | None = None) -> None:
    """Write the digest of a file beside it.

    Args:
        file: in the cache.
        content: where its content is, before it is put there.

    Raises:
        OSError: it cannot be read, or the cache not be written.
    """
    write_atomically(_digest_of(file), f"{sha256_file(content or file)}\n")


def sealed_digest(file: Path) -> str:
    """The digest that a file was sealed with; empty where it was not."""
    try:
        return _digest_of(file).read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def is_intact(file: Path) -> bool:
    """Whether a file is there as it was sealed."""
    try:
        return digest_of(file) == sealed_digest(file)
    except OSError:
        return False


def was_changed(file: Path) -> bool:
    """Whether a file and its digest are there, and do not fit each other."""
    return file.exists() and _digest_of(file).exists() and not is_intact(file)


def _digest_of(file: Path) -> Path:
    return file.with_name(f"{file.name}.sha256")
