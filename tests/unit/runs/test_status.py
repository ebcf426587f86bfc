from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from fakes.fake_slurm_site import Site, site
from htr_exp.core import machine
from htr_exp.core.files import append_jsonl, utc_now, write_json
from htr_exp.core.lock import Owner
from htr_exp.core.process_identity import start_of
from htr_exp.core.run_state import RunState
from htr_exp.runs import status
from htr_exp.runs.run_dir import RunDir
from htr_exp.slurm import jobs
from htr_exp.slurm.jobs import Job

ACCOUNTS_OFF: dict[str, Any] = {"err": "Slurm accounting storage is disabled\n", "code": 1}


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    return site(tmp_path, monkeypatch)


Submitted = Callable[..., RunDir]


@pytest.fixture
def submitted(tmp_path: Path) -> Submitted:
    """Write a run folder that was given to Slurm."""

    def write(job: str | None = "12", state: str = "queued", *, name: str = "a", **more: Any) -> RunDir:
        run = RunDir(tmp_path / "runs" / name)
        run.live.mkdir(parents=True)
        run.seal({})
        run.seal_results()
        run.write_state(RunState(state), reason=more.pop("reason", None), stage=more.pop("stage", None))
        if job is not None:
            record: Any = {"time": utc_now(), "job": job, "compile_job": None, "log": str(tmp_path / f"{job}.out"), "packed": 1,
                      "by": machine.user(), "slurm": {"partition": "gpus", "time_min": 300, "mem_gb": 8, "array_parallelism": 4}}  # fmt: skip
            run.add_submission(record | more)
        return run

    return write


def stood(run: RunDir) -> status.RunStatus:
    return status.look([run])[0][run.path]


def work_in(run: RunDir, *, job: str | None, pid: int | None = None, host: str | None = None) -> None:
    """Leave a lock as a process that works in the run has it."""
    owner = pid or os.getpid()
    signed = asdict(Owner.this_process()) | {"pid": owner, "started": start_of(owner), "job": job}
    run.lock.mkdir()
    write_json(run.lock / "owner.json", signed | ({"host": host, "boot": "another"} if host else {}))


def test_local_runs_and_settled_ones_ask_nobody(cluster: Site, submitted: Submitted) -> None:
    runs = [submitted(None, name="local")]
    runs += [submitted("12", state, name=state) for state in RunState if state.is_settled]
    found, notes = status.look(runs)
    assert (cluster.calls(), notes) == ([], [])
    assert {path.name: one.state for path, one in found.items()} == {
        "local": RunState.QUEUED, **{str(state): state for state in RunState if state.is_settled},
    }  # fmt: skip
    assert all(one.job is None for one in found.values())
    assert found[runs[1].path].jobs == ("12",)


def test_many_runs_ask_squeue_once_and_sacct_once(cluster: Site, submitted: Submitted) -> None:
    cluster.queue({"JobArrayID": "12_0", "State": "RUNNING"})
    status.look([submitted(f"12_{number}", name=f"r{number}") for number in range(5)])
    assert [call["program"] for call in cluster.calls()] == ["squeue", "sacct"]


def test_what_squeue_shows_is_not_asked_of_sacct(cluster: Site, submitted: Submitted) -> None:
    cluster.queue(
        {"JobArrayID": "12", "State": "RUNNING", "NodeList": "gpu1", "TimeLeft": "1:00:00", "RestartCnt": "2"}
    )
    now = stood(submitted("12", "queued"))
    assert (now.state, now.job, now.node, now.left_s, now.requeued) == ("running", "12", "gpu1", 3600, 2)
    assert [call["program"] for call in cluster.calls()] == ["squeue"]


