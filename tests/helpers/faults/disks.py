"""Disks that fill up, or can be written no more, while a run is under way; each workspace of the walk is a small disk of its own."""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path

from helpers.faults.scene import Missed, Scene

BALLAST = ".ballast"


def needs() -> str:
    """Why no small disk can be had here; empty where it can."""
    return "" if os.geteuid() == 0 else "mounting a small disk needs root"


def fill(scene: Scene) -> None:
    """Fill the disk to its last byte; the user frees it again."""
    ballast = scene.workspace / BALLAST
    with contextlib.suppress(OSError), open(ballast, "wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)):
                    pass
    scene.put_right.append(ballast.unlink)


def lock_up(scene: Scene) -> None:
    """Let nothing be written any more, as a file system does that found a fault in itself; refused where a file is open for writing."""
    disk = scene.workspace
    if not _remount(disk, "ro"):
        raise Missed
    scene.put_right.append(lambda: _remount(disk, "rw"))


def _remount(disk: Path, how: str) -> bool:
    done = subprocess.run(["mount", "-o", f"remount,{how}", str(disk)], check=False, capture_output=True)
    return done.returncode == 0
