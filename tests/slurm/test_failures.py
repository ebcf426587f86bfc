"""Runs whose node or kraken dies, and jobs that Slurm starts again for nothing."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import psutil
import pytest

from helpers.cluster import SCRIPTS, Cluster
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
    resumed,
    submit,
)
from htr_exp.core.files import sha256_file
from htr_exp.runs.run_dir import RunDir

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
    assert second["epochs_before"] == kept - second["lost_epochs"]
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


def test_a_step_that_is_killed_while_its_job_goes_on_is_started_again(
    htr_exp: CommandLine, cluster: Cluster, scenario: Scenario
) -> None:
    scenario.play(epoch_seconds=0.5)
    run = submit(htr_exp, *ON_GPU1, "training.epochs=8")
    after_epochs(run, 2)
    owner = run.owner()
    assert owner is not None
    os.kill(psutil.Process(owner.pid).ppid(), signal.SIGKILL)
    restarted(run)
    row = done_whole(run, 8, htr_exp, cluster)
    assert (row["requeued"], accounted(cluster, job_of(run))) == (1, ["REQUEUED", "COMPLETED"])
    assert "Slurm lost its work on gpu1 (" in run.log.read_text()


LOSES_SLURMD = """#!/bin/bash
if mkdir {once} 2>/dev/null; then
    {daemon} slurmd.gpu1 kill
    {srun} "$@"
    code=$?
    {daemon} slurmd.gpu1 start
    exit $code
fi
exec {srun} "$@"
"""


def test_a_step_that_cannot_be_started_since_slurmd_died_is_started_again(
    htr_exp: CommandLine, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "programs" / "srun"
    program.parent.mkdir()
    found = {"once": tmp_path / "once", "daemon": SCRIPTS / "daemon", "srun": shutil.which("srun")}
    program.write_text(LOSES_SLURMD.format(**found))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("HTR_EXP_CLUSTER_DIR", str(cluster.home))
    run = submit(htr_exp, *ON_GPU1)
    restarted(run, 0)
    row = done_whole(run, 3, htr_exp, cluster)
    assert (row["requeued"], accounted(cluster, job_of(run))[-1]) == (1, "COMPLETED")
    assert "Slurm lost its work on gpu1 (" in run.log.read_text()


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
