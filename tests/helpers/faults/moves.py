"""Folders that somebody moves, renames or removes while a run works in them, and moves back before the next start."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from helpers.faults.scene import Scene


def _move(folder: Path, scene: Scene) -> None:
    away = folder.with_name(f"{folder.name} moved")
    os.rename(folder, away)

    def back() -> None:
        if folder.exists():  # what the run wrote there meanwhile is a fault of its own
            left = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
            assert left in ([], ["live/terminal.txt"]), f"it wrote {left} into a folder that was moved away"
            shutil.rmtree(folder)
        os.rename(away, folder)

    scene.put_right.append(back)


MOVES: dict[str, Callable[[Scene], None]] = {
    "the run folder is renamed": lambda scene: _move(scene.run.path, scene),
    "the folder of runs is renamed": lambda scene: _move(scene.run.path.parent, scene),
    "the cache is renamed": lambda scene: _move(scene.workspace / "cache", scene),
}
