"""One process at a time, on file systems without locks: a folder that is made by whoever comes first, and beats while it lives."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from htr_exp.core import machine

BEAT_S = 10.0
STALE_S = 120.0
GUARD_S = 30.0


class Locked(Exception):
    """Another live process holds the lock."""

    def __init__(self, owner: Owner) -> None:
        super().__init__(f"held by process {owner.pid} on {owner.host}")
        self.owner = owner


@dataclass(frozen=True)
class Owner:
    """Who holds a lock."""

    host: str
    pid: int
    started: float  # the process's own start, seconds since 1970: a process number comes back, this does not
    job: str | None = None  # Slurm's number of the job it runs in
    restart: int = 0  # how often Slurm had started that job again

    def is_gone(self) -> bool:
        """Whether the process has surely ended; False where it cannot be known from here."""
        given = machine.allocation()
        if given is not None and self.job == given.raw and self.restart < given.restarts:
            return True  # Slurm ends a job everywhere before it starts it again
        if self.host != socket.gethostname():
            return False
        try:
            process = psutil.Process(self.pid)
            return abs(process.create_time() - self.started) > 2 or process.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True


def owner_of(lock: Path) -> Owner | None:
    """The live owner of a lock, or None where there is none (no lock, an ended process, a heartbeat that stopped)."""
    try:
        values: dict[str, Any] = json.loads((lock / "owner.json").read_text())
        owner = Owner(
            str(values["host"]),
            int(values["pid"]),
            float(values["started"]),
            values.get("job"),
            values.get("restart", 0),
        )
        beat = (lock / "owner.json").stat().st_mtime
    except (FileNotFoundError, ValueError, KeyError):
        return _owner_about_to_sign(lock)
    except OSError:
        return None
    if owner.is_gone() or _now_of(lock.parent) - beat > STALE_S:
        return None
    return owner


@contextmanager
def locked(lock: Path, *, wait: Callable[[Owner], bool] = lambda owner: False) -> Iterator[None]:
    """Hold the lock while the body runs.

    Args:
        lock: the folder that stands for it; its parent must be writable.
        wait: asked twice a second while another process holds it, with its owner; False gives up.

    Raises:
        Locked: another process holds it, and `wait` gave up.
        OSError: the parent folder cannot be written.
    """
    given = machine.allocation()
    of_job = (given.raw, given.restarts) if given else ()
    me = Owner(socket.gethostname(), os.getpid(), psutil.Process().create_time(), *of_job)
    lock.parent.mkdir(parents=True, exist_ok=True)
    while True:
        try:
            lock.mkdir()
            break
        except FileExistsError:
            owner = owner_of(lock)
            if owner is None:
                _clear(lock)
            elif not wait(owner):
                raise Locked(owner) from None
            else:
                time.sleep(0.5)
    signed = lock / "owner.json"
    signed.write_text(json.dumps(asdict(me)))
    ended = threading.Event()
    heart = threading.Thread(target=_beat, args=(signed, ended), daemon=True)
    heart.start()
    try:
        yield
    finally:
        ended.set()
        heart.join()
        shutil.rmtree(lock, ignore_errors=True)


def made_once(
    target: Path,
    make: Callable[[Path], None],
    *,
    is_there: Callable[[Path], bool] = Path.exists,
    wait: Callable[[Owner], bool] = lambda owner: True,
) -> bool:
    """Make a file or folder unless it is there; of several processes that want it at once, one makes it.

    Args:
        target: what is to be there; it appears whole or not at all.
        make: writes it to the path it is given, beside the target.
        is_there: whether the target need not be made.
        wait: as for `locked`.

    Returns:
        Whether this call made it.

    Raises:
        Locked: another process is making it, and `wait` gave up.
    """
    if is_there(target):
        return False
    with locked(target.with_name(f".{target.name}.lock"), wait=wait):
        if is_there(target):
            return False
        for left in target.parent.glob(f".{target.name}.part-*"):  # of a process that was killed
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        aside = target.with_name(f".{target.name}.part-{os.getpid()}")
        try:
            make(aside)
            os.replace(aside, target)
        finally:
            if aside.is_dir():
                shutil.rmtree(aside, ignore_errors=True)
            else:
                aside.unlink(missing_ok=True)
    return True


def _beat(signed: Path, ended: threading.Event) -> None:
    while not ended.wait(BEAT_S):
        try:
            os.utime(signed)
        except OSError:
            return  # the folder was moved or deleted: whoever works in it will notice


def _owner_about_to_sign(lock: Path) -> Owner | None:
    """The owner of a lock that names none yet: it was made a moment ago, or its maker died in that moment."""
    try:
        age = _now_of(lock.parent) - lock.stat().st_mtime
    except OSError:
        return None
    return Owner("?", 0, 0.0) if age < 5 else None


def _now_of(folder: Path) -> float:
    """The present time by the file system's clock, which is another machine's where the folder is shared."""
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            return os.fstat(probe.fileno()).st_mtime
    except OSError:
        return time.time()


def _clear(lock: Path) -> None:
    """Remove an abandoned lock; of several that try, one at a time looks and acts.

    Without that, one that looked early would remove the lock that a quicker one has made since, and let a third in beside it.
    """
    guard = lock.with_name(f"{lock.name}.clearing")
    try:
        guard.mkdir()
    except FileExistsError:
        with contextlib.suppress(OSError):
            if _now_of(lock.parent) - guard.stat().st_mtime > GUARD_S:  # whoever made it was killed
                guard.rmdir()
        time.sleep(0.01)
        return
    except OSError:
        return
    try:
        if owner_of(lock) is None:
            aside = lock.with_name(f"{lock.name}.gone-{os.getpid()}-{time.monotonic_ns()}")
            lock.rename(aside)
            shutil.rmtree(aside, ignore_errors=True)
    except OSError:
        pass  # it is gone already, or the folder cannot be written, which taking a lock will tell
    finally:
        with contextlib.suppress(OSError):
            guard.rmdir()
