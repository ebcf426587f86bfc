from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

import htr_exp
from fakes.fake_slurm_site import Site, site
from helpers.fake_kraken import Scenario
from helpers.waiting import TIMEOUT_S, until
from htr_exp.core.files import append_jsonl, read_jsonl, write_json
from htr_exp.core.lock import Owner
from htr_exp.core.run_state import RunState
from htr_exp.pipeline import launch
from htr_exp.runs.run_dir import RunDir
from htr_exp.slurm import sbatch

CODE = str(Path(htr_exp.__file__).parents[1])
JOB = {"SLURM_JOB_ID": "12", "SLURM_CPUS_PER_TASK": "4", "SLURMD_NODENAME": "gpu1"}


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    return site(tmp_path, monkeypatch)


@dataclass
class Node:
    """Starts what a job does on its node, as a process."""

    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(
        self,
        *runs: RunDir,
        call: str = "work",
        code: str = CODE,
        time_min: int = 300,
        max_requeues: int = 5,
        untold_s: float = 120.0,
        **variables: str,
    ) -> subprocess.Popen[str]:
        paths = [str(run.path) for run in runs]
        what = [paths] if call == "compile_data" else paths
        line = f"from htr_exp.pipeline import slurm_job; slurm_job.UNTOLD_S = {untold_s}; slurm_job.{call}({what!r}, slurm_job.Terms({code!r}, {time_min}, 30, {max_requeues}))"
        process = subprocess.Popen(
            [sys.executable, "-c", line], env=os.environ | JOB | variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True,
        )  # fmt: skip
        self.started.append(process)
        return process

    def end(self, process: subprocess.Popen[str]) -> tuple[int, str]:
        said, _ = process.communicate(timeout=300)
        return process.returncode, said

    def __call__(self, *runs: RunDir, **how: Any) -> tuple[int, str]:
        return self.end(self.start(*runs, **how))


@pytest.fixture
def node(cluster: Site) -> Iterator[Node]:
    found = Node()
    yield found
    for process in found.started:
        if process.poll() is None:
            for one in [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]:
                one.kill()
            process.communicate()


Planned = Callable[..., RunDir]


def trains(run: RunDir) -> None:
    until(lambda: len(run.epochs()) >= 2, "two epochs")


def test_a_run_is_done_and_says_in_which_job(planned: Planned, node: Node) -> None:
    run = planned()
    assert node(run, SLURM_RESTART_COUNT="1")[0] == 0
    assert run.state().state == "done"
    start = next(record for record in read_jsonl(run.starts) if "start" in record)
    assert (start["job"], start["node"], start["restart"]) == ("12", "gpu1", 1)


def test_a_run_that_is_done_already_is_left_alone(planned: Planned, node: Node, scenario: Scenario) -> None:
    run = planned()
    node(run)
    before = len(scenario.calls()), run.state()
    assert node(run, SLURM_RESTART_COUNT="1")[0] == 0
    assert (len(scenario.calls()), run.state()) == before


def test_of_runs_that_share_a_job_one_fails_alone(planned: Planned, node: Node, scenario: Scenario) -> None:
    scenario.play(fail="train", only="2")  # kraken's -s 2
    runs = [planned("seed=1"), planned("seed=2")]
    assert node(*runs)[0] == sbatch.ENDED
    assert [run.state().state for run in runs] == ["done", "failed"]
    calls = len(scenario.calls("train"))
    assert node(*runs, SLURM_RESTART_COUNT="1")[0] == sbatch.ENDED
    assert len(scenario.calls("train")) == calls


def test_a_signal_long_before_the_limit_makes_room(
    planned: Planned, node: Node, scenario: Scenario, cluster: Site
) -> None:
    scenario.play(epoch_seconds=0.5)
    run = planned("training.epochs=10")
    process = node.start(run)
    trains(run)
    os.killpg(process.pid, signal.SIGUSR2)
    code, said = node.end(process)
    assert (code, run.state().state) == (0, "queued"), said
    assert run.state().reason == "requeued, as it made room for another job; goes on from its checkpoint"
    assert [call["argv"] for call in cluster.calls("scontrol")] == [["requeue", "12"]]
    assert not run.requeues.exists()
    scenario.play()
    assert node(run, SLURM_RESTART_COUNT="1")[0] == 0
    assert run.state().state == "done"
    assert [record["epoch"] for record in run.epochs()] == list(range(1, 11))
    assert [record["lost_epochs"] for record in read_jsonl(run.starts) if "leg" in record][-1] == 0


