"""Memory kept back while there is some, so that there is enough left to say in words that it is full."""

from __future__ import annotations

import contextlib
import mmap

RESERVE_BYTES = 8 << 20
"""More than Python takes to write a few lines to a terminal, with the modules that this may import."""

_kept: list[mmap.mmap] = []


def keep_memory_back() -> None:
    """Keep addresses back in this process; they take no memory of the machine, since nothing is written there."""
    if not _kept:
        with contextlib.suppress(OSError):  # there is no room even now: the first import will say so
            _kept.append(mmap.mmap(-1, RESERVE_BYTES))


def give_memory_back() -> None:
    """Let this process use what was kept back: memory is full, and somebody must be told."""
    while _kept:
        _kept.pop().close()
