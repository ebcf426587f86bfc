"""Where a run folder is now: people move and rename folders while something works in them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from htr_exp.core.lock import LockLost
from htr_exp.core.own_command import own_command
from htr_exp.runs.run_files import RunFiles


class RunGoneError(LockLost):
    """A run folder that was moved, renamed or deleted before the work in it was over: nothing may be written in its old place."""

    def __init__(self, run: RunFiles) -> None:
        now = place_now(run.path)
        name = now.name if now and now.parent == run.path.parent else now or "RUN"
        remedy = f"`{own_command(f'resume {name}')}` goes on with it where it is, or move it back and give the same command again"
        super().__init__(
            f"{run.path}: the run folder was moved, renamed or deleted{f'; it is {now} now' if now else ''}",
            [f"nothing was written in its old place: {remedy}"],
        )


_OPEN: dict[Path, int] = {}
"""The run folders that this process works in, as descriptors: these stay the same where the folder is moved."""


@contextmanager
def held_open(folder: Path) -> Iterator[None]:
    """Let a run folder be found again, should it be moved while the body works in it."""
    _OPEN[folder] = number = os.open(folder, os.O_RDONLY)
    try:
        yield
    finally:
        del _OPEN[folder]
        os.close(number)


def place_now(folder: Path) -> Path | None:
    """Where a folder is that this process works in; None where that is not known, or it was deleted."""
    try:
        found = os.readlink(f"/proc/self/fd/{_OPEN[folder]}")
    except (KeyError, OSError):
        return None
    return Path(found) if os.path.isdir(found) and found != str(folder) else None