def test_a_signal_near_the_limit_is_counted(planned: Planned, node: Node, scenario: Scenario, cluster: Site) -> None:
    scenario.play(epoch_seconds=0.5)
    run = planned("training.epochs=10")
    process = node.start(run, time_min=1, SLURM_ARRAY_JOB_ID="10", SLURM_ARRAY_TASK_ID="2")
    trains(run)
    process.send_signal(signal.SIGUSR2)
    code, said = node.end(process)
    assert (code, run.state().state) == (0, "queued"), said
    assert run.state().reason == "requeued, as its time limit was near; goes on from its checkpoint"
    assert [call["argv"] for call in cluster.calls("scontrol")] == [["requeue", "10_2"]]
    assert [record["job"] for record in read_jsonl(run.requeues)] == ["10_2"]


def test_after_the_last_requeue_the_time_is_over(
    planned: Planned, node: Node, scenario: Scenario, cluster: Site
) -> None:
    scenario.play(epoch_seconds=0.5)
    run = planned("training.epochs=10")
    run.requeues.parent.mkdir(exist_ok=True)
    for job in ("12", "12", "11"):
        append_jsonl(run.requeues, {"time": "2026-11-23T00:00:00Z", "job": job})
    process = node.start(run, time_min=1, max_requeues=2)
    trains(run)
    process.send_signal(signal.SIGUSR2)
    code, said = node.end(process)
    assert (code, run.state().state) == (sbatch.ENDED, "timed_out"), said
    assert run.state().reason == (
        "its time limit was over, after 2 requeues (slurm.max_requeues): resume it, with slurm.time_min=... for "
        "more at a time"
    )
    assert cluster.calls("scontrol") == []


OUTLOOK = {
    "runs": "RUNNING             4:00:00             N/A                     \n",
    "at its limit": "RUNNING             1:30                N/A                     \n",
    "is preempted": "RUNNING             1:30                2026-11-30T00:22:02     \n",
    "is cancelled": "COMPLETING          4:00:00             N/A                     \n",
}
"""What squeue tells of a job, recorded with Slurm 22.05."""


@pytest.mark.parametrize(("outlook", "counts"), [("at its limit", 1), ("is preempted", 0)])
def test_the_limit_that_counts_is_the_one_that_slurm_has(
    planned: Planned, node: Node, scenario: Scenario, cluster: Site, outlook: str, counts: int
) -> None:
    cluster.says("squeue", OUTLOOK[outlook])
    scenario.play(epoch_seconds=0.5)
    run = planned("training.epochs=10")
    process = node.start(run, time_min=300)
    trains(run)
    process.send_signal(signal.SIGUSR2)
    code, said = node.end(process)
    assert (code, run.state().state) == (0, "queued"), said
    assert len(read_jsonl(run.requeues)) == counts


def test_a_job_that_nobody_ends_gives_its_node_back(
    planned: Planned, node: Node, scenario: Scenario, cluster: Site
) -> None:
    cluster.says("squeue", OUTLOOK["is cancelled"])
    scenario.play(epoch_seconds=0.5)
    run = planned("training.epochs=10")
    process = node.start(run, untold_s=1.0)
    trains(run)
    process.send_signal(signal.SIGTERM)
    until(lambda: cluster.calls("squeue"), "the question to Slurm")
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1)
    cluster.says("squeue", OUTLOOK["runs"])  # somebody has sent the signal alone
    code, said = node.end(process)
    assert (code, run.state().state) == (sbatch.ENDED, "interrupted"), said
    assert "this job was told to stop, and Slurm did not end it" in said


