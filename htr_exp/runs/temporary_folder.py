"""The folder for what kraken's programs write for a moment: where one was killed, the next start of the run removes it."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import stat
from pathlib import Path
from typing import TypedDict

from htr_exp.core.files import write_jsonl
from htr_exp.core.process_identity import here
from htr_exp.runs.record_check import read_records
from htr_exp.runs.run_dir import RunDir

NAME = re.compile(r"htr-[0-9a-f]{6}")

LONGEST = 107 - len("/htr-012345/pymp-01234567/listener-01234567")
"""How long the name of the folder around it may be, so that the sockets of Python's processes have room: unix(7) gives 108 bytes."""

SHORT = Path("/tmp")  # noqa: S108 - each folder in it has a name that nobody knows beforehand


class TemporaryFolderRecord(TypedDict):
    """A line of temporary.jsonl: a folder that a start of the run uses, and the machine that has it."""

    folder: str
    host: str
    machine: str


def reserve(run: RunDir, around: Path) -> Path:
    """The folder that the programs of this start of the run use one after the other. It is recorded, and not made yet.

    Args:
        run: its folder; held by this process.
        around: where they would write otherwise, TMPDIR; where its name is too long for sockets, /tmp takes its place, as in later
            versions of Python.

    Raises:
        OSError: the run folder cannot be written.
    """
    whole = around.resolve()
    chosen = whole if len(os.fsencode(whole)) <= LONGEST else SHORT
    folder = chosen / f"htr-{secrets.token_hex(3)}"
    record: TemporaryFolderRecord = {"folder": str(folder), "host": here().host, "machine": here().machine}
    write_jsonl(run.temporary, [*_recorded(run), record])
    return folder


def clear(run: RunDir) -> None:
    """Remove what starts of the run have left on this machine; for who holds the run.

    Raises:
        OSError: the run folder cannot be written.
    """
    records = _recorded(run)
    for record in records:
        if _is_here(record) and _is_ours(Path(record["folder"])):
            shutil.rmtree(record["folder"], ignore_errors=True)
    left = [record for record in records if not _is_here(record) or _is_ours(Path(record["folder"]))]
    if left:
        write_jsonl(run.temporary, left)
    else:
        run.temporary.unlink(missing_ok=True)


def _recorded(run: RunDir) -> list[TemporaryFolderRecord]:
    return read_records(run.temporary, TemporaryFolderRecord, "folder", "host", "machine")


def _is_here(record: TemporaryFolderRecord) -> bool:
    return (record["host"], record["machine"]) == (here().host, here().machine)


def _is_ours(folder: Path) -> bool:
    """Whether it can be such a folder: somebody may have written another one into the record."""
    try:
        status = folder.lstat()
    except (OSError, ValueError):
        return False
    ours = stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
    return ours and folder.is_absolute() and NAME.fullmatch(folder.name) is not None
