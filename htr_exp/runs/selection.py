"""Which runs a user means: all of a workspace, one by its name or a prefix of it, the last."""

from __future__ import annotations

import os
from pathlib import Path

from htr_exp.core.errors import ConfigError
from htr_exp.runs.foreign_files import REFUSED, foreign_files
from htr_exp.runs.run_dir import BrokenRunError, RunDir


def runs_in(folder: Path) -> list[RunDir]:
    """The runs of a workspace that can be read, in the order of their names."""
    return readable(folder)[0]


def readable(folder: Path) -> tuple[list[RunDir], list[str]]:
    """The runs of a workspace that can be read, and what is said of the others."""
    try:
        found = sorted(entry.path for entry in os.scandir(folder) if entry.is_dir())
    except FileNotFoundError:
        return [], []
    runs, refused = [], []
    for run in map(RunDir, map(Path, found)):
        if names := foreign_files(run):
            refused.append(REFUSED.format(folder=run.path, names=", ".join(names)))
        elif run.manifest.exists():
            try:
                run.facts()
                runs.append(run)
            except BrokenRunError as broken:
                refused.append(str(broken))
    return runs, refused


def named(folder: Path, name: str) -> RunDir:
    """The run that a user means: its folder's name, a unique prefix of it, a path, or `last` (the newest).

    Raises:
        ConfigError: there is none, or several begin so.
    """
    runs, refused = readable(folder)
    if name == "last" and runs:
        return max(runs, key=lambda run: run.manifest.stat().st_mtime_ns)
    if RunDir(Path(name)).manifest.exists():
        given = RunDir(Path(name).resolve())
        if names := foreign_files(given):
            raise ConfigError(REFUSED.format(folder=given.path, names=", ".join(names)))
        return given
    matches = [run for run in runs if run.name == name] or [run for run in runs if run.name.startswith(name)]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise ConfigError(f"{name}: several runs begin so: {', '.join(run.name for run in matches[:10])}")
    if meant := [said for said in refused if said.startswith(f"{folder / name}")]:
        raise ConfigError(meant[0])
    known = ", ".join(run.name for run in runs[-10:]) or "none yet"
    raise ConfigError(f"{name}: there is no such run in {folder}; runs: {known}")
