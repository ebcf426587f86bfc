"""Symbolic links and special files in a run folder: we write none, so none is followed or read."""

from __future__ import annotations

import os
from collections.abc import Iterator

from htr_exp.runs.run_dir import RunDir

FOREIGN = "{folder}: it holds symbolic links or special files ({names}), so nothing in it is read. Put the files themselves there, or remove the folder"
"""What is said of such a folder, wherever it is met."""


def foreign_files(run: RunDir) -> list[str]:
    """The names of what is neither a file nor a folder, among all that is read of a run; at most five."""
    found = []
    for folder in (run.path, run.live, run.predictions, run.overlays):
        for entry in _entries(folder):
            if not (entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False)):
                found.append(os.path.relpath(entry.path, run.path))
                if len(found) == 5:
                    return found
        if found:  # what lies below a link is not looked at
            return found
    return found


def _entries(folder: os.PathLike[str]) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from sorted(entries, key=lambda entry: entry.name)
    except OSError:  # it is not there; whoever needs it says so
        return
