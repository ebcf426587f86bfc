"""The energy of GPUs. The cards here are a fake of NVIDIA's module pynvml: no machine of the tests has one."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import pytest

from htr_exp.core.gpu_energy import GpuEnergy

OURS, OTHERS = 4711, 99


class FakeCards(ModuleType):
    """Cards with a counter (mJ), the processes on them, and whether they are divided; a card is its number."""

    class NVMLError(Exception):
        pass

    class NVMLError_NotSupported(NVMLError):  # noqa: N801 - NVIDIA's name
        pass

    def __init__(self, *cards: dict[str, object]) -> None:
        super().__init__("pynvml")
        self.cards, self.driver = list(cards), True

    def nvmlInit(self) -> None:  # noqa: N802 - as the next ones
        if not self.driver:
            raise self.NVMLError("Driver Not Loaded")

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return len(self.cards)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802
        return index

    def nvmlDeviceGetMigMode(self, card: int) -> list[int]:  # noqa: N802
        if "mig" not in self.cards[card]:
            raise self.NVMLError_NotSupported
        return [int(bool(self.cards[card]["mig"])), 0]

    def nvmlDeviceGetTotalEnergyConsumption(self, card: int) -> object:  # noqa: N802
        self.nvmlInit()
        if (counter := self.cards[card]["mJ"]) is None:
            raise self.NVMLError_NotSupported
        return counter

    def nvmlDeviceGetComputeRunningProcesses(self, card: int) -> list[SimpleNamespace]:  # noqa: N802
        return [SimpleNamespace(pid=pid) for pid in self.cards[card]["pids"]]  # type: ignore[attr-defined]


def fake(monkeypatch: pytest.MonkeyPatch, *cards: dict[str, object]) -> FakeCards:
    module = FakeCards(*cards)
    monkeypatch.setitem(sys.modules, "pynvml", module)
    return module


def test_each_epoch_gets_what_the_cards_of_its_processes_took_since_the_last_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = fake(
        monkeypatch,
        {"mJ": 10**9, "pids": [OURS, OURS + 1]},
        {"mJ": 5 * 10**9, "pids": [OTHERS]},
        {"mJ": 0, "pids": [OURS]},
    )
    energy = GpuEnergy()
    for card in module.cards:
        card["mJ"] += 7_200_000  # type: ignore[operator]
    assert energy.taken({OURS, OURS + 1, 1}) == {"energy_wh": 4.0}
    module.cards[0]["mJ"] += 3_600_000  # type: ignore[operator]
    assert energy.taken({OURS, OURS + 1}) == {"energy_wh": 1.0}
    assert energy.taken({OURS, OURS + 1}) == {}  # nothing since


def test_what_others_took_of_the_same_card_is_nobodys(monkeypatch: pytest.MonkeyPatch) -> None:
    module = fake(monkeypatch, {"mJ": 0, "pids": [OURS, OTHERS]})
    energy = GpuEnergy()
    module.cards[0]["mJ"] = 3_600_000
    assert energy.taken({OURS}) == {}
    module.cards[0] = {"mJ": 7_200_000, "pids": [OURS]}
    assert energy.taken({OURS}) == {"energy_wh": 1.0}


@pytest.mark.parametrize("card", [{"mJ": 0, "pids": [OURS], "mig": True}, {"mJ": None, "pids": [OURS]}])
def test_parts_of_a_card_and_cards_without_a_counter_have_none(
    card: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = fake(monkeypatch, card, {"mJ": 0, "pids": [OURS + 1]})
    energy = GpuEnergy()
    for one in module.cards:
        one["mJ"] = 3_600_000
    assert energy.taken({OURS}) == {}
    module.cards[1]["mJ"] = 7_200_000
    assert energy.taken({OURS + 1}) == {"energy_wh": 1.0}  # which keeps nothing from other cards


def test_a_card_that_could_be_divided_and_is_not_has_its_energy(monkeypatch: pytest.MonkeyPatch) -> None:
    module = fake(monkeypatch, {"mJ": 0, "pids": [OURS], "mig": False})
    energy = GpuEnergy()
    module.cards[0]["mJ"] = 3_600_000
    assert energy.taken({OURS}) == {"energy_wh": 1.0}


def test_a_driver_that_is_not_there_or_goes_away_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    module = fake(monkeypatch, {"mJ": 0, "pids": [OURS]})
    energy = GpuEnergy()
    module.driver = False
    assert energy.taken({OURS}) == GpuEnergy().taken({OURS}) == {}


def test_here_with_nvidias_own_module_there_is_a_figure_or_none() -> None:
    assert GpuEnergy().taken({OURS}) == {}
