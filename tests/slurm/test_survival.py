"""Runs survive what Slurm does to their jobs: pre-emption, its limits, dead nodes, killed programs, cancelling and packing."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from helpers.command_line import CommandLine
from helpers.fake_kraken import Scenario
from helpers.waiting import until
from htr_exp.core.files import read_json, read_jsonl, sha256_file
from htr_exp.runs.run_dir import RunDir
from slurm.conftest import Cluster

DEMO = Path(__file__).parents[2] / "htr_exp" / "demo"

ON_GPU1 = ("slurm=publicgpu", "slurm.nodelist=gpu1")
SHARING_GPU1 = (*ON_GPU1, "slurm.gres=null", "slurm.cpus_per_task=2", "slurm.mem_gb=1")
"""Several jobs at a time on the one node: none of the scripted programs needs its GPU."""


def submit(htr_exp: CommandLine, *words: str) -> RunDir:
    """Submit the small experiment, with changes, and return its run."""
    sent = htr_exp.train(*words, "--json")
    assert sent.code == 0, sent.stderr
    return RunDir(Path(sent.json["run"]))


def job_of(run: RunDir) -> str:
    return str(run.jobs[-1]["job"])


def begun(run: RunDir) -> list[dict[str, Any]]:
    """Return the rows of a run's starts, oldest first."""
    return [row for row in read_jsonl(run.starts) if "start" in row]


def legs(run: RunDir) -> list[dict[str, Any]]:
    """Return the rows of kraken's starts, oldest first."""
    return [row for row in read_jsonl(run.starts) if "leg" in row]


def resumed(run: RunDir) -> dict[str, Any]:
    """Return the row of kraken's first start after the run was begun a second time."""
    rows = read_jsonl(run.starts)
    return dict(next(row for row in rows[rows.index(begun(run)[1]) :] if "leg" in row))


def after_epochs(run: RunDir, count: int) -> None:
    until(lambda: len(run.epochs()) >= count, f"{count} epochs of {run.path}")


def restarted(run: RunDir, times: int = 1) -> None:
    until(lambda: len(begun(run)) > times, f"start {times + 1} of {run.path}")


def status(htr_exp: CommandLine, run: RunDir) -> dict[str, Any]:
    (row,) = htr_exp("status", "--json", run.name).json
    return dict(row)


def ends_as(state: str, run: RunDir, htr_exp: CommandLine, cluster: Cluster) -> dict[str, Any]:
    """Wait until a run's job is over; the run must then stand so. Return its row of `status`."""
    over = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT")
    cluster.wait_for(job_of(run), *over)
    row = status(htr_exp, run)
    assert row["state"] == state, row["reason"] or run.log.read_text()[-2000:]
    cluster.wait(lambda: not processes_of(run), f"the processes of {run.path} to be gone", timeout=30)
    return row


def done_whole(run: RunDir, epochs: int, htr_exp: CommandLine, cluster: Cluster) -> dict[str, Any]:
    """Wait for a run's good end: every epoch once, everything scored, one folder, nothing left over."""
    row = ends_as("done", run, htr_exp, cluster)
    assert [record["epoch"] for record in run.epochs()] == list(range(epochs))
    assert [folder.name for folder in run.path.parent.glob(f"*-{run.key[:8]}*")] == [run.name]
    result = run.result()
    assert result is not None
    assert result["test"]["best"]["lines"] == len(read_jsonl(run.predictions / "test.jsonl"))
    assert run.best.exists()
    assert not run.training.exists()
    assert accounted(cluster, job_of(run))[-1] == "COMPLETED"
    return row


def accounted(cluster: Cluster, job: str) -> list[str]:
    """Return what the accounts say of each start of a job, the newest last."""
    rows = [row for row in cluster.sacct(job) if row["JobID"] == job]
    # by submission, which every requeue renews: of a start that ended within its second the accounts know no Start
    return [row["State"].split()[0] for row in sorted(rows, key=lambda row: row["Submit"])]


def processes_of(run: RunDir) -> list[list[str]]:
    """Return the command lines of what runs for a run now, kraken's included: each names the folder."""
    found = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    return [words for words in found if any(word.startswith(str(run.path)) for word in words)]


# ---- with the real kraken -----------------------------------------------------------------------------------------------


WAYS = ((True, 10), (False, 10), (False, 0), (True, 0))
"""What a site may do when it pre-empts: send the signal that the job asked for or not; leave it seconds or none."""

EPOCHS = 20


