"""Folders and the disks under them: can they be written for real, is there room."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from htr_exp.cli.doctor.finding import TIMEOUT_S, Finding, error, note, ok, warning
from htr_exp.core.lock import Locked, locked
from htr_exp.core.program import NoAnswer, ask
from htr_exp.core.text import counted, size
from htr_exp.core.time_limit import within

LEAST_BYTES, FEW_BYTES = 1e9, 10e9
LEAST_FILES, FEW_FILES = 1_000, 20_000
"""Below the first a run is likely to fail for want of room, below the second soon."""

SKEW_S = 30.0
"""How far the clock of a file server may be from this machine's before times in records mislead."""

LOCAL = frozenset(("ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "f2fs", "apfs"))
"""File systems of a disk of one machine."""


@dataclass(frozen=True)
class Folder:
    """A folder that is used."""

    name: str
    path: Path
    key: str  # what sets it
    written: bool  # runs write there
    needed: bool = False  # it must be there already
    unusable: str = "error"  # the state of the finding if it cannot be used


@dataclass(frozen=True)
class _Seen:
    folder: Folder
    there: Path  # itself, or the nearest one above it that is there
    finding: Finding


def findings(folders: Sequence[Folder], *, shared: bool) -> Iterator[Finding]:
    """Look at folders, then at the disks that they lie on.

    Args:
        folders: all that are used.
        shared: nodes of a cluster must see them, too.
    """
    disks: dict[int, list[_Seen]] = {}
    for folder in folders:
        try:
            seen, device = within(TIMEOUT_S, lambda folder=folder: _look(folder), f"the file system of {folder.path}")  # type: ignore[misc]
        except NoAnswer as silent:
            remedy = "wait, or ask the administrators: a file server may be down"
            yield error(folder.name, str(silent), remedy)
            continue
        # a folder for what nobody has yet is no matter
        if seen.there == folder.path or folder.written or folder.needed:
            yield seen.finding
        disks.setdefault(device, []).append(seen)
    for group in disks.values():
        yield from _disk(group, shared=shared)
    yield from _quotas(sorted({seen.there for group in disks.values() for seen in group}))


def _look(folder: Folder) -> tuple[_Seen, int]:
    there = next(path for path in (folder.path, *folder.path.parents) if os.path.lexists(path))
    return _Seen(folder, there, _state(folder, there)), os.stat(_above(there)).st_dev


def _above(path: Path) -> Path:
    """The path itself or, for a symbolic link that leads nowhere, the folder it stands in."""
    return path if path.exists() else path.parent


def _state(folder: Folder, there: Path) -> Finding:
    name, path, elsewhere = folder.name, folder.path, f"put it elsewhere: {folder.key}=FOLDER"
    if not there.exists():
        return Finding(
            name, folder.unusable, f"{there} is a link that leads nowhere", f"correct the link, or {elsewhere}"
        )
    if not there.is_dir():
        return Finding(
            name, folder.unusable, f"{there} is a file where a folder is needed", f"move it away, or {elsewhere}"
        )
    is_there = there == path
    if is_there and not os.access(there, os.R_OK | os.X_OK):
        return Finding(
            name, folder.unusable, f"{path} cannot be read", f"`ls -ld {path}` shows whose it is; or {elsewhere}"
        )
    if not folder.written:
        if is_there:
            return ok(name, f"{path}")
        missing = f"{path} does not exist"
        return error(name, missing, f"make it, or {elsewhere}") if folder.needed else note(name, missing)
    made = "" if is_there else ", which is made when it is needed"
    try:
        seconds = _write(there)
    except OSError as failure:
        what = f"{path}{'' if is_there else f' cannot be made: {there}'} cannot be written"
        return Finding(name, folder.unusable, f"{what}: {failure.strerror}", f"make it writable, or {elsewhere}")
    if abs(seconds) > SKEW_S:
        ahead = "ahead of" if seconds > 0 else "behind"
        remedy = "ask the administrators to set the clocks; until then times in tables are off by as much"
        return warning(
            name, f"{path} can be written, but its file server's clock is {abs(seconds):.0f} s {ahead} ours", remedy
        )
    return ok(name, f"{path}{made}, can be written" if not made else f"{path}{made}")


def _write(folder: Path) -> float:
    """Make, rename and delete what a run makes: a lock, and a file. Return how far the clocks are apart.

    Raises:
        OSError: something of that cannot be done.
    """
    trial = Path(tempfile.mkdtemp(prefix=".htr_exp-doctor-", dir=folder))
    try:
        with open(trial / "aside", "wb") as file:
            file.write(b"htr_exp" * 600)
            file.flush()
            os.fsync(file.fileno())
            now = time.time()
        os.replace(trial / "aside", trial / "file")
        skew = os.stat(trial / "file").st_mtime - now
        _lock(trial / "lock")
        return skew
    finally:
        shutil.rmtree(trial, ignore_errors=True)


def _lock(path: Path) -> None:
    """Hold a lock, and make sure that nobody else could: a lock is a folder that is made aside and renamed."""
    try:
        with locked(path), contextlib.suppress(Locked), locked(path):
            raise OSError(
                errno.ENOLCK, "two processes could work in one run, since a folder takes the place of another"
            )
    except OSError as failure:
        raise OSError(failure.errno, f"locks do not work there: {failure.strerror}") from None


def _disk(group: Sequence[_Seen], *, shared: bool) -> Iterator[Finding]:
    names = ", ".join(seen.folder.name for seen in group)
    try:
        room, kind, mount = within(TIMEOUT_S, lambda: _room(_above(group[0].there)), f"the disk of {names}")
    except NoAnswer as silent:
        yield error("disk", str(silent), "wait, or ask the administrators: a file server may be down")
        return
    except OSError as failure:
        remedy = "see with `df -h` that there is enough"
        yield warning("disk", f"of {names}: it does not say how much room it has ({failure.strerror})", remedy)
        return
    free, total = float(room.f_bavail * room.f_frsize), float(room.f_blocks * room.f_frsize)
    where = f" ({kind}, mounted at {mount})" if kind else ""
    found = f"{size(free)} free of {size(total)}{where}: {names}"
    written = any(seen.folder.written for seen in group)
    remedy = "delete what is no longer needed, or set site.workspace to a larger disk"
    if written and total and free < LEAST_BYTES:
        yield error("disk", f"full: {found}", remedy)
    elif written and total and free < FEW_BYTES:
        yield warning("disk", f"nearly full: {found}", remedy)
    else:
        yield ok("disk", found)
    if written and room.f_files and room.f_favail < FEW_FILES:
        few = f"{room.f_favail} more files fit on the disk of {names}, of {room.f_files} (inodes)"
        yield (error if room.f_favail < LEAST_FILES else warning)("files", few, remedy)
    if shared and kind in LOCAL and any(seen.folder.name == "workspace" for seen in group):
        yield note(
            "nodes",
            f"the workspace is on a disk of this machine ({kind}): jobs on other machines may not see it",
            "use a folder that all nodes see, such as the home folder, unless this is one",
        )


def _room(path: Path) -> tuple[os.statvfs_result, str, str]:
    return os.statvfs(path), *_file_system(path)


def _file_system(path: Path) -> tuple[str, str]:
    """The kind of the file system that a folder lies on and where it is mounted; empty if the system does not say."""
    with contextlib.suppress(OSError):
        real = os.path.realpath(path)
        rows = [line.split() for line in Path("/proc/mounts").read_text(errors="replace").splitlines()]
        fits = [row for row in rows if len(row) > 2 and f"{real}/".startswith(f"{_unescaped(row[1]).rstrip('/')}/")]
        if fits:
            best = max(fits, key=lambda row: len(row[1]))
            return best[2], _unescaped(best[1])
    return "", ""


def _unescaped(text: str) -> str:
    return re.sub(r"\\(\d{3})", lambda found: chr(int(found[1], 8)), text)


def _quotas(folders: Sequence[Path]) -> Iterator[Finding]:
    """Say what `quota` and Lustre's `lfs quota` know; both print the same columns."""
    answers: dict[str, str] = {}
    silent: list[str] = []
    user = str(os.getuid())
    questions = [["quota", "-w"]] if shutil.which("quota") else []
    if shutil.which("lfs"):
        questions += [
            ["lfs", "quota", "-u", user, str(folder)] for folder in folders if _file_system(folder)[0] == "lustre"
        ]
    for question in questions:
        try:
            answers[" ".join(question)] = ask(question, timeout_s=TIMEOUT_S).words
        except NoAnswer as failure:
            silent.append(str(failure))
    rows = {row["place"]: row for said in answers.values() for row in quota_rows(said)}
    for row in rows.values():
        yield _quota(row)
    if silent:
        yield note("quota", "; ".join(silent))
    elif not rows:
        yield note("quota", "none is known" + ("" if questions else " (there is no `quota` command here)"))


ROW = re.compile(r"(\S+)\s+(\d+)\*?\s+(\d+)\s+(\d+)(?:\s+(?!\d+\*?\s)\S+)?\s+(\d+)\*?\s+(\d+)\s+(\d+)\b")


def quota_rows(said: str) -> list[dict[str, str]]:
    """Read what `quota` prints: a place, kilobytes used, quota, limit, grace, files used, quota, limit; a long place has a line of its own."""
    names = ("place", "used", "soft", "hard", "files", "soft_files", "hard_files")
    return [dict(zip(names, found.groups())) for found in ROW.finditer(said)]


def _quota(row: Mapping[str, str]) -> Finding:
    limits = []
    for used, soft, hard, what in (("used", "soft", "hard", "bytes"), ("files", "soft_files", "hard_files", "files")):
        have, limit = int(row[used]), int(row[hard]) or int(row[soft])
        if limit:
            shown = (
                f"{size(have * 1024)} of {size(limit * 1024)}"
                if what == "bytes"
                else f"{have} of {counted(limit, 'file')}"
            )
            limits.append((have / limit, shown))
    if not limits:
        return ok("quota", f"none on {row['place']}")
    fullest = max(share for share, _ in limits)
    found = f"{', '.join(shown for _, shown in limits)} used on {row['place']}"
    remedy = "delete what is no longer needed there, or set site.workspace to another disk"
    if fullest >= 1:
        return error("quota", f"full: {found}", remedy)
    return warning("quota", f"nearly full: {found}", remedy) if fullest > 0.9 else ok("quota", found)
