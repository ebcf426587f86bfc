"""The energy that GPUs of NVIDIA's take, by the counter that each card keeps: NVML, Volta and later."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from typing import Any

ENERGY = "energy_wh"
"""The key of energy, watt-hours: of the whole card, without the machine around it."""

_MJ_PER_WH = 3_600_000


class GpuEnergy:
    """What the cards on which some processes compute have taken since this was made, or last asked.

    A card that others use at the same time says nothing of one's own share, and neither does a part of a card (MIG).
    """

    def __init__(self) -> None:
        self._cards: list[tuple[Any, int]] = []  # the handle of each, and its counter when it was last read
        with contextlib.suppress(ImportError):
            import pynvml

            self._nvml = pynvml
            with contextlib.suppress(pynvml.NVMLError):  # no driver, or no card of NVIDIA's
                pynvml.nvmlInit()
                for card in map(pynvml.nvmlDeviceGetHandleByIndex, range(pynvml.nvmlDeviceGetCount())):
                    with contextlib.suppress(pynvml.NVMLError_NotSupported):  # it is older, and has no counter
                        if not self._is_divided(card):
                            self._cards.append((card, self._counter(card)))

    def taken(self, pids: Collection[int]) -> dict[str, float]:
        """The energy since this was last asked, by `ENERGY`; nothing where it is not known, or not of these processes alone.

        Args:
            pids: of the processes, as this machine numbers them.
        """
        if not self._cards:
            return {}
        found = 0
        try:
            cards = [(card, before, self._counter(card)) for card, before in self._cards]
            self._cards = [(card, now) for card, _, now in cards]
            for card, before, now in cards:
                users = {one.pid for one in self._nvml.nvmlDeviceGetComputeRunningProcesses(card)}
                if users.isdisjoint(pids):
                    continue
                if users - set(pids):
                    return {}
                found += now - before
        except self._nvml.NVMLError:  # the driver was taken away
            self._cards = []
            return {}
        return {ENERGY: round(found / _MJ_PER_WH, 4)} if found else {}

    def _counter(self, card: Any) -> int:
        return int(self._nvml.nvmlDeviceGetTotalEnergyConsumption(card))  # mJ since the driver was loaded

    def _is_divided(self, card: Any) -> bool:
        try:
            return bool(self._nvml.nvmlDeviceGetMigMode(card)[0])
        except self._nvml.NVMLError_NotSupported:  # no card that can be
            return False