def test_where_slurm_requeues_by_itself_the_job_waits_to_be_ended(
    planned: Planned, node: Node, scenario: Scenario, cluster: Site
) -> None:
    cluster.says("scontrol", err="Requested operation is presently disabled for job 12\n", code=1)
    scenario.play(epoch_seconds=0.5)
    run = planned("training.epochs=10")
    process = node.start(run)
    trains(run)
    process.send_signal(signal.SIGUSR2)
    until(lambda: cluster.calls("scontrol"), "the question to Slurm")
    for number in (signal.SIGTERM, signal.SIGUSR2, signal.SIGTERM):
        process.send_signal(number)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.7)
    assert run.state().state == "queued"
    process.kill()
    _, said = node.end(process)
    assert "another start was refused: Requested operation is presently disabled for job 12" in said


def test_a_job_that_is_ended_waits_for_its_end(planned: Planned, node: Node, scenario: Scenario, cluster: Site) -> None:
    scenario.play(epoch_seconds=0.5)
    run = planned("training.epochs=10")
    process = node.start(run)
    trains(run)
    process.send_signal(signal.SIGTERM)
    until(lambda: run.state().state == "interrupted", "the run to stop")
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1)
    assert cluster.calls("scontrol") == []


@pytest.mark.parametrize("verb", ["compile", "ocr"])
@pytest.mark.parametrize("job_first", [True, False])
def test_a_signal_to_all_processes_of_the_step_leaves_the_run_to_slurm(
    planned: Planned, node: Node, scenario: Scenario, verb: str, job_first: bool
) -> None:
    scenario.play(**{f"{verb}_seconds": 60})
    run = planned()
    process = node.start(run)
    until(lambda: scenario.calls(verb), verb)
    step = [process.pid, *(one.pid for one in psutil.Process(process.pid).children(recursive=True))]
    for pid in step if job_first else step[::-1]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        time.sleep(0.3)
    until(lambda: run.owner() is None, "the run to end")
    assert process.poll() is None  # Slurm ends it, or it would be a failed job
    assert run.state().state == "interrupted"
    process.kill()
    node.end(process)
    scenario.play()
    assert node(run, SLURM_RESTART_COUNT="1")[0] == 0
    assert run.state().state == "done"


def struck(run: RunDir, node: Node, scenario: Scenario, number: signal.Signals) -> tuple[int, str]:
    """Let a job end whose run got a signal in training, and nobody else."""
    scenario.play(epoch_seconds=0.5)
    process = node.start(run)
    trains(run)
    owner = run.owner()
    assert owner is not None
    os.kill(owner.pid, number)
    return node.end(process)


def test_a_killed_process_is_told_as_want_of_memory(planned: Planned, node: Node, scenario: Scenario) -> None:
    run = planned("training.epochs=10")
    code, said = struck(run, node, scenario, signal.SIGKILL)
    assert (code, run.state().state) == (sbatch.ENDED, "failed"), said
    assert run.state().reason == (
        "its process on the node was killed (signal 9), as happens when memory is exceeded: "
        "`resume RUN slurm.mem_gb=16` goes on with more"
    )
    until(lambda: not any(psutil.pid_exists(pid) for pid in scenario.pids()), "kraken to end with it")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR2])
def test_a_process_of_a_run_that_alone_was_told_to_end_is_not_out_of_memory(
    planned: Planned, node: Node, scenario: Scenario, number: signal.Signals
) -> None:
    run = planned("training.epochs=10")
    _, said = struck(run, node, scenario, number)
    assert run.state().state == "interrupted", said
    assert "goes on from here" in str(run.state().reason)


@pytest.mark.parametrize(("number", "means"), [(signal.SIGUSR2, "for another job"), (signal.SIGTERM, "by a signal")])
def test_a_signal_is_not_lost_while_the_process_of_a_run_starts(
    planned: Planned, scenario: Scenario, number: signal.Signals, means: str
) -> None:
    run = planned()
    with launch._started(run, None, None) as process:
        process.send_signal(number)  # long before it has imported what it needs
        assert process.wait(TIMEOUT_S) == 0
    assert run.state().state == "interrupted"
    assert means in str(run.state().reason)
    assert scenario.calls("train") == []


