"""Jobs whose step Slurm could not start, or lost: their script, with a scripted srun, asks for another start."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from fakes.fake_sbatch import put_on_path
from fakes.fake_slurm_site import Site, site
from helpers.fake_kraken import Scenario
from helpers.folders import SLURM_DATA
from htr_exp.core.files import append_jsonl, read_jsonl
from htr_exp.core.run_state import RunState
from htr_exp.pipeline import lost_step
from htr_exp.pipeline.run_inputs import RunInputs
from htr_exp.pipeline.submit import RunToSubmit, submit_runs
from htr_exp.runs.run_dir import RunDir
from htr_exp.slurm import sbatch

pytestmark = pytest.mark.seconds

RUNS = "RUNNING             4:00:00             N/A                     \n"
ENDING = "COMPLETING          4:00:00             N/A                     \n"
NO_STEP = "srun: error: Unable to create step for job 101: Job/step already completing or completed"

SRUN = """#!/bin/bash
while [ "$1" != sh ]; do shift; done
case $FAKE_SRUN in
    well) exec "$@" ;;
    killed) setsid "$@" & until grep -q '"epoch": 2' "$FAKE_METRICS" 2>/dev/null; do sleep 0.1; done
        kill -9 -- -$!; wait $!; echo "srun: error: gpu1: task 0: Killed"; exit 137 ;;
    *) printf '%s\\n' "${FAKE_SRUN#* }"; exit "${FAKE_SRUN%% *}" ;;
esac
"""
"""Runs its task, kills it in its second epoch, or says something and ends with a code."""

Planned = Callable[..., RunDir]


@dataclass
class Submitted:
    """Jobs given to Slurm, whose scripts are run here."""

    cluster: Site
    folder: Path
    scripts: Callable[[], list[str]]

    def __call__(self, srun: str, *, job: int = 101, restart: int = 0, metrics: Path = Path("none")) -> int:
        """Run a job's script, and return its exit code."""
        variables = {
            "FAKE_SRUN": srun, "FAKE_METRICS": str(metrics), "SLURM_JOB_ID": str(job), "SLURM_RESTART_COUNT": str(restart),
            "SLURMD_NODENAME": "gpu1", "SLURM_CPUS_PER_TASK": "2", "SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NODEID": "0",
            "SLURM_NTASKS": "1", "SLURM_JOB_NUM_NODES": "1", "SLURM_JOB_NODELIST": "gpu1",
        }  # fmt: skip
        with open(sbatch.log_of(self.folder, str(job)), "a") as log:
            return subprocess.run(
                ["bash", "-c", self.scripts()[job - 101]],
                env=os.environ | variables,
                stdout=log,
                stderr=log,
                timeout=120,
            ).returncode

    def log(self, job: int = 101) -> str:
        return sbatch.log_of(self.folder, str(job)).read_text()

    @property
    def asked(self) -> list[list[str]]:
        """What scontrol was asked."""
        return [call["argv"] for call in self.cluster.calls("scontrol") if call["argv"][0] == "requeue"]


@pytest.fixture
def submitted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Submitted]:
    """Submit runs, with those of their compiled files that a job before theirs is to make."""
    cluster = site(tmp_path, monkeypatch)
    cluster.says("sinfo", (SLURM_DATA / "sinfo.txt").read_text())
    programs = cluster.file.parent / "bin"
    taken = put_on_path(programs, monkeypatch)
    (programs / "srun").write_text(SRUN)
    (programs / "srun").chmod(stat.S_IRWXU)

    def submit(runs: Sequence[RunDir], *, compile_apart: bool = False) -> Submitted:
        cluster.says("squeue", "")
        inputs = RunInputs(runs[0])
        wanted = [RunToSubmit(run.path, (Path("x.arrow"),) if compile_apart else ()) for run in runs]
        submit_runs(wanted, inputs.experiment.slurm, name="n", cache=inputs.cache)
        cluster.says("squeue", RUNS)
        return Submitted(cluster, inputs.cache / "jobs", lambda: taken.scripts)

    return submit


SLURM = ("slurm=publicgpu", "runtime.kraken=7.1.1")


def test_a_step_that_cannot_be_started_is_started_again(planned: Planned, submitted: Callable[..., Submitted]) -> None:
    run = planned(*SLURM)
    job = submitted([run])
    assert job(f"1 {NO_STEP}") == 0
    assert job.asked == [["requeue", "101"]]
    state = run.state()
    lost = "Slurm lost its work on gpu1 (Unable to create step for job 101: Job/step already completing or completed)"
    assert (state.state, state.reason) == ("queued", f"requeued, as {lost}; goes on from its checkpoint")
    assert [record["job"] for record in read_jsonl(run.requeues)] == ["101"]
    assert lost in run.log.read_text()
    assert job("well", restart=1) == 0
    assert run.state().state == "done"
    assert len(job.asked) == 1
    assert "Traceback" not in job.log()


