"""Files whose content must stay what it was: looked at before and after somebody reads them, and read again only where they may have changed."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from htr_exp.core.file_cache import Stamp, digest_of, settled, stamp_of


class KnownFiles:
    """What is known of files by their stamps: size, times of content and of status, inode.

    No program sets the time of status back, so that a file with another content, the same size and the same time of content is told,
    too.
    """

    def __init__(self) -> None:
        self._known: dict[Path, tuple[Stamp, str]] = {}

    def note(self, path: Path, stamp: Stamp, sha256: str) -> None:
        """Remember what a file held while it had a stamp, unless it was so new that a change might not have moved its times."""
        if settled(stamp):
            self._known[path] = stamp, sha256

    def look(self, path: Path, sha256: str) -> Stamp | None:
        """The stamp of a file that has this digest now; None: it has another.

        Raises:
            OSError: it cannot be read.
        """
        # opened, not only asked for: a file server then tells its newest state
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            status = os.fstat(descriptor)
        finally:
            os.close(descriptor)
        stamp = stamp_of(status)
        if self._known.get(path) != (stamp, sha256):
            if not stat.S_ISREG(status.st_mode) or digest_of(path) != sha256:
                return None
            self.note(path, stamp, sha256)
        return stamp
