"""Which runs a user means: all of a workspace, one by its name or a prefix of it, the last."""

from __future__ import annotations

import os
from pathlib import Path

from htr_exp.core.errors import ConfigError
from htr_exp.runs.run_dir import RunDir


def runs_in(folder: Path) -> list[RunDir]:
    """The runs of a workspace, in the order of their names."""
    try:
        found = sorted(entry.path for entry in os.scandir(folder) if entry.is_dir())
    except FileNotFoundError:
        return []
    return [run for run in map(RunDir, map(Path, found)) if run.manifest.exists()]


def named(folder: Path, name: str) -> RunDir:
    """The run that a user means: its folder's name, a unique prefix of it, a path, or `last` (the newest).

    Raises:
        ConfigError: there is none, or several begin so.
    """
    runs = runs_in(folder)
    if name == "last" and runs:
        return max(runs, key=lambda run: run.manifest.stat().st_mtime_ns)
    if RunDir(Path(name)).manifest.exists():
        return RunDir(Path(name).resolve())
    matches = [run for run in runs if run.name == name] or [run for run in runs if run.name.startswith(name)]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise ConfigError(f"{name}: several runs begin so: {', '.join(run.name for run in matches[:10])}")
    known = ", ".join(run.name for run in runs[-10:]) or "none yet"
    raise ConfigError(f"{name}: there is no such run in {folder}; runs: {known}")