def test_a_run_folder_that_is_moved_while_its_job_works_in_it_is_told(
    planned: Planned, node: Node, scenario: Scenario
) -> None:
    scenario.play(epoch_seconds=0.5)
    run = planned("training.epochs=40")
    process = node.start(run)
    trains(run)
    there = RunDir(run.path.rename(run.path.with_name("elsewhere")))
    code, said = node.end(process)
    assert (code, "Traceback" in said) == (sbatch.ENDED, False)
    assert f"{run.path}: the run folder is gone: moved, renamed or deleted" in said
    assert not run.path.exists()
    assert there.state().state == "interrupted"
    assert f"it is {there.path} now" in there.terminal.read_text()


def test_a_run_folder_that_is_gone_does_not_stop_its_neighbour(planned: Planned, node: Node) -> None:
    runs = [planned("seed=1"), planned("seed=2")]
    gone = runs[0].path.rename(runs[0].path.with_name("elsewhere"))
    code, said = node(*runs)
    assert code == sbatch.ENDED
    assert (
        f"{runs[0].path}: the run folder is gone: moved, renamed or deleted since it was submitted; resume it where it is now"
        in said
    )
    assert (runs[1].state().state, RunDir(gone).state().state) == ("done", "queued")


def test_other_code_than_was_submitted_runs_nothing(planned: Planned, node: Node, scenario: Scenario) -> None:
    run = planned()
    code, said = node(run, code="/cache/code/0a1b")
    assert code == sbatch.ENDED
    assert f"htr_exp was submitted as /cache/code/0a1b and is imported from {CODE}/htr_exp" in said
    assert not scenario.calls("compile")


def test_compiling_leaves_the_rest_to_the_runs(planned: Planned, node: Node, scenario: Scenario) -> None:
    runs = [planned("seed=1"), planned("seed=2")]
    assert node(*runs, call="compile_data")[0] == 0
    assert [run.state().state for run in runs] == ["queued", "queued"]
    assert (len(scenario.calls("compile")), len(scenario.calls("train"))) == (3, 0)
    assert node(*runs)[0] == 0
    assert len(scenario.calls("compile")) == 3


def test_data_that_cannot_be_compiled_fails_all_that_need_it(planned: Planned, node: Node, scenario: Scenario) -> None:
    scenario.play(fail="compile", message="ValueError: broken page")
    runs = [planned("seed=1"), planned("seed=2")]
    assert node(*runs, call="compile_data")[0] == sbatch.ENDED
    assert [run.state().state for run in runs] == ["failed", "failed"]
    assert str(runs[1].state().reason).startswith("its data could not be compiled: kraken failed while ")
    assert "ValueError: broken page" in str(runs[1].state().reason)
    assert len(scenario.calls("compile")) == 1


def test_another_run_compiles_where_the_first_is_gone(planned: Planned, node: Node, scenario: Scenario) -> None:
    runs = [planned("seed=1"), planned("seed=2")]
    runs[0].path.rename(runs[0].path.with_name("elsewhere"))
    assert node(*runs, call="compile_data")[0] == 0
    assert len(scenario.calls("compile")) == 3


def test_a_run_that_another_process_works_in_is_left_to_it(planned: Planned, node: Node, scenario: Scenario) -> None:
    run = planned()
    run.write_state(RunState.RUNNING, stage="train")
    run.lock.mkdir()
    owner = asdict(Owner.this_process())
    write_json(run.lock / "owner.json", owner)
    process = node.start(run)
    worker = until(lambda: psutil.Process(process.pid).children(), "its process")[0]
    worker.send_signal(signal.SIGKILL)  # as if its patience were over
    assert node.end(process)[0] == 0
    assert run.state().state == "running"
    assert json.loads((run.lock / "owner.json").read_text()) == owner


OWNERS = {
    "the job's earlier start": (Owner("gpu7", 1, 0.0, "12", 0), True),
    "the job's present start": (Owner("gpu7", 1, 0.0, "12", 1), False),
    "another job": (Owner("gpu7", 1, 0.0, "11", 0), False),
    "no job": (Owner("gpu7", 1, 0.0), False),
}


@pytest.mark.parametrize("who", OWNERS)
def test_a_lock_on_another_host_is_void_if_slurm_has_ended_its_process(
    who: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    owner, gone = OWNERS[who]
    assert owner.is_gone() == gone


def test_no_lock_on_another_host_is_void_outside_of_slurm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    assert not any(owner.is_gone() for owner, _ in OWNERS.values())
