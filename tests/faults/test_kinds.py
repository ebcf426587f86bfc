"""Faults of each group, and the walk itself: what is drawn follows from the seed alone. `make faults` draws from the whole table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest

from helpers.fake_kraken import Scenario
from helpers.faults.driver import Driver, Start
from helpers.faults.kinds import CLOCKS, GROUPS, KINDS, Fault, signal_fault
from helpers.faults.scene import STAGE, Scene
from helpers.faults.signals import CAUSES, ORDERS
from helpers.faults.walk import SETTINGS, trip_of
from helpers.faulty_server import faulty_server
from helpers.forked_runs import Server, server
from htr_exp.runs.run_dir import RunDir


@pytest.fixture(scope="module")
def runs() -> Iterator[Server]:
    with server() as found:
        yield found


def fault_of(group: str, name: str, stage: str) -> Fault:
    (kind,) = (kind for kind in KINDS if (kind.group, kind.name) == (group, name))
    assert stage in kind.stages
    return Fault(kind, STAGE[stage])


CHAINS = {
    "kraken": [("kraken", "it exits 1", "compile"), ("kraken", "it writes rubbish", "compile"), ("kraken", "it writes rubbish", "convert"),
               ("kraken", "it writes rubbish", "predict"), ("kraken", "the kernel kills it", "predict")],
    "records": [("records", "the state is emptied", "compile"), ("records", "the curve is emptied", "train"), ("records", "a digest of the cache is gone", "predict")],
    "locks": [("locks", "a living process has the lock", "verify"), ("locks", "somebody removes the lock", "train"), ("locks", "the lock is a file", "predict")],
    "inputs": [("inputs", "an image to train on is gone", "compile"), ("inputs", "the base model is a folder", "predict")],
}  # fmt: skip


@pytest.mark.parametrize("chain", CHAINS)
def test_a_run_endures_faults_of_a_group_one_after_the_other(
    planned: Callable[..., RunDir], scenario: Scenario, runs: Server, workspace: Path, tmp_path: Path, chain: str
) -> None:
    run = planned("training.quit=early", "training.epochs=3")
    driver = Driver(Scene(run, scenario, workspace, runs, tmp_path))
    for number, (group, name, stage) in enumerate(CHAINS[chain]):
        fault = fault_of(group, name, stage)
        assert not driver.endure(fault, Start("here" if number % 2 else "job").of(fault)).missed
    driver.finish()


def test_a_run_endures_a_clock_that_jumps(
    planned: Callable[..., RunDir], scenario: Scenario, runs: Server, workspace: Path, tmp_path: Path
) -> None:
    run = planned("training.quit=fixed", "training.epochs=4")
    driver = Driver(Scene(run, scenario, workspace, runs, tmp_path))
    for step, stage in zip(CLOCKS, ("compile", "train", "train", "predict")):
        driver.endure(signal_fault(stage, next(iter(CAUSES)), next(iter(ORDERS))), Start(clock=step))
        since = datetime.strptime(run.written_state().since, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
        off = (since - datetime.now(timezone.utc)).total_seconds()
        assert abs(off - step) < 1000 and (abs(step) < 100 or abs(off) > 1000), (off, step)  # noqa: PT018
    driver.finish()


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["away", "500"])
def test_a_run_whose_server_fails_is_done_all_the_same(
    planned: Callable[..., RunDir], scenario: Scenario, runs: Server, workspace: Path, tmp_path: Path, mode: str
) -> None:
    with faulty_server(mode) as uri:
        run = planned("training.epochs=2", "tracking=server", f"tracking.uri={uri}")
        Driver(Scene(run, scenario, workspace, runs, tmp_path)).finish()


def test_the_seed_and_the_number_of_a_run_decide_what_it_endures() -> None:
    trips = [trip_of(1, number) for number in range(200)]
    assert trips[7] == trip_of(1, 7) != trip_of(2, 7)
    assert {trip.setting for trip in trips} == set(SETTINGS)
    drawn = [fault for trip in trips for fault, _ in trip.faults]
    needy = {kind.group for kind in KINDS if kind.needs}
    assert {fault.kind.group for fault in drawn} >= set(GROUPS) - needy
    assert {start.backend for trip in trips for _, start in trip.faults} == {"job", "here"}
