"""One process at a time, on file systems without locks: a folder that is put there by whoever comes first, and beats while it lives.

The folder holds its owner's signature, with a token that nobody else has. On one machine a living process never loses a lock,
however long it was stopped; between two machines only its heartbeat tells. Why: docs/adr/0015-owner-of-a-lock.md.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import json
import os
import shutil
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from htr_exp.core import machine, process_identity
from htr_exp.core.errors import HtrExpError
from htr_exp.core.process_identity import System

BEAT_S = 10.0
STALE_S = 120.0
"""How long an owner on another machine may give no sign of life."""
GUARD_S = 30.0


class Locked(Exception):
    """Another live process holds the lock."""

    def __init__(self, owner: Owner) -> None:
        super().__init__(f"held by process {owner.pid} on {owner.host}")
        self.owner = owner


class LockLost(HtrExpError):
    """A lock that this process held is another's now, or is gone: what it guards must not be written any more."""


@dataclass(frozen=True)
class Owner:
    """Who holds a lock.

    Attributes:
        host: its machine's name.
        pid: its process number.
        started: as of `process_identity.start_of`: a process number comes back, this does not.
        job: Slurm's number of the job it runs in.
        restart: how often Slurm had started that job again.
        machine, boot, namespace: as of `process_identity.System`.
        token: drawn for this holding of the lock.
    """

    host: str
    pid: int
    started: float
    job: str | None = None
    restart: int = 0
    machine: str = ""
    boot: str = ""
    namespace: str = ""
    token: str = ""

    @classmethod
    def this_process(cls) -> Owner:
        """This process as an owner, with a new token."""
        here, given, pid = process_identity.here(), machine.allocation(), os.getpid()
        started = process_identity.start_of(pid)
        assert started is not None  # noqa: S101 - it lives
        job, restart = (given.raw, given.restarts) if given else (None, 0)
        where = (here.machine, here.boot, here.namespace)
        return cls(here.host, pid, started, job, restart, *where, uuid.uuid4().hex)

    @property
    def system(self) -> System:
        """Where it runs."""
        return System(self.host, self.machine, self.boot, self.namespace)

    @property
    def is_seen(self) -> bool:
        """Whether it can be known from here if it lives."""
        return process_identity.here().sees(self.system)

    def is_gone(self) -> bool:
        """Whether the process has surely ended; False where it cannot be known from here."""
        given, here = machine.allocation(), process_identity.here()
        if here.sees(self.system):
            return not process_identity.lives(self.pid, self.started)
        if given is not None and self.job == given.raw and self.restart < given.restarts:
            return True  # Slurm ends a job everywhere before it starts it again
        return here.restarted_since(self.system)


class Held:
    """A lock that this process holds.

    Attributes:
        taken_from: its owner before, whose heart had stopped on another machine; None: nobody who may still live.
    """

    def __init__(self, lock: Path, owner: Owner, taken_from: Owner | None) -> None:
        self.taken_from = taken_from
        self._lock, self._owner = lock, owner
        self._lost: str | None = None

    def is_ours(self) -> bool:
        """Look whether the lock still names us; what was lost once stays lost."""
        if self._lost is None:
            try:
                now = _signature(self._lock)
            except OSError:
                return True  # a file server that does not answer has not given it to anybody
            if now is None:
                there = self._lock.parent.is_dir()
                self._lost = "the lock was removed" if there else "its folder was moved, renamed or deleted"
            elif now.token != self._owner.token:
                self._lost = f"process {now.pid} on {now.host} took it over"
        return self._lost is None

    def confirm(self) -> None:
        """Make sure that the lock is still ours.

        Raises:
            LockLost: it is not.
        """
        if not self.is_ours():
            us = f"process {self._owner.pid} on {self._owner.host}"
            stops = "it stops, so that no two write there; the same command goes on once nobody works there any more"
            raise LockLost(f"{self._lock}: {self._lost} while {us} held it", [stops])

    def beat(self) -> None:
        """Show that we live."""
        if self.is_ours():
            with contextlib.suppress(OSError):  # moved or deleted: whoever works in it will notice
                os.utime(_signed(self._lock))


_HELD: dict[Path, Held] = {}


def confirm(lock: Path) -> None:
    """Make sure that a lock which this process holds is still its own; nothing where it does not hold it.

    Raises:
        LockLost: it is not.
    """
    held = _HELD.get(lock)
    if held is not None:
        held.confirm()


def owner_of(lock: Path) -> Owner | None:
    """The live owner of a lock, or None where there is none: no lock, no signature, an ended process, a heart that stopped elsewhere."""
    try:
        owner = _signature(lock)
        if owner is None or owner.is_gone():
            return None
        return owner if owner.is_seen or not _heart_stopped(lock) else None
    except OSError:
        return None