WAITING = {
    "Resources": "waits for a free node",
    "Priority": "waits behind jobs of higher priority",
    "Dependency": "waits for job 11, which compiles its data",
    "DependencyNeverSatisfied": "job 12 never begins: the job that compiles its data (11)",
    "BeginTime": "waits to begin",
    "JobArrayTaskLimit": "slurm.array_parallelism=4",
    "JobHeldUser": "`scontrol release 12`",
    "JobHeldAdmin": "ask them",
    "ReqNodeNotAvail, UnavailableNodes:gpu[1-3]": "UnavailableNodes:gpu[1-3]",
    "Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority partitions": "waits for a free node",
    "PartitionTimeLimit": "never begins: slurm.time_min=300 is more than slurm.partition=gpus allows",
    "PartitionDown": "closed",
    "QOSMaxJobsPerUserLimit": "limit of your account or QOS is reached (QOSMaxJobsPerUserLimit)",
    "QOSMaxGRESPerUser": "limit of your account or QOS is reached",
    "QOSMaxWallDurationPerJobLimit": "never begins",
    "AssocGrpGRES": "limit of your account or QOS is reached",
    "AssocMaxJobsLimit": "limit of your account or QOS is reached",
    "InvalidQOS": "slurm.qos",
    "BadConstraints": "slurm.constraint",
    "launch failed requeued held": "`scontrol release 12`",
    "None": "waits for Slurm to look at it",
    "SomethingNew": "Slurm says SomethingNew",
}


@pytest.mark.parametrize("reason", WAITING)
def test_a_waiting_run_says_why_in_plain_words(cluster: Site, submitted: Submitted, reason: str) -> None:
    cluster.queue({"JobArrayID": "12", "Reason": reason})
    now = stood(submitted("12", compile_job="11"))
    assert (now.state, now.job) == ("queued", "12")
    assert WAITING[reason] in (now.record.reason or "")


def test_a_waiting_run_says_when_it_may_begin(cluster: Site, submitted: Submitted) -> None:
    cluster.queue({"JobArrayID": "12", "Reason": "Resources", "StartTime": "2026-11-23T21:25:20"})
    assert stood(submitted()).record.reason == "waits for a free node; begins about 2026-11-23 21:25 UTC"


def test_a_suspended_run_is_running_and_says_so(cluster: Site, submitted: Submitted) -> None:
    cluster.queue({"JobArrayID": "12", "State": "SUSPENDED"})
    now = stood(submitted("12", "running", stage="train"))
    assert (now.state, now.record.stage, "suspended" in (now.record.reason or "")) == ("running", "train", True)


def test_a_run_whose_data_another_job_compiles_in_it_is_running(cluster: Site, submitted: Submitted) -> None:
    cluster.queue({"JobArrayID": "12", "Reason": "Dependency"}, {"JobArrayID": "11", "State": "RUNNING"})
    run = submitted("12", "running", stage="compile", compile_job="11")
    work_in(run, job="11")
    now = stood(run)
    assert (now.state, now.record.reason, now.job) == ("running", "job 11 compiles its data", "12")


ROW = "12|{}|{}|2026-11-23T20:25:20|{}|gpu1"


@pytest.mark.parametrize("folder", ["queued", "running", "interrupted"])
@pytest.mark.parametrize(
    ("state", "exit_code", "known", "word"),
    [("TIMEOUT", "0:0", "timed_out", "slurm.time_min=600"), ("OUT_OF_MEMORY", "0:125", "failed", "slurm.mem_gb=16"),
     ("NODE_FAIL", "0:0", "interrupted", "gpu1"), ("CANCELLED by 0", "0:0", "cancelled", "cancelled by root"),
     ("PREEMPTED", "0:0", "interrupted", "preempted"), ("FAILED", "0:53", "failed", "could not write")],
)  # fmt: skip
def test_what_slurm_says_of_a_lost_job_is_kept_in_the_folder(
    cluster: Site, submitted: Submitted, folder: str, state: str, exit_code: str, known: str, word: str
) -> None:
    run = submitted("12", folder, stage="train")
    cluster.accounts(ROW.format(state, exit_code, utc_now().rstrip("Z")))
    now = stood(run)
    assert (now.state, now.record.stage, now.job) == (known, "train", None)
    assert word in (now.record.reason or "")
    assert (run.state().state, run.state().reason) == (known, now.record.reason)