@pytest.fixture
def real_htr_exp(tmp_path: Path) -> CommandLine:
    """The command line with the kraken beside this Python, and six pages of the demo."""
    pages = tmp_path / "pages"
    pages.mkdir()
    for xml in sorted((DEMO / "pages").glob("*.xml"))[:6]:
        shutil.copy(xml, pages)
        shutil.copy(xml.with_suffix(".jpg"), pages)
    words = [
        f"dataset.path={pages}", f"model.path={DEMO / 'base.mlmodel'}", "tracking=none", "split.validation=0.17", "split.test=0.17",
        "training.quit=fixed", f"training.epochs={EPOCHS}",
    ]  # fmt: skip
    return CommandLine(words, tmp_path)


@pytest.mark.kraken
def test_a_training_that_is_pre_empted_in_each_of_four_ways_goes_on_from_its_checkpoint(
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
    assert (first["first_epoch"], first["lost_epochs"]) == (0, 0)
    for (user_signal, grace), epochs, leg in zip(WAYS, before, later):
        assert leg["first_epoch"] == epochs - leg["lost_epochs"], (user_signal, grace)
        # without grace there are five seconds, which may be too few for kraken to write its state
        assert leg["lost_epochs"] <= (0 if grace else 1), (user_signal, grace)
    assert len(later) == 4
    assert set(accounted(cluster, job)[:-1]) <= {"PREEMPTED", "REQUEUED"}


@pytest.mark.kraken
def test_the_demo_gains_with_every_setting_as_it_is(tmp_path: Path, cluster: Cluster) -> None:
    htr_exp = CommandLine([], tmp_path)
    words = ("dataset=demo", "model=demo", "slurm=publicgpu", "training.quit=fixed", "training.epochs=4")
    run = submit(htr_exp, *words)
    row = done_whole(run, 4, htr_exp, cluster)
    assert row["test_cer"] < row["base_test_cer"]


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
    assert resumed(run)["first_epoch"] == kept


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
    assert resumed(running)["first_epoch"] == kept


# ---- limits -------------------------------------------------------------------------------------------------------------


def test_at_its_time_limit_a_run_goes_on_in_a_new_job_as_often_as_it_may(
    htr_exp: CommandLine, cluster: Cluster, scenario: Scenario
) -> None:
    scenario.play(epoch_seconds=1)
    words = (*SHARING_GPU1, "slurm.time_min=1", "slurm.signal_delay_s=30", "training.epochs=35")
    patient = submit(htr_exp, *words, "seed=1", "slurm.max_requeues=20")
    once = submit(htr_exp, *words, "seed=2", "slurm.max_requeues=0")

    row = ends_as("timed_out", once, htr_exp, cluster)
    assert row["reason"].startswith("its time limit of 1 minutes was over, after 0 requeues (slurm.max_requeues)")
    assert "slurm.time_min=" in row["reason"]
    assert accounted(cluster, job_of(once)) == ["FAILED"]
    kept = len(once.epochs())
    said = htr_exp("resume", once.name, "slurm.time_min=5")
    assert said.code == 0, said.stderr

    row = done_whole(patient, 35, htr_exp, cluster)
    requeues = read_jsonl(patient.requeues)
    assert len(requeues) == len(begun(patient)) - 1 == row["requeued"] == row["restarts"] >= 1
    assert {requeue["job"] for requeue in requeues} == {job_of(patient)}
    assert sum(leg["lost_epochs"] for leg in legs(patient)) == 0

    row = done_whole(once, 35, htr_exp, cluster)
    assert len(row["jobs"]) == 2
    assert resumed(once)["first_epoch"] == kept


def test_a_training_that_spent_its_budget_is_scored(htr_exp: CommandLine, cluster: Cluster, scenario: Scenario) -> None:
    scenario.play(epoch_seconds=0.5, errors=[400, 300, 350])
    run = submit(htr_exp, *ON_GPU1, "training.epochs=100", "training.time_budget_min=0.05")
    row = ends_as("done", run, htr_exp, cluster)
    assert 2 <= len(run.epochs()) < 100
    assert read_json(run.live / "training.json")["ended_by"] == "time_budget"
    assert row["test_cer"] < row["base_test_cer"]
    assert accounted(cluster, job_of(run)) == ["COMPLETED"]


# ---- what dies ----------------------------------------------------------------------------------------------------------


def test_a_run_whose_node_dies_goes_on_on_another(htr_exp: CommandLine, cluster: Cluster, scenario: Scenario) -> None:
    scenario.play(epoch_seconds=1)
    run = submit(htr_exp, "slurm=publicgpu", "slurm.exclude=gpu3", "training.epochs=8")
    after_epochs(run, 3)
    (first,) = begun(run)
    cluster.kill_node(first["node"])
    kept = len(run.epochs())
    restarted(run)
    assert begun(run)[1]["node"] != first["node"]
    row = done_whole(run, 8, htr_exp, cluster)
    assert row["restarts"] == 1
    second = resumed(run)
    assert second["first_epoch"] == kept - second["lost_epochs"]
    assert second["lost_epochs"] <= 1
    assert accounted(cluster, job_of(run)) == ["NODE_FAIL", "COMPLETED"]


def test_a_killed_kraken_is_started_again_in_the_same_job(
    htr_exp: CommandLine, cluster: Cluster, scenario: Scenario
) -> None:
    scenario.play(epoch_seconds=0.5)
    run = submit(htr_exp, *ON_GPU1, "training.epochs=6")
    after_epochs(run, 2)
    os.kill(scenario.pids()[-1], signal.SIGKILL)
    done_whole(run, 6, htr_exp, cluster)
    assert len(begun(run)) == 1
    assert len(legs(run)) == 2
    assert accounted(cluster, job_of(run)) == ["COMPLETED"]


def test_a_kraken_that_is_killed_twice_in_one_epoch_fails_and_a_mail_says_so(
    htr_exp: CommandLine, cluster: Cluster, scenario: Scenario
) -> None:
    scenario.play(die=signal.SIGKILL, at_epoch=2)
    run = submit(htr_exp, *ON_GPU1, "slurm.mail_user=scholar@example.org")
    row = ends_as("failed", run, htr_exp, cluster)
    assert "exit code -9" in row["reason"]
    assert len(legs(run)) == 2
    job = job_of(run)
    assert accounted(cluster, job) == ["FAILED"]
    mails = cluster.wait(lambda: [mail for mail in cluster.mails() if f"Job_id={job} " in mail], "a mail")
    assert len(mails) == 1
    assert "scholar@example.org" in mails[0]
    assert "Failed" in mails[0]


# ---- pre-empted outside training, packed, requeued for nothing ----------------------------------------------------------


def test_a_run_that_is_pre_empted_in_every_stage_does_nothing_twice(
    htr_exp: CommandLine, cluster: Cluster, scenario: Scenario
) -> None:
    scenario.play(compile_seconds=6)
    run = submit(htr_exp, *ON_GPU1, "training.epochs=6")
    for number, (stage, next_plays) in enumerate(
        (("compile", {"epoch_seconds": 2}), ("train", {"ocr_seconds": 6}), ("predict", {})), start=1
    ):
        until(lambda stage=stage: run.state().stage == stage and run.owner(), stage)
        if stage == "train":
            after_epochs(run, 1)
        else:
            until(lambda stage=stage: scenario.calls({"compile": "compile", "predict": "ocr"}[stage]), stage)
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
    assert not [path for path in cache.rglob(".*") if ".part" in path.name or ".claim" in path.name]


SLOW_START = """
import pathlib, sys, time
begun = pathlib.Path({begun!r})
if "submitit.core._submit" in sys.orig_argv and not begun.exists():
    begun.touch()
    time.sleep(3)
"""


def test_a_job_that_is_pre_empted_before_it_can_hear_is_requeued(
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


PACKED = ("slurm.runs_per_gpu=3", "slurm.cpus_per_task=2", "slurm.mem_gb=2", "-m", "seed=1,2,3")


def sweep(htr_exp: CommandLine, *words: str) -> list[RunDir]:
    """Submit a sweep of three runs that share a job, and return them in the order of their seeds."""
    sent = htr_exp.train(*ON_GPU1, *PACKED, *words, "--json")
    assert sent.code == 0, sent.stderr
    runs = [RunDir(Path(told["run"])) for told in sent.json]
    assert len({run.path for run in runs}) == 3
    assert len({job_of(run) for run in runs}) == 1
    return runs


def test_packed_runs_are_pre_empted_together_and_fail_alone(
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
        assert [record["epoch"] for record in run.epochs()] == list(range(12))
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


def test_a_job_that_starts_again_after_its_run_was_done_changes_nothing(
    htr_exp: CommandLine, cluster: Cluster, scenario: Scenario
) -> None:
    run = submit(htr_exp, *ON_GPU1)
    done_whole(run, 3, htr_exp, cluster)
    job, calls, files = job_of(run), len(scenario.calls()), contents(run)
    cluster.run("scontrol", "requeue", job)
    cluster.wait(lambda: len(accounted(cluster, job)) == 2, "the second start")
    done_whole(run, 3, htr_exp, cluster)
    assert accounted(cluster, job) == ["REQUEUED", "COMPLETED"]
    assert len(scenario.calls()) == calls
    assert contents(run) == files


def contents(run: RunDir) -> dict[str, str]:
    return {str(path): sha256_file(path) for path in sorted(run.path.rglob("*")) if path.is_file()}
