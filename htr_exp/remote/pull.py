"""Fetching runs that have ended: each arrives aside, is examined by its own seals, and only then is a run here."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from htr_exp.core.errors import HtrExpError
from htr_exp.core.files import beside, sha256_file
from htr_exp.core.run_state import RunState
from htr_exp.core.text import first_of, printable
from htr_exp.remote import file_lists, rsync
from htr_exp.remote.connection import Connection
from htr_exp.remote.rsync import Progress, word
from htr_exp.runs.ownership import is_ours
from htr_exp.runs.run_dir import BrokenRunError, RunDir
from htr_exp.runs.run_files import FILES

ARRIVING = ".arriving"
"""The folder in that of the runs where a run is until it is whole; it is no run, and nothing looks into it."""

NOT_FETCHED = tuple(
    path.as_posix()
    for path in (
        FILES.training,  # kraken's own files, among them checkpoints
        FILES.candidates, FILES.new_pairs, FILES.new_predictions, FILES.mount_helpers,  # what a start works with
        FILES.lock, FILES.temporary, FILES.judging_lock, FILES.places, FILES.signature,  # what holds on that machine alone
        FILES.tracking_marks,  # what the MLflow there has
    )
)  # fmt: skip
"""What of a run folder stays there."""


@dataclass(frozen=True)
class Pulled:
    """What became of a run.

    Attributes:
        run: its name.
        state: there; as the tool there says it.
        done: new, updated, same, waits (it has not ended) or refused.
        files, size: what was fetched; bytes.
        why: of refused, in words.
    """

    run: str
    state: str
    done: str
    files: int = 0
    size: int = 0
    why: str = ""


def has_ended(row: Mapping[str, Any]) -> bool:
    """Whether a run is over, by a row of `status --json`."""
    try:
        return RunState(row["state"]).is_ended
    except ValueError:
        return False


def pull(
    connection: Connection, rows: Sequence[Mapping[str, Any]], runs: Path, progress: Callable[[str], Progress | None]
) -> Iterator[Pulled]:
    """Fetch runs that have ended; one that is here as it is there is left alone, and no other run here is touched.

    Args:
        connection: open.
        rows: of the runs, as `status --json` there gives them.
        runs: the folder of runs here.
        progress: of a run by its name: what is told how far it is.

    Yields:
        What became of each run, as soon as it is here.

    Raises:
        ConnectionFailed: the connection was lost; what came whole is here.
        TransferFailed: rsync did not copy all of it.
        OSError: the folder here cannot be written.
    """
    yield from (Pulled(row["run"], row["state"], "waits") for row in rows if not has_ended(row))
    ended = [row for row in rows if has_ended(row)]
    digests = _digests(connection, [row["folder"] for row in ended])
    for row, there in zip(ended, digests):
        name, state, here = row["run"], row["state"], RunDir(runs / row["run"])
        if Path(name).name != name or name.startswith("."):
            yield Pulled(name, state, "refused", why="its name names no folder here")
        elif here.path.exists() and (there and there == _digest_here(here)):
            yield Pulled(name, state, "same")
        elif why := _in_the_way(here, there):
            yield Pulled(name, state, "refused", why=why)
        else:
            yield _fetch(connection, row, here, progress(name))
    with contextlib.suppress(OSError):  # a run that was not whole stays in it, or nothing was fetched
        (runs / ARRIVING).rmdir()


_OF_RUN = tuple(path.as_posix() for path in (FILES.manifest, FILES.results_manifest, FILES.state_file))
"""What says which run it is, what it made, and how it ended."""


def _digests(connection: Connection, folders: Sequence[str]) -> list[tuple[str, ...]]:
    """Of each run folder there the digests of these files, "" for one that is missing; one round trip."""
    if not folders:
        return []
    lines = [
        f"if [ -f {word(f'{folder}/{name}')} ]; then sha256sum < {word(f'{folder}/{name}')}; else echo; fi"
        for folder in folders
        for name in _OF_RUN
    ]
    said = [line.partition(" ")[0] for line in connection.run("\n".join(lines)).text.split("\n")]
    step = len(_OF_RUN)
    return [tuple(said[number * step : (number + 1) * step]) for number in range(len(folders))]


def _digest_here(run: RunDir) -> tuple[str, ...]:
    return tuple(sha256_file(file) if (file := run.path / name).is_file() else "" for name in _OF_RUN)


def _in_the_way(here: RunDir, there: tuple[str, ...]) -> str:
    """Why a run there does not take the place of what is here under its name; "" where it does, or there is nothing."""
    if not here.path.exists():
        return ""
    remedy = "rename or move the folder here, then pull again"
    if _digest_here(here)[0] != there[0]:
        return f"another run, or something else, has this name here ({here.path}); {remedy}"
    if is_ours(here):
        return f"the same run was made or accepted here, and is otherwise here than there ({here.path}); {remedy}"
    if changed := here.broken_seals():
        return f"it was changed here: {first_of(changed, 3)} ({here.path}); {remedy}"
    if here.owner() is not None:
        return f"something works in it here ({here.path})"
    return ""


def _fetch(connection: Connection, row: Mapping[str, Any], here: RunDir, progress: Progress | None) -> Pulled:
    name, state = row["run"], row["state"]
    there = word(row["folder"])
    found = file_lists.listed(connection.run(file_lists.listing(there)).output)
    wanted = {
        path: stamp for path, stamp in found.items() if not any(f"{path}/".startswith(f"{one}/") for one in NOT_FETCHED)
    }
    aside = here.path.parent / ARRIVING / name
    aside.mkdir(parents=True, exist_ok=True)
    rsync.fetch(connection, aside, there, wanted, progress)
    _leave_alone(aside, wanted)
    arrived = RunDir(aside)
    if why := _unsound(arrived):
        return Pulled(name, state, "refused", why=why)
    is_new = not here.path.exists()
    if not is_new:
        # the earlier state of the same run, fetched before: kept until the new one is in its place
        old = beside(here.path)
        here.path.rename(old)
        aside.rename(here.path)
        shutil.rmtree(old)
    else:
        aside.rename(here.path)
    return Pulled(
        name, state, "new" if is_new else "updated", len(wanted), sum(stamp.size for stamp in wanted.values())
    )


def _leave_alone(aside: Path, wanted: file_lists.Files) -> None:
    """Remove what an earlier attempt fetched and is no longer there."""
    for path in sorted(aside.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif path.relative_to(aside).as_posix() not in wanted:
            path.unlink()


def _unsound(run: RunDir) -> str:
    """Why what arrived is no run as it was sealed; "" if it is."""
    remedy = "it stays there; `htr-exp status` there says what was changed"
    try:
        run.facts()
    except (BrokenRunError, HtrExpError) as broken:
        return f"{printable(str(broken))}; {remedy}"
    changed = run.broken_seals(every_digest=True)
    return f"it is not as it was sealed: {first_of(changed, 3)}; {remedy}" if changed else ""
