"""Runs at the limits of their jobs and of their own."""

from __future__ import annotations

from helpers.cluster import Cluster
from helpers.command_line import CommandLine
from helpers.fake_kraken import Scenario
from helpers.slurm_runs import (
    ON_GPU1,
    SHARING_GPU1,
    accounted,
    begun,
    done_whole,
    ends_as,
    job_of,
    legs,
    resumed,
    submit,
)
from htr_exp.core.files import read_json, read_jsonl

# ---- limits -------------------------------------------------------------------------------------------------------------


def test_at_its_time_limit_a_run_goes_on_in_a_new_job_as_often_as_it_may(
    htr_exp: CommandLine, cluster: Cluster, scenario: Scenario
) -> None:
    scenario.play(epoch_seconds=1)
    # Slurm looks at time limits every half minute: the training must take longer than that and the limit of a minute
    words = (*SHARING_GPU1, "slurm.time_min=1", "slurm.signal_delay_s=30", "training.epochs=65")
    patient = submit(htr_exp, *words, "seed=1", "slurm.max_requeues=20")
    once = submit(htr_exp, *words, "seed=2", "slurm.max_requeues=0")

    row = ends_as("timed_out", once, htr_exp, cluster)
    assert row["reason"].startswith("its time limit was over, after 0 requeues (slurm.max_requeues)")
    assert "slurm.time_min=" in row["reason"]
    assert accounted(cluster, job_of(once)) == ["FAILED"]
    kept = len(once.epochs())
    said = htr_exp("resume", once.name, "slurm.time_min=5")
    assert said.code == 0, said.stderr

    row = done_whole(patient, 65, htr_exp, cluster)
    requeues = read_jsonl(patient.requeues)
    assert len(requeues) == begun(patient)[-1]["restart"] == row["requeued"]
    assert row["restarts"] >= 1  # fewer where a slow machine spends a job's minute before the run begins
    assert {requeue["job"] for requeue in requeues} == {job_of(patient)}
    assert sum(leg["lost_epochs"] for leg in legs(patient)) == 0

    row = done_whole(once, 65, htr_exp, cluster)
    assert len(row["jobs"]) == 2
    if len(begun(once)) == 2:
        assert resumed(once)["epochs_before"] == kept
    else:
        assert kept == 0, "its first job was over before the run began"


def test_a_training_that_spent_its_budget_is_scored(htr_exp: CommandLine, cluster: Cluster, scenario: Scenario) -> None:
    scenario.play(epoch_seconds=0.5, errors=[400, 300, 350])
    run = submit(htr_exp, *ON_GPU1, "training.epochs=100", "training.time_budget_min=0.05")
    row = ends_as("done", run, htr_exp, cluster)
    assert 2 <= len(run.epochs()) < 100
    assert read_json(run.live / "training.json")["ended_by"] == "time_budget"
    assert row["test_cer"] < row["base_test_cer"]
    assert accounted(cluster, job_of(run)) == ["COMPLETED"]