def test_the_last_words_of_the_job_are_heard(cluster: Site, submitted: Submitted, tmp_path: Path) -> None:
    run = submitted()
    (tmp_path / "12.out").write_text("x\n" * 9999 + "torch.OutOfMemoryError: CUDA out of memory.\n")
    cluster.accounts(ROW.format("FAILED", "1:0", utc_now().rstrip("Z")))
    assert "training.batch_size" in (stood(run).record.reason or "")


def test_squeue_still_knows_how_a_job_ended_where_nobody_keeps_accounts(cluster: Site, submitted: Submitted) -> None:
    run = submitted()
    cluster.queue({"JobArrayID": "12", "State": "TIMEOUT", "EndTime": utc_now().rstrip("Z")})
    cluster.says("sacct", **ACCOUNTS_OFF)
    found, notes = status.look([run])
    assert (found[run.path].state, notes) == ("timed_out", [])


def test_who_cancelled_is_asked_of_sacct_alone(cluster: Site, submitted: Submitted) -> None:
    run = submitted()
    cluster.queue({"JobArrayID": "12", "State": "CANCELLED", "EndTime": utc_now().rstrip("Z")})
    cluster.accounts(ROW.format("CANCELLED by 0", "0:0", utc_now().rstrip("Z")))
    assert (stood(run).record.reason or "").startswith("cancelled by root (job 12)")


def test_a_run_that_waited_for_a_job_that_failed_has_failed(
    cluster: Site, submitted: Submitted, tmp_path: Path
) -> None:
    run = submitted(compile_job="11")
    end = utc_now().rstrip("Z")
    cluster.queue({"JobArrayID": "12", "State": "CANCELLED", "EndTime": end, "Reason": "DependencyNeverSatisfied"},
                  {"JobArrayID": "11", "State": "OUT_OF_MEMORY", "EndTime": end})  # fmt: skip
    (tmp_path / "11.out").write_text("OSError: [Errno 122] Disk quota exceeded\n")
    now = stood(run)
    assert now.state == "failed"
    assert "job 11: out of memory" in (now.record.reason or "")
    assert "quota" in (now.record.reason or "")


def test_a_job_that_nobody_remembers_leaves_its_run_interrupted(cluster: Site, submitted: Submitted) -> None:
    cluster.says("sacct", **ACCOUNTS_OFF)
    run = submitted()
    found, notes = status.look([run])
    now = found[run.path]
    assert (now.state, now.job) == ("interrupted", None)
    assert now.record.reason == "its job 12 is no longer in the queue, and accounting is off: `resume RUN` goes on"
    assert notes == ["how ended jobs ended is not known (sacct: Slurm accounting storage is disabled)"]
    assert run.state().state == "queued"  # nobody knows, so that nothing is written


def test_a_silent_slurm_leaves_the_word_to_the_folders(cluster: Site, submitted: Submitted) -> None:
    cluster.says("squeue", err="slurm_load_jobs error: Unable to contact slurm controller (connect failure)\n", code=1)
    run, done = submitted("12", "queued", reason="requeued"), submitted("13", "done", name="b")
    found, notes = status.look([run, done])
    assert (found[run.path].record.reason, found[run.path].job, found[done.path].job) == ("requeued", "12", None)
    (note,) = notes
    assert note.startswith("Slurm does not answer (squeue: ")
    assert [call["program"] for call in cluster.calls()] == ["squeue"]


def test_a_run_that_its_user_went_on_with_here_is_running(cluster: Site, submitted: Submitted) -> None:
    run = submitted("12", "running", stage="train")
    work_in(run, job=None)
    cluster.accounts(ROW.format("TIMEOUT", "0:0", utc_now().rstrip("Z")))
    assert stood(run).state == "running"


def test_a_run_that_was_begun_again_long_after_its_job_stands_as_its_folder_says(
    cluster: Site, submitted: Submitted
) -> None:
    run = submitted("12", "interrupted", reason="stopped by a signal")
    cluster.accounts(ROW.format("TIMEOUT", "0:0", "2026-01-01T00:00:00"))
    assert stood(run).record.reason == "stopped by a signal"


