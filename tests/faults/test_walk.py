"""A random walk over the table of faults: `make faults MINUTES=10 SEED=1`. The seed decides what is tried, the minutes how much.

`HTR_EXP_FAULTS_RUNS=1:3,2:7` repeats runs of walks by their seeds and numbers.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.command_line import changed
from helpers.fake_kraken import Scenario
from helpers.faults.walk import Walk, lines
from helpers.forked_runs import server
from helpers.recorded_runs import empty_store
from htr_exp.config.compose import compose_experiment
from htr_exp.pipeline.plan import make_plan
from htr_exp.pipeline.write import write_run
from htr_exp.runs.run_dir import RunDir

MINUTES = float(os.environ.get("HTR_EXP_FAULTS_MINUTES", "0"))
COUNT = int(os.environ.get("HTR_EXP_FAULTS") or "0")
SEED = int(os.environ.get("HTR_EXP_FAULTS_SEED", "1"))
ONLY = [tuple(map(int, run.split(":"))) for run in os.environ.get("HTR_EXP_FAULTS_RUNS", "").split(",") if run]
LOG = os.environ.get("HTR_EXP_FAULTS_LOG")


@pytest.fixture
def planners(
    experiment: list[str], layout_experiment: list[str], fake_kraken4: Path
) -> dict[str, Callable[..., RunDir]]:
    """What writes the run of each planner of the walk's settings."""

    def planner(words: list[str], *more: str) -> Callable[..., RunDir]:
        def plan(*changes: str) -> RunDir:
            made = make_plan(compose_experiment(changed(words, [*more, *changes])))
            return write_run(made, command=["htr_exp", "train", *changes])[0]

        return plan

    return {
        "recognition": planner(experiment),
        "segmentation": planner(layout_experiment),
        "kraken 4.3": planner(experiment, f"runtime.ketos={fake_kraken4}"),
    }


@pytest.mark.skipif(not (MINUTES or COUNT or ONLY), reason="it takes as long as one likes: `make faults`")
@pytest.mark.timeout(MINUTES * 60 + COUNT * 120 + 600)
def test_no_walk_through_the_table_loses_anything(
    planners: dict[str, Callable[..., RunDir]], scenario: Scenario, tmp_path: Path, workspace: Path
) -> None:
    end = time.monotonic() + MINUTES * 60 if MINUTES else float("inf")
    tell = lines(Path(LOG) if LOG else None)
    store = empty_store(tmp_path / "template")
    with server() as runs, server(records=True) as recorder:
        walk = Walk(SEED, planners, scenario, runs, recorder, tmp_path, store, tell)
        for walk.seed, number in ONLY or ((SEED, number) for number in itertools.count()):
            if time.monotonic() > end or (COUNT and walk.endured >= COUNT):
                break
            walk.go(number)
    print(f"seed {SEED}: {walk.endured} faults, {len(walk.lost)} lost")
    assert not walk.lost, "\n".join(walk.lost)