def test_a_step_that_is_killed_goes_on(
    planned: Planned, submitted: Callable[..., Submitted], scenario: Scenario
) -> None:
    scenario.play(epoch_seconds=0.5)
    run = planned(*SLURM, "training.epochs=6")
    job = submitted([run])
    assert job("killed", metrics=run.metrics) == 0
    assert job.asked == [["requeue", "101"]]
    assert "(gpu1: task 0: Killed)" in str(run.state().reason)
    scenario.play()
    assert job("well", restart=1) == 0
    assert run.state().state == "done"
    assert [record["epoch"] for record in run.epochs()] == list(range(1, 7))


def test_it_is_started_again_so_often_and_no_more(planned: Planned, submitted: Callable[..., Submitted]) -> None:
    run = planned(*SLURM, "slurm.max_requeues=1")
    job = submitted([run])
    append_jsonl(run.requeues, {"time": "2026-11-30T00:00:00Z", "job": "99"})  # of an earlier job
    assert [job(f"1 {NO_STEP}", restart=restart) for restart in range(3)] == [0, 1, 1]
    assert len(job.asked) == 1
    state = run.state()
    assert state.state == "failed"
    assert str(state.reason).endswith(
        "after 1 requeue (slurm.max_requeues): `resume RUN` goes on from the last checkpoint, slurm.exclude=gpu1 on another node"
    )


@pytest.mark.parametrize(
    ("srun", "squeue", "code"),
    [
        ("253 srun: error: gpu1: task 0: Out Of Memory", RUNS, 253),
        ("125 srun: error: gpu1: task 0: Out Of Memory", RUNS, 125),
        (f"1 {NO_STEP}", ENDING, 1),
        ("143 srun: error: gpu1: task 0: Terminated", ENDING, 143),
        ("143 srun: error: gpu1: task 0: Terminated", RUNS, 0),
    ],
)
def test_only_a_loss_that_is_not_the_jobs_end_is_one(
    planned: Planned, submitted: Callable[..., Submitted], srun: str, squeue: str, code: int
) -> None:
    run = planned(*SLURM)
    job = submitted([run])
    job.cluster.says("squeue", squeue)
    assert job(srun) == code
    assert len(job.asked) == int(code == 0)
    assert run.requeues.exists() == (code == 0)


@pytest.mark.parametrize("state", [RunState.DONE, RunState.FAILED, RunState.CANCELLED, RunState.TIMED_OUT])
def test_a_run_that_has_ended_needs_no_other_start(
    planned: Planned, submitted: Callable[..., Submitted], state: RunState
) -> None:
    run = planned(*SLURM)
    job = submitted([run])
    run.write_state(state)
    assert job(f"1 {NO_STEP}") == 1
    assert job.asked == []


def test_a_run_that_fails_by_itself_fails_its_job(
    planned: Planned, submitted: Callable[..., Submitted], scenario: Scenario
) -> None:
    scenario.play(fail="train", message="ValueError: odd")
    run = planned(*SLURM)
    job = submitted([run])
    assert job("well") == 1
    assert (run.state().state, job.asked) == ("failed", [])


def test_of_runs_that_share_a_job_those_go_on_that_have_not_ended(
    planned: Planned, submitted: Callable[..., Submitted]
) -> None:
    runs = [planned(*SLURM, "slurm.runs_per_gpu=2", f"seed={seed}") for seed in (1, 2)]
    job = submitted(runs)
    runs[0].write_state(RunState.FAILED, reason="by itself")
    assert job(f"1 {NO_STEP}") == 0
    assert [run.state().state for run in runs] == ["failed", "queued"]
    assert not runs[0].requeues.exists()


def test_the_job_that_compiles_is_started_again_too(planned: Planned, submitted: Callable[..., Submitted]) -> None:
    runs = [planned(*SLURM, f"seed={seed}") for seed in (1, 2)]
    job = submitted(runs, compile_apart=True)
    assert job(f"1 {NO_STEP}") == 0
    assert job.asked == [["requeue", "101"]]
    assert all("Slurm lost its work" in str(run.state().reason) for run in runs)


def test_a_start_that_slurm_refuses_leaves_the_word_to_slurm(
    planned: Planned, submitted: Callable[..., Submitted]
) -> None:
    run = planned(*SLURM)
    job = submitted([run])
    job.cluster.says("scontrol", err="scontrol: error: Requested operation is presently disabled\n", code=1)
    assert job(f"1 {NO_STEP}") == 1
    assert "another start was refused: Requested operation is presently disabled" in job.log()
    assert not run.state().state.is_ended


def test_slurm_is_waited_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cluster = site(tmp_path, monkeypatch)
    cluster.says("squeue", err="slurm_load_jobs error: Unable to contact slurm controller\n", code=1)
    waits: list[float] = []

    def wait(seconds: float) -> None:
        if seconds >= 1:  # subprocess waits so, too
            waits.append(seconds)
        if len(waits) == 2:
            cluster.says("squeue", RUNS)

    monkeypatch.setattr("time.sleep", wait)
    assert not lost_step._is_ended_by_slurm("101")
    assert len(waits) == 2
    cluster.says("squeue", err="slurm_load_jobs error: Unable to contact slurm controller\n", code=1)
    monkeypatch.setattr(lost_step, "PATIENCE_S", 0.0)
    assert lost_step._is_ended_by_slurm("101")
