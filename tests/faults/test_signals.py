"""Signals that reach kraken, the run, or both, in each order and at each stage: the run goes on, and ends as if nothing had been."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any

import pytest

from helpers.fake_kraken import Scenario
from helpers.faults import CAUSES, ORDERS, STAGES, Driver, Fault, distinct, every_fault
from helpers.forked_runs import Server, server
from htr_exp.runs.run_dir import RunDir

JOB = {"SLURM_JOB_ID": "12", "SLURM_CPUS_PER_TASK": "1", "SLURMD_NODENAME": "gpu1"}
EPOCHS = 4


@pytest.fixture(scope="module")
def runs() -> Iterator[Server]:
    with server() as found:
        yield found


@pytest.fixture
def driver(planned: Callable[..., RunDir], scenario: Scenario, runs: Server) -> Driver:
    return Driver(planned("training.quit=early", f"training.epochs={EPOCHS}"), scenario, runs, JOB)


def ends_as_if_nothing_had_been(driver: Driver) -> None:
    driver.finish()
    result: Any = driver.run.result()
    assert (result["epochs"], result["best_epoch"], result["ended_by"]) == (EPOCHS, EPOCHS - 1, "epochs")
    assert [record["epoch"] for record in driver.run.epochs()] == list(range(EPOCHS))
    assert result["test"]["best"]["cer"] < result["test"]["base"]["cer"]


def test_the_table_has_each_stage_cause_and_order() -> None:
    assert len(list(every_fault())) == len(STAGES) * len(CAUSES) * len(ORDERS) == 6 * 17 * 3
    assert len(distinct(every_fault())) == 6 * 5 * 3


TERM = next(cause for cause in CAUSES if cause.name == "requeue")
STAGE = {stage.name: stage for stage in STAGES}


@pytest.mark.parametrize(
    "faults",
    [
        [Fault(STAGE["compile"], TERM, "kraken first"), Fault(STAGE["predict"], TERM, "at once")],
        [Fault(STAGE["train"], TERM, "kraken first"), Fault(STAGE["convert"], TERM, "kraken first")],
    ],
    ids=["compile and predict", "train and convert"],
)
def test_a_run_whose_kraken_is_ended_with_it_goes_on(driver: Driver, faults: list[Fault]) -> None:
    for fault in faults:
        driver.endure(fault)
    ends_as_if_nothing_had_been(driver)


def chains() -> list[list[Fault]]:
    """One chain of faults for each sequence of signals: a run endures it in each of its stages; one signal alone in each order, too.

    A SIGKILL of the run first takes kraken with it. `make faults` draws from the whole table.
    """
    tried = [fault for fault in distinct(every_fault()) if fault.order == "at once" or _is_one_signal(fault)]
    found = sorted(tried, key=lambda fault: (str(fault.cause.blows), fault.order))
    return [list(of) for _, of in groupby(found, lambda fault: (fault.cause.blows, fault.order))]


def _is_one_signal(fault: Fault) -> bool:
    (first, *more) = fault.cause.blows
    return not more and (fault.order == "kraken first" or first.number is signal.SIGTERM)


@pytest.mark.slow
@pytest.mark.parametrize(
    "faults",
    chains(),
    ids=lambda faults: f"{'-'.join(blow.number.name for blow in faults[0].cause.blows)}, {faults[0].order}",
)
def test_a_run_endures_one_fault_in_each_of_its_stages(driver: Driver, faults: list[Fault]) -> None:
    for fault in faults:
        driver.endure(fault)
    ends_as_if_nothing_had_been(driver)
