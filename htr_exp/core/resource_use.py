"""What a program takes of this machine, it and all its children: memory, memory of GPUs, CPU time, and energy of GPUs."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Collection, Mapping

import psutil

from htr_exp.core.gpu_energy import GpuEnergy
from htr_exp.core.program import NoAnswer, ask

MEMORY, GPU_MEMORY = "memory_gb", "gpu_memory_gb"
"""The keys of the two peaks, GB (10^9 bytes)."""

CPU_TIME = "cpu_s"
"""The key of CPU time, seconds: of all cores together, in user and system mode."""

LOOK_S = 2.0
"""How long one look is good for: it reads the list of all processes."""

GPU_TIMEOUT_S = 10.0
"""How long nvidia-smi may take to answer; one that takes longer is not asked again."""


class ResourceWatch:
    """The most memory that a program and its children have held at once, and the CPU time that they took.

    Resident memory is added up process by process, so that what several of them share is counted in each.

    Args:
        pid: of the program.
        on_gpu: it computes on a GPU of NVIDIA's.
        before: peaks of earlier starts, by `MEMORY` and `GPU_MEMORY`.

    Attributes:
        peaks: the same, as far as they are known.
    """

    def __init__(self, pid: int, *, on_gpu: bool, before: Mapping[str, float]) -> None:
        self.peaks = {key: before[key] for key in (MEMORY, GPU_MEMORY) if key in before}
        self._pid, self._smi = pid, shutil.which("nvidia-smi") if on_gpu else None
        self._looked = self._asked = float("-inf")
        self._cpu_s = self._told_s = 0.0
        self._energy = GpuEnergy() if on_gpu else None

    def look(self) -> None:
        """See what the processes hold now; may be called often."""
        if time.monotonic() >= self._looked + LOOK_S:
            self._look()

    def _look(self) -> None:
        self._looked = time.monotonic()
        held, cpu_s = 0, 0.0
        for process in self._processes():
            with contextlib.suppress(psutil.Error):  # it has ended meanwhile
                held += process.memory_info().rss
                took = process.cpu_times()  # with that of children that have ended
                cpu_s += took.user + took.system + took.children_user + took.children_system
        self._keep(MEMORY, held)
        self._cpu_s = max(self._cpu_s, cpu_s)

    def cpu_time(self) -> dict[str, float]:
        """The CPU time since this was last asked, by `CPU_TIME`; nothing where it is not known, as of a program that was over at once."""
        self._look()
        if not self._cpu_s:
            return {}
        took, self._told_s = self._cpu_s - self._told_s, self._cpu_s
        return {CPU_TIME: round(took, 2)}

    def energy(self) -> dict[str, float]:
        """The energy of GPUs since this was last asked, by `gpu_energy.ENERGY`; nothing where it is not known."""
        return self._energy.taken({process.pid for process in self._processes()}) if self._energy else {}

    def look_at_gpu(self) -> None:
        """See what they hold of the GPUs' memory; torch keeps what it once took, so that a look after an epoch tells the most."""
        if self._smi is None or time.monotonic() < self._asked + GPU_TIMEOUT_S:
            return
        words = [self._smi, "--query-compute-apps=pid,used_memory", "--format=csv,noheader,nounits"]
        try:
            said = ask(words, timeout_s=GPU_TIMEOUT_S, name="nvidia-smi").output
        except NoAnswer:
            self._smi = None
            return
        self._asked = time.monotonic()
        self._keep(GPU_MEMORY, _of_gpus(said, {process.pid for process in self._processes()}))

    def _processes(self) -> list[psutil.Process]:
        try:
            first = psutil.Process(self._pid)
            return [first, *first.children(recursive=True)]
        except psutil.Error:
            return []

    def _keep(self, key: str, held: int) -> None:
        if held:
            self.peaks[key] = max(self.peaks.get(key, 0.0), round(held / 1e9, 2))


def _of_gpus(said: str, pids: Collection[int]) -> int:
    """The bytes that processes hold, by lines like `4711, 1024` (MiB); `[N/A]` stands where the driver does not tell."""
    rows = [[word.strip() for word in line.split(",")] for line in said.splitlines()]
    held = [row[1] for row in rows if len(row) == 2 and row[0].isdecimal() and int(row[0]) in pids]
    return sum(int(mib) * 2**20 for mib in held if mib.isdecimal())
