"""A search on a real Slurm: waves of jobs, a terminal that is closed, and the same words that go on."""

from __future__ import annotations

import os
import signal

from helpers.cluster import Cluster
from helpers.command_line import CommandLine
from helpers.fake_kraken import Scenario
from helpers.waiting import until

WORDS = ("-m", "slurm=publicgpu", "launch/search=optuna", "training.lrate=interval(1e-4,1e-2)", "training.epochs=2",
         "launch.search.trials=4", "launch.search.at_a_time=2")  # fmt: skip


def test_a_search_waits_for_its_jobs_and_the_same_words_go_on_with_it(
    htr_exp: CommandLine, cluster: Cluster, scenario: Scenario
) -> None:
    scenario.play(epoch_seconds=2)
    closed = htr_exp.start(*htr_exp.training(*WORDS))
    until(lambda: len(htr_exp.runs) == 2 and all(run.jobs for run in htr_exp.runs), "the first wave to be submitted")
    os.killpg(closed.pid, signal.SIGKILL)
    htr_exp.end(closed)
    first = {run.name: run.jobs[-1]["job"] for run in htr_exp.runs}

    done = htr_exp.train(*WORDS, "--json")
    assert done.code == 0, done.stderr
    assert [(row["trial"], row["state"]) for row in done.json] == [(number, "done") for number in (1, 2, 3, 4)]
    assert {run.name: run.jobs[-1]["job"] for run in htr_exp.runs if run.name in first} == first
    assert {len(run.jobs) for run in htr_exp.runs} == {1}
    masters = [
        {str(run.jobs[-1]["job"]).partition("_")[0] for run in htr_exp.runs if (run.name in first) is old}
        for old in (True, False)
    ]
    assert [len(one) for one in masters] == [1, 1], "each wave is one array"
