"""Runs whose jobs are cancelled go on by the same words."""

from __future__ import annotations

import time

from helpers.cluster import Cluster
from helpers.command_line import CommandLine
from helpers.fake_kraken import Scenario
from helpers.slurm_runs import (
    ON_GPU1,
    SHARING_GPU1,
    accounted,
    after_epochs,
    begun,
    done_whole,
    ends_as,
    job_of,
    resumed,
    submit,
)

# ---- cancelled ----------------------------------------------------------------------------------------------------------


def test_a_job_that_was_ended_by_scancel_stays_ended_until_the_same_words_go_on(
    htr_exp: CommandLine, cluster: Cluster, scenario: Scenario
) -> None:
    scenario.play(epoch_seconds=0.5)
    words = (*ON_GPU1, "training.epochs=12")
    run = submit(htr_exp, *words)
    after_epochs(run, 2)
    job = job_of(run)
    cluster.scancel(job)
    row = ends_as("cancelled", run, htr_exp, cluster)
    assert "cancelled by root" in row["reason"]
    kept = len(run.epochs())
    time.sleep(20)
    assert cluster.state(job) == "CANCELLED"
    assert accounted(cluster, job) == ["CANCELLED"]
    assert (len(begun(run)), len(run.epochs())) == (1, kept)

    assert submit(htr_exp, *words) == run
    assert job_of(run) != job
    done_whole(run, 12, htr_exp, cluster)
    assert resumed(run)["epochs_before"] == kept


def test_cancel_ends_queued_and_running_runs_until_the_same_words_go_on(
    htr_exp: CommandLine, cluster: Cluster, scenario: Scenario
) -> None:
    scenario.play(epoch_seconds=0.5)
    words = (*ON_GPU1, "training.epochs=12")
    running = submit(htr_exp, *words, "seed=1")
    queued = submit(htr_exp, *words, "seed=2")  # behind the other on the one GPU
    after_epochs(running, 2)
    said = htr_exp("cancel", running.name, queued.name)
    assert said.code == 0, said.stderr
    for run in (running, queued):
        assert "cancelled by root" in ends_as("cancelled", run, htr_exp, cluster)["reason"]
        assert accounted(cluster, job_of(run)) == ["CANCELLED"]
    kept = len(running.epochs())
    assert not begun(queued)

    for run, seed in ((running, 1), (queued, 2)):
        assert submit(htr_exp, *SHARING_GPU1, "training.epochs=12", f"seed={seed}") == run
    for run in (running, queued):
        done_whole(run, 12, htr_exp, cluster)
    assert resumed(running)["epochs_before"] == kept
