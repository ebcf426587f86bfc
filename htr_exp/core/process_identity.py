"""Which process this is, so that it can be told from every other: on this machine, on others, in containers, before and after a restart."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

_LINUX = Path("/proc/self/stat").exists()


@dataclass(frozen=True)
class System:
    """Where a process runs; processes of one system see each other by their numbers.

    Attributes:
        host: the machine's name, for people; names change, and several machines may have one.
        machine: the number that its installation has (`/etc/machine-id`); empty where there is none.
        boot: the number that the kernel draws at every start of the machine; empty where it draws none (macOS).
        namespace: which process numbers are meant: a container has its own.
    """

    host: str
    machine: str = ""
    boot: str = ""
    namespace: str = ""

    def sees(self, other: System) -> bool:
        """Whether a process here can tell by its number whether one of the other lives."""
        if self.boot or other.boot:
            return (self.boot, self.namespace) == (other.boot, other.namespace)
        return self.host == other.host

    def restarted_since(self, other: System) -> bool:
        """Whether the other is this machine before it was last started, so that all its processes have ended."""
        same = (self.host, self.machine) == (other.host, other.machine)
        return same and bool(self.boot and other.boot) and self.boot != other.boot


def here() -> System:
    """The system of this process."""
    return System(socket.gethostname(), *_numbers())


@cache
def _numbers() -> tuple[str, str, str]:
    return _read(Path("/etc/machine-id")), _read(Path("/proc/sys/kernel/random/boot_id")), _namespace()


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def _namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def start_of(pid: int) -> float | None:
    """When a process of this system was started; None if there is none, or a zombie.

    On Linux in ticks since the machine's start, which no change of the clock moves; elsewhere in seconds since 1970, as the
    system wrote them down then.

    Raises:
        PermissionError: there is one, and it does not show.
    """
    if not _LINUX:
        return _start_without_proc(pid)
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return None if fields[0] in (b"Z", b"X") else int(fields[19])  # fields 3 and 22 of proc(5)
    except (FileNotFoundError, ProcessLookupError):
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    raise PermissionError(pid)  # a login node may hide what others run (hidepid)


def lives(pid: int, started: float) -> bool:
    """Whether the process of this system that was started then has not ended; one that is stopped lives."""
    try:
        return start_of(pid) == started
    except PermissionError:
        return True


def _start_without_proc(pid: int) -> float | None:
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.AccessDenied:
        raise PermissionError(pid) from None
    except psutil.NoSuchProcess:
        return None