def test_a_run_whose_job_was_killed_a_moment_ago_is_not_running(cluster: Site, submitted: Submitted) -> None:
    run = submitted("12", "running", stage="train")
    work_in(run, job="12", host="another")  # its heart beat a moment ago
    cluster.accounts(ROW.format("NODE_FAIL", "0:0", utc_now().rstrip("Z")))
    assert stood(run).state == "interrupted"
    assert json.loads((run.live / "state.json").read_text())["state"] == "running"  # it is not ours to write


def test_a_job_that_ends_while_one_looks_has_the_last_word(
    cluster: Site, submitted: Submitted, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = submitted("12", "running", stage="score")
    cluster.accounts(ROW.format("COMPLETED", "0:0", utc_now().rstrip("Z")))
    asked = jobs.queue

    def ends_meanwhile(others: Any) -> dict[str, Job]:
        run.write_state(RunState.DONE)
        return asked(others)

    monkeypatch.setattr(status, "queue", ends_meanwhile)
    assert stood(run).state == "done"
    assert run.state().state == "done"


def test_a_folder_that_cannot_be_written_is_read_all_the_same(
    cluster: Site, submitted: Submitted, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(self: RunDir, *args: Any, **more: Any) -> None:
        raise PermissionError

    run = submitted()
    monkeypatch.setattr(RunDir, "write_state", refuses)
    cluster.accounts(ROW.format("TIMEOUT", "0:0", utc_now().rstrip("Z")))
    assert stood(run).state == "timed_out"


def test_the_newest_job_counts(cluster: Site, submitted: Submitted) -> None:
    run = submitted("12")
    run.add_submission({"time": utc_now(), "job": "13", "compile_job": None, "log": "x", "packed": 1, "slurm": {}})
    cluster.queue({"JobArrayID": "13", "Reason": "Priority"}, {"JobArrayID": "12", "State": "TIMEOUT"})
    now = stood(run)
    assert (now.state, now.job, now.jobs) == ("queued", "13", ("12", "13"))


def test_requeues_of_the_newest_job_are_counted(cluster: Site, submitted: Submitted) -> None:
    run = submitted("13")
    for job in ("12", "13", "13"):
        append_jsonl(run.requeues, {"time": utc_now(), "job": job})
    cluster.queue({"JobArrayID": "13", "State": "RUNNING", "RestartCnt": "1"})
    assert stood(run).requeued == 2


def test_a_run_that_another_user_submitted_is_not_given_up(cluster: Site, submitted: Submitted) -> None:
    now = stood(submitted("12", by="somebody-else"))
    assert (now.state, now.job) == ("queued", "12")


def test_accounting_that_is_behind_does_not_end_a_run(cluster: Site, submitted: Submitted) -> None:
    cluster.accounts("12|RUNNING|0:0|2026-11-23T20:25:20|Unknown|gpu1")
    now = stood(submitted("12", "queued"))
    assert (now.state, now.job) == ("queued", "12")


def test_a_cancelled_mark_outlives_the_job(cluster: Site, submitted: Submitted) -> None:
    run = submitted()
    run.cancel("ada")
    cluster.queue({"JobArrayID": "12", "Reason": "Priority"})
    assert (stood(run).state, stood(run).record.reason) == ("cancelled", "cancelled by ada")


@pytest.mark.seconds
def test_looking_at_a_thousand_runs_asks_slurm_once(cluster: Site, submitted: Submitted) -> None:
    runs = [submitted(f"12_{number}", name=f"r{number:04d}") for number in range(1000)]
    cluster.queue(*({"JobArrayID": f"12_{number}", "Reason": "Priority"} for number in range(1000)))
    found, _ = status.look(runs)
    assert len(found) == 1000
    assert (len(cluster.calls("squeue")), len(cluster.calls("sacct"))) == (1, 0)


def test_the_tail_of_a_log_is_its_end(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("a" * 99 + "ß")
    assert status.tail(tmp_path / "log", 3) == "aß"
    assert status.tail(tmp_path / "none") == ""
    assert status.tail(None) == ""
