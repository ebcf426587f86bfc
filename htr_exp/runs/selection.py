"""Which runs a user means: all of a workspace, one by its name or a prefix of it, the last."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from htr_exp.core.errors import ConfigError
from htr_exp.runs.foreign_files import FOREIGN, foreign_files
from htr_exp.runs.run_dir import BrokenRunError, RunDir


def runs_in(folder: Path, part: str = "") -> list[RunDir]:
    """The runs of a workspace that can be read, in the order of their names.

    Args:
        folder: of the workspace's runs.
        part: what their names hold; other folders are not looked into.
    """
    return readable(folder, part)[0]


def readable(folder: Path, part: str = "") -> tuple[list[RunDir], dict[str, str]]:
    """The runs of a workspace that can be read, and what is said of the others, by the names of their folders."""
    try:
        found = sorted(entry.path for entry in os.scandir(folder) if entry.is_dir() and part in entry.name)
    except FileNotFoundError:
        return [], {}
    runs: list[RunDir] = []
    refused: dict[str, str] = {}
    for run in map(RunDir, map(Path, found)):
        if said := _refused(run):
            refused[run.name] = said
        elif run.manifest.exists():
            runs.append(run)
    return runs, refused


def _refused(run: RunDir) -> str:
    """Why nothing is taken from a run folder; "" where something may be, or where it is no run."""
    if names := foreign_files(run):
        return FOREIGN.format(folder=run.path, names=", ".join(names))
    if run.manifest.exists():
        try:
            run.facts()
        except BrokenRunError as broken:
            return str(broken)
    elif run.results_manifest.exists():  # a run that ended, not one that was never complete
        return str(BrokenRunError(run, run.manifest, "there is no such file"))
    return ""


def named(folder: Path, name: str) -> RunDir:
    """The run that a user means: its folder's name, a unique prefix of it, a path, or `last` (the newest).

    Raises:
        ConfigError: there is none, or several begin so.
    """
    return named_among(*readable(folder), folder, name)


def named_among(runs: Sequence[RunDir], refused: Mapping[str, str], folder: Path, name: str) -> RunDir:
    """The same, of a workspace that was looked at already: `runs` and `refused` as `readable` returns them."""
    if name == "last" and runs:
        return max(runs, key=lambda run: run.manifest.stat().st_mtime_ns)
    named = RunDir(Path(name))
    if any(map(os.path.exists, (named.manifest, named.results_manifest))):  # also of a name that is too long for one
        given = RunDir(Path(name).resolve())
        if said := _refused(given):
            raise ConfigError(said)
        return given
    matches = [run for run in runs if run.name == name] or [run for run in runs if run.name.startswith(name)]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise ConfigError(f"{name}: several runs begin so: {', '.join(run.name for run in matches[:10])}")
    for other, said in refused.items():
        if other.startswith(name):
            raise ConfigError(said)
    known = ", ".join(run.name for run in runs[-10:]) or "none yet"
    raise ConfigError(f"{name}: there is no such run in {folder}; runs: {known}")
