"""Signals that reach kraken, the run, or both, in each order and at each stage: the run goes on, and ends as if nothing had been."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from helpers.fake_kraken import Scenario
from helpers.faults.driver import Driver
from helpers.faults.kinds import Fault, every_fault, signal_fault
from helpers.faults.scene import STAGES, Scene
from helpers.faults.signals import CAUSES, ORDERS, Blow
from helpers.forked_runs import Server, server
from htr_exp.runs.run_dir import RunDir

EPOCHS = 4


@pytest.fixture(scope="module")
def runs() -> Iterator[Server]:
    with server() as found:
        yield found


@pytest.fixture
def driver(planned: Callable[..., RunDir], scenario: Scenario, runs: Server, workspace: Path, tmp_path: Path) -> Driver:
    run = planned("training.quit=early", f"training.epochs={EPOCHS}")
    return Driver(Scene(run, scenario, workspace, runs, tmp_path))


def ends_as_if_nothing_had_been(driver: Driver) -> None:
    driver.finish()
    result: Any = driver.scene.run.result()
    assert (result["epochs"], result["best_epoch"], result["ended_by"]) == (EPOCHS, EPOCHS, "epochs")
    assert [record["epoch"] for record in driver.scene.run.epochs()] == list(range(1, EPOCHS + 1))
    assert result["test"]["best"]["cer"] < result["test"]["base"]["cer"]


@dataclass(frozen=True)
class Told:
    """Who is told what, and in which order: a run cannot tell the causes of the same signals from each other."""

    blows: tuple[Blow, ...]
    order: str

    @property
    def faults(self) -> list[Fault]:
        """Such a fault at each stage."""
        cause = next(cause for cause in CAUSES if cause.blows == self.blows)
        return [signal_fault(stage.name, cause, self.order) for stage in STAGES]


def test_the_table_has_each_stage_cause_and_order() -> None:
    assert len(list(every_fault("signals"))) == len(STAGES) * len(CAUSES) * len(ORDERS) == 6 * 17 * 3
    assert len({cause.blows for cause in CAUSES}) == 5


TERM = next(cause for cause in CAUSES if cause.name == "requeue")


@pytest.mark.parametrize(
    "faults",
    [
        [signal_fault("compile", TERM, "kraken first"), signal_fault("predict", TERM, "at once")],
        [signal_fault("train", TERM, "kraken first"), signal_fault("convert", TERM, "kraken first")],
    ],
    ids=["compile and predict", "train and convert"],
)
def test_a_run_whose_kraken_is_ended_with_it_goes_on(driver: Driver, faults: list[Fault]) -> None:
    for fault in faults:
        driver.endure(fault)
    ends_as_if_nothing_had_been(driver)


def chains() -> list[Told]:
    """Each sequence of signals at once, and one signal alone in each order, too; a run endures it in each of its stages.

    A SIGKILL of the run first takes kraken with it. `make faults` draws from the whole table.
    """
    distinct = {Told(cause.blows, order) for cause, order in product(CAUSES, ORDERS)}
    return sorted((told for told in distinct if told.order == "at once" or _is_one_signal(told)), key=str)


def _is_one_signal(told: Told) -> bool:
    (first, *more) = told.blows
    return not more and (told.order == "kraken first" or first.number is signal.SIGTERM)


@pytest.mark.slow
@pytest.mark.parametrize(
    "told", chains(), ids=lambda told: f"{'-'.join(blow.number.name for blow in told.blows)}, {told.order}"
)
def test_a_run_endures_one_fault_in_each_of_its_stages(driver: Driver, told: Told) -> None:
    for fault in told.faults:
        driver.endure(fault)
    ends_as_if_nothing_had_been(driver)
