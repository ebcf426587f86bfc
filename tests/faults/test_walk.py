"""A random walk over the table of faults: `make faults MINUTES=10 SEED=1`. The seed decides what is tried, the minutes how much."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable

import pytest

from helpers.fake_kraken import Scenario
from helpers.faults import Driver, every_fault
from helpers.forked_runs import server
from htr_exp.core.files import read_json
from htr_exp.runs.run_dir import RunDir

MINUTES = float(os.environ.get("HTR_EXP_FAULTS_MINUTES", "0"))
SEED = int(os.environ.get("HTR_EXP_FAULTS_SEED", "1"))
JOB = {"SLURM_JOB_ID": "12", "SLURM_CPUS_PER_TASK": "1", "SLURMD_NODENAME": "gpu1"}


@pytest.mark.skipif(not MINUTES, reason="it takes as long as one likes: `make faults`")
@pytest.mark.timeout(MINUTES * 60 + 600)
def test_no_walk_through_the_table_loses_anything(planned: Callable[..., RunDir], scenario: Scenario) -> None:
    chance, table, until = random.Random(SEED), list(every_fault()), time.monotonic() + MINUTES * 60
    tried = 0
    with server() as runs:
        for number in range(10**6):
            if time.monotonic() > until:
                break
            chosen = chance.sample(table, chance.randint(1, 6))
            faults = sorted(chosen, key=lambda fault: fault.stage.order)
            print(f"run {number}: {'; '.join(map(str, faults))}", flush=True)
            # pages on other sides of the split: nothing of an earlier run is in the cache
            run = planned("training.quit=early", "training.epochs=4", f"seed={number}", f"site.workspace=walk-{number}")
            driver = Driver(run, scenario, runs, JOB)
            for fault in faults:
                if not run.state().state.is_settled:
                    driver.endure(fault)
                    tried += 1
            driver.finish()
            assert read_json(run.results)["best_epoch"] == 3
    print(f"seed {SEED}: {tried} faults in {number} runs, none lost")