@contextmanager
def locked(lock: Path, *, wait: Callable[[Owner], bool] = lambda owner: False) -> Iterator[Held]:
    """Hold the lock while the body runs.

    Args:
        lock: the folder that stands for it; its parent must be writable.
        wait: asked twice a second while another process holds it, with its owner; False gives up.

    Raises:
        Locked: another process holds it, and `wait` gave up.
        OSError: the parent folder is not there, or cannot be written.
    """
    me, before = Owner.this_process(), None
    while not _put(lock, me):
        owner = owner_of(lock)
        if owner is None:
            before = _clear(lock) or before
        elif not wait(owner):
            raise Locked(owner)
        else:
            time.sleep(0.5)
    _HELD[lock] = held = Held(lock, me, before)
    ended = threading.Event()
    heart = threading.Thread(target=_beat, args=(held, ended), daemon=True)
    heart.start()
    try:
        yield held
    finally:
        ended.set()
        heart.join()
        if held.is_ours():
            shutil.rmtree(lock, ignore_errors=True)
        if _HELD.get(lock) is held:
            del _HELD[lock]


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
        LockLost: another process took that over, so that nothing was put there.
    """
    if is_there(target):
        return False
    with locked(target.with_name(f".{target.name}.lock"), wait=wait) as held:
        if is_there(target):
            return False
        for left in target.parent.glob(f".{target.name}.part-*"):  # of a process that was killed
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        aside = target.with_name(f".{target.name}.part-{os.getpid()}")
        try:
            make(aside)
            held.confirm()
            os.replace(aside, target)
        except Exception:
            held.confirm()  # who took the lock over has cleared away what was half made
            raise
        finally:
            if aside.is_dir():
                shutil.rmtree(aside, ignore_errors=True)
            else:
                aside.unlink(missing_ok=True)
    return True


def _beat(held: Held, ended: threading.Event) -> None:
    while not ended.wait(BEAT_S):
        held.beat()


def _signed(lock: Path) -> Path:
    return lock / "owner.json"


def _signature(lock: Path) -> Owner | None:
    """Who signed a lock, dead or alive; None where there is no lock, or nothing that can be read as a signature.

    Raises:
        OSError: it cannot be known.
    """
    try:
        values: dict[str, Any] = json.loads(_signed(lock).read_text(encoding="utf-8"))
        owner = Owner(**values)
        return owner if 0 < int(owner.pid) < 2**31 else None
    except (FileNotFoundError, NotADirectoryError, ValueError, TypeError, RecursionError):
        return None


def _heart_stopped(lock: Path) -> bool:
    return _now_of(lock.parent) - _signed(lock).stat().st_mtime > STALE_S


def _put(lock: Path, me: Owner) -> bool:
    """Put a lock in its place, signed before it is there; False where there is one already.

    A folder replaces none but an empty one, on every file system.
    """
    aside = lock.with_name(f"{lock.name}.new-{me.token}")
    try:
        aside.mkdir()
        _signed(aside).write_text(json.dumps(asdict(me)), encoding="utf-8")
        os.rename(aside, lock)
    except OSError as error:
        shutil.rmtree(aside, ignore_errors=True)
        # the second: who holds the lock took ours for what a killed process has left
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR) or (
            error.errno == errno.ENOENT and lock.parent.is_dir()
        ):
            return False
        raise
    # what processes left that were killed while they made a lock, or cleared one away
    name = glob.escape(lock.name)
    for left in (*lock.parent.glob(f"{name}.new-*"), *lock.parent.glob(f"{name}.gone-*")):
        if owner_of(left) is None:
            _remove(left)
    return True


def _remove(lock: Path) -> None:
    """Remove what stands in a lock's place, also a file that somebody put there."""
    if lock.is_dir():
        shutil.rmtree(lock, ignore_errors=True)
    else:
        lock.unlink(missing_ok=True)


def _now_of(folder: Path) -> float:
    """The present time by the file system's clock, which is another machine's where the folder is shared."""
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            return os.fstat(probe.fileno()).st_mtime
    except OSError:
        return time.time()


def _clear(lock: Path) -> Owner | None:
    """Remove an abandoned lock; of several that try, one at a time looks and acts.

    Without that, one that looked early would remove the lock that a quicker one has made since, and let a third in beside it.

    Returns:
        Its owner, where that may still live on another machine.

    Raises:
        OSError: the folder cannot be written.
    """
    guard = lock.with_name(f"{lock.name}.clearing")
    try:
        guard.mkdir()
    except FileExistsError:
        with contextlib.suppress(OSError):
            if _now_of(lock.parent) - guard.stat().st_mtime > GUARD_S:  # whoever made it was killed
                guard.rmdir()
        time.sleep(0.01)
        return None
    try:
        if owner_of(lock) is None:
            before = _signature(lock)
            aside = lock.with_name(f"{lock.name}.gone-{os.getpid()}-{time.monotonic_ns()}")
            lock.rename(aside)
            _remove(aside)
            return None if before is None or before.is_gone() else before
    except FileNotFoundError:
        pass  # it is gone already
    finally:
        with contextlib.suppress(OSError):
            guard.rmdir()
    return None
