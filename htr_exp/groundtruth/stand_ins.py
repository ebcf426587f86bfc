"""What stands in the place of a file that was never fetched: notes of Git LFS and git-annex, web pages."""

from __future__ import annotations

import re

LONGEST = 1024
"""Bytes of a file's beginning by which it is known."""

LFS_NOTE = b"version https://git-lfs"
"""So the note begins that Git LFS has in the place of a file."""

_LFS = "is only Git LFS's note of where the image is: run `git lfs pull` in its repository"
_ANNEX = "is only git-annex's note of where the image is: run `git annex get .` in its repository"
_WEB = "is a web page, or a server's answer, that was saved in its place: download the image itself"
STAND_INS = frozenset((_LFS, _ANNEX, _WEB))
"""What is said of images that are none."""

_ANNEX_NOTE = re.compile(rb"[^\n]{0,400}/annex/objects/[^\n]+\s*")


def stand_in(head: bytes) -> str | None:
    """What a file is instead of an image, by its first `LONGEST` bytes; None: something else."""
    if head.startswith(LFS_NOTE):
        return _LFS
    if _ANNEX_NOTE.fullmatch(head):
        return _ANNEX
    is_text = head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<")
    return _WEB if is_text and b"<svg" not in head.lower() else None
