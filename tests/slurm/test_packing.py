"""Several runs in one job on one GPU."""

from __future__ import annotations

from pathlib import Path

from helpers.cluster import Cluster
from helpers.command_line import CommandLine
from helpers.fake_kraken import Scenario
from helpers.slurm_runs import (
    ON_GPU1,
    accounted,
    after_epochs,
    begun,
    done_whole,
    ends_as,
    job_of,
    legs,
    restarted,
    status,
)
from htr_exp.runs.run_dir import RunDir

PACKED = ("slurm.runs_per_gpu=3", "slurm.cpus_per_task=2", "slurm.mem_gb=2", "-m", "seed=1,2,3")


def sweep(htr_exp: CommandLine, *words: str) -> list[RunDir]:
    """Submit a sweep of three runs that share a job, and return them in the order of their seeds."""
    sent = htr_exp.train(*ON_GPU1, *PACKED, *words, "--json")
    assert sent.code == 0, sent.stderr
    runs = [RunDir(Path(told["run"])) for told in sent.json]
    assert len({run.path for run in runs}) == 3
    assert len({job_of(run) for run in runs}) == 1
    return runs


def test_packed_runs_are_preempted_together_and_fail_alone(
    htr_exp: CommandLine, cluster: Cluster, scenario: Scenario
) -> None:
    scenario.play(epoch_seconds=0.5)
    runs = sweep(htr_exp, "training.epochs=12")
    for run in runs:
        after_epochs(run, 2)
    assert all(run.owner() for run in runs)  # at once
    first, failing, last = runs
    job = job_of(first)
    scenario.play(
        epoch_seconds=0.5, fail="train", at_epoch=9, message="RuntimeError: no", only=f"{failing.training}/leg-01"
    )
    cluster.preempt("gpu1")
    for run in runs:
        restarted(run)
    row = ends_as("failed", failing, htr_exp, cluster)
    assert "RuntimeError: no" in row["reason"]
    assert accounted(cluster, job)[-1] == "FAILED"
    for run in (first, last):
        assert status(htr_exp, run)["state"] == "done"
        assert [record["epoch"] for record in run.epochs()] == list(range(1, 13))
        assert len(begun(run)) == 2
        assert sum(leg["lost_epochs"] for leg in legs(run)) == 0

    scenario.play()
    said = htr_exp("resume", failing.name)
    assert said.code == 0, said.stderr
    row = done_whole(failing, 12, htr_exp, cluster)
    assert row["jobs"] == [job, job_of(failing)]
    assert {job_of(run) for run in (first, last)} == {job}
    assert len(begun(first)) == len(begun(last)) == 2


def test_a_packed_run_is_cancelled_alone(htr_exp: CommandLine, cluster: Cluster, scenario: Scenario) -> None:
    scenario.play(epoch_seconds=0.5)
    first, unwanted, last = runs = sweep(htr_exp, "training.epochs=14")
    for run in runs:
        after_epochs(run, 1)
    said = htr_exp("cancel", unwanted.name)
    assert said.code == 0, said.stderr
    assert "goes on with its other runs" in said.stdout
    for run in (first, last):
        done_whole(run, 14, htr_exp, cluster)
        assert len(begun(run)) == 1
    assert status(htr_exp, unwanted)["state"] == "cancelled"
    assert len(unwanted.epochs()) < 14
    assert not unwanted.results.exists()
