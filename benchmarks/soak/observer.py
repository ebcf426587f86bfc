"""Who takes how much while a soak goes on: memory and open files of processes, the size of folders."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

ROLES = {
    "htr_exp.pipeline.launch": "process of a run",
    "htr_exp.tracking.live": "its reporter to MLflow",
    "submitit.core._submit": "process of a job",
}
"""Processes that come and go with the runs: a word of the command line, and what they are called."""


@dataclass
class Seen:
    """The most that one process took."""

    pid: int
    role: str
    real: bool  # of a run with the real kraken
    first: float  # seconds from the start of the soak
    last: float
    rss_mb: float = 0.0
    files: int = 0
    cpu_s: float = 0.0


class Observer:
    """Looks at the processes that belong to a folder, and at folders.

    Attributes:
        seen: processes of runs, by process and its start.
        samples: of long-lived processes and of folders, as they are written down.
    """

    def __init__(self, folder: Path, real: Iterable[str]) -> None:
        self.folder, self._real = str(folder), tuple(real)
        self.seen: dict[tuple[int, float], Seen] = {}
        self.samples: list[dict[str, object]] = []

    def look(self, now: float, long_lived: Mapping[str, Iterable[psutil.Process]]) -> None:
        """Look at all processes once.

        Args:
            now: seconds from the start.
            long_lived: by what they are called, the processes that live long; those of one name are added up.
        """
        for process in psutil.process_iter(["cmdline", "create_time"]):
            words = process.info["cmdline"] or []
            role = next((name for word, name in ROLES.items() if word in words), None)
            if role is None or "python" not in words[0] or not any(self.folder in word for word in words):
                continue
            key = (process.pid, process.info["create_time"])
            is_real = any(part in word for word in words for part in self._real)
            one = self.seen.setdefault(key, Seen(process.pid, role, is_real, round(now, 1), now))
            one.last = round(now, 1)
            taken = _taken([process])
            if taken is not None:
                one.rss_mb, one.files = max(one.rss_mb, taken[0]), max(one.files, taken[1])
                one.cpu_s = max(one.cpu_s, taken[2])
        for name, processes in long_lived.items():
            found = list(processes)
            taken = _taken(found)
            if found and taken is not None:
                row = {"rss_mb": taken[0], "files": taken[1], "cpu_s": taken[2], "pid": found[0].pid}
                self.samples.append({"at": round(now), "of": name, **row})

    def weigh(self, now: float, folders: Mapping[str, Path]) -> None:
        """Write down how many files and bytes some folders have."""
        for name, folder in folders.items():
            files, size = _weight(folder)
            self.samples.append({"at": round(now), "of": name, "entries": files, "mb": round(size / 1e6, 2)})

    def left(self) -> list[str]:
        """The command lines of the processes that belong to the folder."""
        found = []
        for process in psutil.process_iter(["cmdline"]):
            words = process.info["cmdline"] or []
            if process.pid != os.getpid() and any(self.folder in word for word in words):
                found.append(" ".join(words).replace(self.folder, "SOAK")[:300])
        return found

    def processes(self) -> list[dict[str, object]]:
        """What was seen of the processes of runs, oldest first, as it is written down."""
        return [asdict(one) for one in sorted(self.seen.values(), key=lambda one: one.first)]


def _taken(processes: Iterable[psutil.Process]) -> tuple[float, int, float] | None:
    """Memory in MB, open files and CPU seconds of some processes together; None where one has ended."""
    rss, files, cpu = 0, 0, 0.0
    try:
        for process in processes:
            rss += process.memory_info().rss
            files += process.num_fds()
            times = process.cpu_times()
            cpu += times.user + times.system + times.children_user + times.children_system
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return None
    return round(rss / 1e6, 1), files, round(cpu, 1)


def _weight(folder: Path) -> tuple[int, int]:
    entries, size = 0, 0
    waiting = [str(folder)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as found:
                for one in found:
                    entries += 1
                    if one.is_dir(follow_symlinks=False):
                        waiting.append(one.path)
                    else:
                        size += one.stat(follow_symlinks=False).st_size
        except OSError:
            continue  # it went away meanwhile
    return entries, size
