"""What of a workspace lies on the disk, how much it takes, and what of it can be made again."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from htr_exp.config.places import Places
from htr_exp.runs.run_dir import RunDir

AGAIN = "made again when it is needed"

CACHE = {
    "compiled": "compiled data",
    "predictions": "predictions that runs share",
    "pages": "staged pages",
    "code": "copies of the code, for jobs",
    "jobs": "submitit's files of jobs",
}
"""Folders of the cache that can be made again -> what they hold."""

DATASETS = "datasets"
"""The folder of unpacked zips."""

_BLOCK = 512  # bytes: what st_blocks counts in


@dataclass(frozen=True)
class Use:
    """Files of one kind.

    Attributes:
        what: they are.
        folder: in which they lie.
        files: all of them.
        removable: those that can be removed.
        why: they can be made again, or are kept.
    """

    what: str
    folder: Path
    files: tuple[Path, ...]
    removable: tuple[Path, ...]
    why: str


def uses(
    places: Places, runs: Sequence[RunDir], *, open_runs: Sequence[RunDir], named: Collection[Path], unused_since: float
) -> list[Use]:
    """What lies where; nothing that exists nowhere else can be removed.

    Args:
        places: the folders of the workspace.
        runs: all of it.
        open_runs: those that wait, work or were interrupted: they need all that is there.
        named: the folders of ended runs whose checkpoints may go: such a run can only be begun anew.
        unused_since: seconds since 1970; files that were written or read later stay.
    """
    found = []
    for name, what in CACHE.items():
        files = tuple(_files(places.cache / name))
        old = () if open_runs else tuple(file for file in files if _last_used(file) <= unused_since)
        why = "kept while runs need it" if open_runs else AGAIN
        found.append(Use(what, places.cache / name, files, old, why))
    unpacked = tuple(_files(places.cache / DATASETS))
    found.append(Use("unpacked zips", places.cache / DATASETS, unpacked, (), "kept: their zips may be gone"))
    checkpoints = {run.path: tuple(_files(run.training)) for run in runs}
    still_open = {run.path for run in open_runs}
    freed = tuple(
        file for path, files in checkpoints.items() if path in named and path not in still_open for file in files
    )
    every = tuple(file for files in checkpoints.values() for file in files)
    why = "a run goes on from them; of runs that you name they can be removed"
    found.append(Use("checkpoints of runs", places.runs, every, freed, why))
    others = tuple(file for run in runs for file in _files(run.path) if not file.is_relative_to(run.training))
    found.append(Use("records, models and logs of runs", places.runs, others, (), "kept: they are nowhere else"))
    return [one for one in found if one.files]


def taken(files: Collection[Path]) -> int:
    """The bytes that files take on the disk, and that their removal frees: one of several names of a file frees nothing."""
    return sum(status.st_blocks * _BLOCK for file in files if (status := _status(file)) and status.st_nlink == 1)


def remove(use: Use) -> int:
    """Remove what can be removed; return how many bytes that freed.

    Raises:
        OSError: a file cannot be removed; those before it are gone.
    """
    freed = 0
    for file in use.removable:
        size = taken([file])
        file.unlink(missing_ok=True)
        freed += size
    emptied = {folder for file in use.removable for folder in file.parents if folder.is_relative_to(use.folder)}
    for folder in sorted(emptied, reverse=True):  # the inner ones first
        with contextlib.suppress(OSError):  # it holds something
            folder.rmdir()
    return freed


def _files(folder: Path) -> Iterator[Path]:
    """Yield the regular files below a folder; no link is followed, and none is a file."""
    for inside, _, names in os.walk(folder):
        for name in names:
            file = Path(inside, name)
            if (status := _status(file)) and stat.S_ISREG(status.st_mode):
                yield file


def _status(file: Path) -> os.stat_result | None:
    try:
        return file.lstat()
    except OSError:  # somebody took it away at this moment
        return None


def _last_used(file: Path) -> float:
    status = _status(file)
    return max(status.st_mtime, status.st_atime) if status else float("inf")
