"""Runs that are preempted go on, in whatever stage that happens."""

from __future__ import annotations

import os
import subprocess
from functools import partial
from pathlib import Path

import pytest

from helpers.cluster import Cluster
from helpers.command_line import CommandLine
from helpers.fake_kraken import Scenario
from helpers.folders import DEMO
from helpers.real_pages import demo_pages
from helpers.slurm_runs import (
    ON_GPU1,
    accounted,
    after_epochs,
    begun,
    done_whole,
    job_of,
    legs,
    restarted,
    status,
    submit,
)
from helpers.waiting import until
from htr_exp.runs.run_dir import RunDir

# ---- with the real kraken -----------------------------------------------------------------------------------------------


WAYS = ((True, 10), (False, 10), (False, 0), (True, 0))
"""What a site may do when it preempts: send the signal that the job asked for or not; leave it seconds or none."""

EPOCHS = 14


def works_on(run: RunDir, stage: str) -> bool:
    return run.state().stage == stage and run.owner() is not None


@pytest.fixture
def real_htr_exp(tmp_path: Path) -> CommandLine:
    """The command line with the kraken beside this Python, and six pages of the demo."""
    pages = demo_pages(tmp_path / "pages")
    words = [
        f"dataset.path={pages}", f"model.path={DEMO / 'base.mlmodel'}", "tracking=none", "split.validation=0.17", "split.test=0.17",
        "training.quit=fixed", f"training.epochs={EPOCHS}",
    ]  # fmt: skip
    return CommandLine(words, tmp_path)


@pytest.mark.kraken
def test_a_training_that_is_preempted_in_each_of_four_ways_goes_on_from_its_checkpoint(
    real_htr_exp: CommandLine, cluster: Cluster
) -> None:
    run = submit(real_htr_exp, *ON_GPU1)
    job = job_of(run)
    before: list[int] = []
    for user_signal, grace in WAYS:
        cluster.signals(user_signal, grace)
        after_epochs(run, (before[-1] if before else 0) + 1)
        cluster.preempt("gpu1", seconds=1)
        cluster.wait_for(job, "PENDING")
        before.append(len(run.epochs()))
        row = status(real_htr_exp, run)
        assert (row["state"], row["requeued"]) == ("queued", len(before))
        restarted(run, len(before))
    assert before[-1] < EPOCHS, "it was quicker than Slurm: not all ways were met while it trained"

    row = done_whole(run, EPOCHS, real_htr_exp, cluster)
    assert (row["restarts"], row["requeued"]) == (4, 4)
    assert [start["restart"] for start in begun(run)] == [0, 1, 2, 3, 4]
    first, *later = [leg for leg in legs(run) if not leg["new_leg"]]
    assert (first["epochs_before"], first["lost_epochs"]) == (0, 0)
    for (user_signal, grace), epochs, leg in zip(WAYS, before, later):
        assert leg["epochs_before"] == epochs - leg["lost_epochs"], (user_signal, grace)
        # without grace there are five seconds, which may be too few for kraken to write its state
        assert leg["lost_epochs"] <= (0 if grace else 1), (user_signal, grace)
    assert len(later) == 4
    assert set(accounted(cluster, job)[:-1]) <= {"PREEMPTED", "REQUEUED"}


# ---- preempted outside training, packed, requeued for nothing ----------------------------------------------------------


def test_a_run_that_is_preempted_in_every_stage_does_nothing_twice(
    htr_exp: CommandLine, cluster: Cluster, scenario: Scenario
) -> None:
    scenario.play(compile_seconds=6)
    run = submit(htr_exp, *ON_GPU1, "training.epochs=6")
    for number, (stage, next_plays) in enumerate(
        (("compile", {"epoch_seconds": 2}), ("train", {"ocr_seconds": 6}), ("predict", {})), start=1
    ):
        until(partial(works_on, run, stage), stage)
        if stage == "train":
            after_epochs(run, 1)
        else:
            until(partial(scenario.calls, {"compile": "compile", "predict": "ocr"}[stage]), stage)
        cluster.preempt("gpu1", seconds=1)
        cluster.wait_for(job_of(run), "PENDING")
        assert run.state().stage == stage, "it was quicker than Slurm: nothing is tested"
        scenario.play(**next_plays)
        restarted(run, number)
    row = done_whole(run, 6, htr_exp, cluster)
    assert (row["restarts"], row["lost_epochs"]) == (3, 0)
    assert len(scenario.calls("compile")) == 3 + 1  # sides, of which one was under way
    assert len(legs(run)) == 2
    cache = run.path.parents[1] / "cache"
    assert len(list(cache.glob("compiled/*.arrow"))) == 3
    assert not [path for path in cache.rglob(".*") if ".part" in path.name or ".lock" in path.name]


def test_a_run_whose_job_is_requeued_goes_on_in_every_stage(
    htr_exp: CommandLine, cluster: Cluster, scenario: Scenario
) -> None:
    """Its SIGTERM reaches kraken, too."""
    scenario.play(compile_seconds=60)
    run = submit(htr_exp, *ON_GPU1, "training.epochs=3")
    for number, (stage, verb, next_plays) in enumerate(
        (("compile", "compile", {"ocr_seconds": 60}), ("predict", "ocr", {})), start=1
    ):
        until(partial(works_on, run, stage), stage)
        until(partial(scenario.calls, verb), stage)
        cluster.run("scontrol", "requeue", job_of(run))
        until(lambda: run.owner() is None, "the run to end")
        assert run.written_state().state in ("interrupted", "running"), run.written_state()
        scenario.play(**next_plays)
        restarted(run, number)
    row = done_whole(run, 3, htr_exp, cluster)
    assert row["restarts"] == 2


SLOW_START = """
import pathlib, sys, time
begun = pathlib.Path({begun!r})
if "submitit.core._submit" in sys.orig_argv and not begun.exists():
    begun.touch()
    time.sleep(3)
"""


def test_a_job_that_is_preempted_before_it_can_hear_is_requeued(
    htr_exp: CommandLine, cluster: Cluster, scenario: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario.play(epoch_seconds=2)
    begun_file, folder = tmp_path / "begun", tmp_path / "slow"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(SLOW_START.format(begun=str(begun_file)))
    monkeypatch.setenv("PYTHONPATH", f"{folder}{os.pathsep}{os.environ['PYTHONPATH']}")
    cluster.signals(True, 0)
    run = submit(htr_exp, *ON_GPU1, "training.epochs=5")
    until(begun_file.exists, "the job's Python to start")
    cluster.run("scancel", "--signal=USR2", job_of(run))
    cluster.preempt("gpu1", seconds=1)
    cluster.wait_for(job_of(run), "PENDING")
    scenario.play()
    row = done_whole(run, 5, htr_exp, cluster)
    assert row["requeued"] == 1
    first, last = accounted(cluster, job_of(run))
    assert (first in ("PREEMPTED", "REQUEUED"), last) == (True, "COMPLETED")


def test_a_signal_after_the_end_does_not_make_a_done_run_a_failed_job(
    htr_exp: CommandLine, cluster: Cluster, scenario: Scenario
) -> None:
    run = submit(htr_exp, *ON_GPU1)
    until(lambda: run.state().state == "done", "the run's end")
    job = job_of(run)
    while cluster.state(job) == "RUNNING":
        subprocess.run(["scancel", "--signal=USR2", job], capture_output=True)  # the job may end in this moment
    done_whole(run, 3, htr_exp, cluster)
