from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fakes.fake_slurm_site import Site, site
from helpers.waiting import TIMEOUT_S, until
from htr_exp.cli.main import main
from htr_exp.core import console, machine
from htr_exp.core.files import utc_now, write_json
from htr_exp.core.run_state import RunState
from htr_exp.runs import logs, status_table
from htr_exp.runs.run_dir import RunDir


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    return site(tmp_path, monkeypatch)


Make = Callable[..., RunDir]


@pytest.fixture
def make(workspace: Path) -> Make:
    """Write a run folder as far as status, logs and cancel read it."""

    def write(name: str, state: str = "queued", job: str | None = None, **more: Any) -> RunDir:
        run = RunDir(workspace / "runs" / name)
        run.live.mkdir(parents=True)
        write_json(run.provenance, {"run": {"key": name, "task": "recognition"}, "dataset": {"name": "d"},
                                    "software": {"kraken": "7.1.1"}, "model": None})  # fmt: skip
        run.experiment.write_text("training:\n  epochs: 50\n  time_budget_min: null\n")
        run.seal({})
        run.seal_results()
        run.write_state(RunState(state), reason=more.pop("reason", None), stage=more.pop("stage", None))
        if job:
            record: Any = {"time": utc_now(), "job": job, "compile_job": None, "log": str(workspace / f"{job}.out"), "packed": 1,
                      "by": machine.user(), "slurm": {"time_min": 300}}  # fmt: skip
            run.add_submission(record | more)
        return run

    return write


Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(workspace: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    def run(*words: str) -> tuple[int, str, str]:
        code = main(words)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


# status


def test_status_shows_the_job_its_node_and_what_is_left(cluster: Site, make: Make, call: Call) -> None:
    run = make("a", "queued", "12")
    for epoch in range(10):
        run.add_epoch({"epoch": epoch, "val_cer": 0.2, "seconds": 60.0})
    cluster.queue({"JobArrayID": "12", "State": "RUNNING", "NodeList": "gpu1", "TimeLeft": "2:00:00"})
    code, out, _ = call("status")
    assert code == 0
    for word in ("running", "10/50", "20.00 %", "12@gpu1", "2.0 h", "< 40 min"):
        assert word in out
    row = json.loads(call("status", "--json")[1])[0]
    assert {key: row[key] for key in ("jobs", "job", "node", "left_s", "training_left_s", "epochs", "requeued")} == {
        "jobs": ["12"], "job": "12", "node": "gpu1", "left_s": 7200.0, "training_left_s": 2400.0, "epochs": 50, "requeued": 0,
    }  # fmt: skip


def test_columns_that_say_nothing_are_not_shown(make: Make, call: Call) -> None:
    make("a", "done")
    assert call("status")[1].splitlines()[0].split() == ["run", "state", "epoch", "val", "CER", "test", "CER"]


def test_the_next_step_is_ready_to_be_copied(cluster: Site, make: Make, call: Call) -> None:
    make("a", "running", "12", stage="train")
    cluster.accounts(f"12|TIMEOUT|0:0|2026-11-23T20:25:20|{utc_now().rstrip('Z')}|gpu1")
    out = call("status")[1]
    assert "timed_out" in out
    assert "`resume a` goes on" in out


def test_many_runs_that_wait_for_the_same_say_so_once(cluster: Site, make: Make, call: Call) -> None:
    for number in range(5):
        make(f"r{number}", "queued", f"12_{number}")
    cluster.queue(*({"JobArrayID": f"12_{number}", "Reason": "Priority"} for number in range(5)))
    out = call("status")[1]
    assert out.count("waits behind") == 1
    assert "r0 and 4 more" in out


def test_a_wide_table_is_folded_and_not_cut(
    cluster: Site, make: Make, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rich.console import Console

    name = "a-very-long-name-of-a-run-" * 4
    make(name, "done")
    monkeypatch.setattr(console, "console", lambda: Console(width=60, highlight=False))
    out = call("status")[1]
    assert max(map(len, out.splitlines())) <= 60
    assert name in "".join(line.split(" ")[0] for line in out.splitlines()[1:])


def test_notes_are_for_people_and_json_stays_a_list(cluster: Site, make: Make, call: Call) -> None:
    make("a", "queued", "12")
    cluster.says("squeue", err="squeue: error: it is down\n", code=1)
    _, out, err = call("status", "--json")
    assert [row["state"] for row in json.loads(out)] == ["queued"]
    assert err == "note: Slurm does not answer (squeue: it is down): this is what the run folders say\n"


def test_watch_tells_each_change_once_and_ends_by_itself(
    cluster: Site, make: Make, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make("a", "queued", "12")
    make("b", "done")
    cluster.queue({"JobArrayID": "12", "Reason": "Priority"})
    steps = iter((
        lambda: None,
        lambda: cluster.queue({"JobArrayID": "12", "State": "RUNNING", "NodeList": "gpu1"}),
        lambda: run.write_state(RunState.DONE),
    ))  # fmt: skip
    monkeypatch.setattr(status_table, "time", SimpleNamespace(sleep=lambda seconds: next(steps)()))
    code, out, _ = call("status", "--watch", "1")
    assert code == 0
    assert [line.split(" ", 1)[1].rstrip() for line in out.splitlines()] == [
        "a: queued, job 12, waits behind jobs of higher priority",
        "a: running, job 12@gpu1",
        "a: done",
    ]


def test_watch_shows_what_stands_still_once(make: Make, call: Call) -> None:
    make("a", "queued")
    code, out, _ = call("status", "--watch", "last")  # a word that is no number is a run
    assert code == 0
    assert out.splitlines()[1].split()[:2] == ["a", "queued"]


def test_watch_is_not_for_programs(make: Make, call: Call) -> None:
    code, _, err = call("status", "--watch", "--json")
    assert (code, err.startswith("error: --watch is for people")) == (2, True)


def test_ctrl_c_ends_watch_without_fault(
    cluster: Site, make: Make, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    make("a", "queued", "12")
    cluster.queue({"JobArrayID": "12", "Reason": "Priority"})

    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(status_table, "time", SimpleNamespace(sleep=interrupted))
    assert call("status", "--watch")[0] == 0


# logs


def test_logs_show_the_last_lines(make: Make, call: Call) -> None:
    run = make("a", "done")
    run.log.write_text("".join(f"line {number}\n" for number in range(99)))
    assert call("logs", "a", "--lines", "2")[1] == "line 97\nline 98\n"
    assert len(call("logs")[1].splitlines()) == 50


def test_logs_of_a_run_that_never_began_are_slurms(make: Make, call: Call, workspace: Path) -> None:
    make("a", "queued", "12")
    assert call("logs", "a")[1] == "a: queued: it has not said anything yet\n"
    (workspace / "12.out").write_text("module: command not found\n")
    assert call("logs", "a")[1].splitlines() == [
        f"== Slurm's output of the job: {workspace}/12.out",
        "module: command not found",
    ]


def test_logs_of_a_failed_run_begin_with_slurms(make: Make, call: Call, workspace: Path) -> None:
    run = make("a", "failed", "12")
    (workspace / "12.out").write_text("slurmstepd: killed\n")
    run.log.write_text("Epoch 3\n")
    assert call("logs", "a")[1].splitlines()[1:] == ["slurmstepd: killed", f"== {run.log}", "Epoch 3"]
    run.write_state(RunState.DONE)
    assert call("logs", "a")[1] == "Epoch 3\n"


def test_a_long_line_does_not_hide_those_before_it(make: Make, call: Call) -> None:
    run = make("a", "done")
    run.log.write_text("first\n" + "x" * 50000 + "\nlast\n")
    assert [len(line) for line in call("logs", "a", "--lines", "3")[1].splitlines()] == [5, 50000, 4]


def test_logs_show_one_run_at_a_time(make: Make, call: Call) -> None:
    for name in ("a", "b"):
        make(name)
    code, _, err = call("logs", "a", "b")
    assert (code, err) == (2, "error: logs shows one run at a time: choose one of a, b\n")


def followed(run: RunDir, lines: int = 50) -> tuple[list[str], list[str], threading.Thread]:
    said: list[str] = []
    told: list[str] = []
    thread = threading.Thread(target=logs.follow, args=(run, said.append, told.append), kwargs={"lines": lines})
    thread.start()
    return said, told, thread


def test_a_log_is_followed_through_a_restart_until_the_run_ends(
    cluster: Site, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "LOOK_S", 0.01)
    run = make("a", "queued", "12")
    cluster.queue({"JobArrayID": "12", "State": "RUNNING"})
    run.log.write_text("old\nEpoch 1\n")
    said, told, thread = followed(run, lines=1)
    try:
        until(lambda: told)
        with open(run.log, "ab") as log:
            log.write("Epoch 2 é".encode()[:-1])
            log.flush()
            until(lambda: "Epoch 2" in "".join(said))
            log.write("é\n".encode()[1:])
        cluster.queue({"JobArrayID": "12", "Reason": "BeginTime", "RestartCnt": "1"})
        run.write_state(RunState.QUEUED, reason="requeued")
        until(lambda: any("waits to begin" in text for text in told))
        run.log.write_text("cut\n")  # truncated, as a log that was rotated
        until(lambda: "cut" in "".join(said))
        cluster.queue({"JobArrayID": "12", "State": "RUNNING", "RestartCnt": "1"})
        run.write_state(RunState.RUNNING, stage="train")
        until(lambda: told[-1] == "a: running")
        with open(run.log, "ab") as log:
            log.write(b"last words\n")
    finally:
        run.write_state(RunState.DONE)
        thread.join(30)
    assert not thread.is_alive()
    assert "".join(said) == "Epoch 1\nEpoch 2 é\ncut\nlast words\n"
    assert told[-1] == "a: done"


def test_following_what_nothing_works_on_ends_at_once(make: Make) -> None:
    said, told, thread = followed(make("a", "queued"))
    thread.join(30)
    assert (thread.is_alive(), said, told) == (False, [], ["a: queued"])


def test_following_asks_slurm_now_and_then(cluster: Site, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make("a", "queued", "12")
    cluster.queue({"JobArrayID": "12", "State": "RUNNING"})
    clock, looks, asked = 1000.0, 0, []

    def sleep(seconds: float) -> None:
        nonlocal clock, looks
        clock, looks = clock + seconds, looks + 1
        asked.append(len(cluster.calls("squeue")))
        if looks == 100:
            run.write_state(RunState.DONE)

    monkeypatch.setattr(logs, "time", SimpleNamespace(monotonic=lambda: clock, sleep=sleep))
    logs.follow(run, lambda piece: None, lambda words: None, lines=1)
    assert looks == 100  # fifty seconds
    assert (asked[0], asked[40], asked[41], asked[-1]) == (1, 1, 2, 3)


def test_what_slurm_kept_of_a_job_that_never_began_is_shown_at_its_end(
    cluster: Site, make: Make, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "LOOK_S", 0.01)
    run = make("a", "queued", "12")
    cluster.queue({"JobArrayID": "12", "Reason": "Priority"})
    said, told, thread = followed(run)
    until(lambda: told)
    (workspace / "12.out").write_text("No module named 'submitit'\n")
    run.write_state(RunState.FAILED, reason="it never began")
    thread.join(30)
    assert "".join(said).endswith("No module named 'submitit'\n")
    assert told[-1] == "a: failed: it never began"


# cancel


def test_cancel_needs_names(make: Make, call: Call, cluster: Site) -> None:
    run = make("a", "queued", "12")
    code, _, err = call("cancel")
    assert (code, run.cancelled(), cluster.calls()) == (2, None, [])
    assert err.startswith("error: cancel which runs?")


def test_all_unknown_runs_are_told_and_nothing_is_cancelled(make: Make, call: Call, cluster: Site) -> None:
    run = make("a", "queued", "12")
    code, _, err = call("cancel", "a", "nope", "neither")
    assert (code, run.cancelled()) == (2, None)
    assert "nope: there is no such run" in err
    assert "neither: there is no such run" in err


def test_a_submitted_run_is_marked_and_its_job_ended(make: Make, call: Call, cluster: Site) -> None:
    run = make("a", "queued", "12_3")
    cluster.queue({"JobArrayID": "12_3", "State": "RUNNING"})
    code, out, _ = call("cancel", "a")
    assert (code, out) == (0, "a: cancelled, with its job 12_3\n")
    assert [one["argv"] for one in cluster.calls("scancel")] == [["12_3"]]
    assert run.state().state == "cancelled"
    assert run.state().reason == f"cancelled by {machine.user()}"


def test_runs_that_share_a_job_go_on(make: Make, call: Call, cluster: Site) -> None:
    a, b = make("a", "running", "12", packed=2), make("b", "running", "12", packed=2)
    cluster.queue({"JobArrayID": "12", "State": "RUNNING"})
    code, out, _ = call("cancel", "a")
    assert (code, out) == (0, "a: cancelled; it ends within seconds in job 12, which goes on with its other runs\n")
    assert cluster.calls("scancel") == []
    assert (a.cancelled() is not None, b.cancelled()) == (True, None)
    assert call("cancel", "b")[1] == "b: cancelled, with its job 12\n"
    assert [one["argv"] for one in cluster.calls("scancel")] == [["12"]]


def test_one_scancel_ends_all_jobs_of_a_sweep_and_what_compiles_for_them(make: Make, call: Call, cluster: Site) -> None:
    for number in range(3):
        make(f"r{number}", "queued", f"12_{number}", compile_job="11").join_sweep("0a1b2c3d", ["seed=1,2,3"])
    make("other", "queued", "15", compile_job="14")
    cluster.queue(*({"JobArrayID": job, "Reason": "Dependency"} for job in ("12_0", "12_1", "12_2", "15")))
    assert call("cancel", "0a1b2c3d")[0] == 0
    assert [one["argv"] for one in cluster.calls("scancel")] == [["11", "12_0", "12_1", "12_2"]]


def test_what_compiles_for_others_goes_on(make: Make, call: Call, cluster: Site) -> None:
    for number in range(2):
        make(f"r{number}", "queued", f"12_{number}", compile_job="11")
    cluster.queue(*({"JobArrayID": f"12_{number}", "Reason": "Dependency"} for number in range(2)))
    call("cancel", "r0")
    assert [one["argv"] for one in cluster.calls("scancel")] == [["12_0"]]


def test_a_done_run_stays_done(make: Make, call: Call, cluster: Site) -> None:
    run = make("a", "done", "12")
    assert call("cancel", "a")[:2] == (0, "a: is done: nothing changes\n")
    assert (run.cancelled(), run.state().state, cluster.calls()) == (None, "done", [])


@pytest.mark.parametrize("state", ["failed", "stopped", "timed_out", "cancelled"])
def test_a_run_that_has_ended_keeps_its_state_and_its_reason(make: Make, call: Call, cluster: Site, state: str) -> None:
    run = make("a", state, "12", reason="why")
    assert call("cancel", "a")[:2] == (0, f"a: is {state}: nothing changes\n")
    assert (run.cancelled(), run.state().reason, cluster.calls()) == (None, "why", [])


def test_a_run_that_nothing_works_on_is_cancelled(make: Make, call: Call) -> None:
    run = make("a", "interrupted")
    assert call("cancel", "a")[:2] == (0, "a: cancelled (it was interrupted)\n")
    assert run.state().state == "cancelled"


def test_a_silent_slurm_leaves_the_mark_and_says_so(make: Make, call: Call, cluster: Site) -> None:
    run = make("a", "queued", "12")
    for program in ("squeue", "scancel"):
        cluster.says(program, err="error: Unable to contact slurm controller (connect failure)\n", code=1)
    code, out, err = call("cancel", "a")
    assert (code, out) == (1, "a: cancelled; it ends within seconds in job 12\n")
    assert "Slurm did not end 12 (scancel: Unable to contact slurm controller (connect failure))" in err
    assert run.cancelled() is not None


def test_cancel_answers_programs(make: Make, call: Call, cluster: Site, workspace: Path) -> None:
    make("a", "queued")
    make("b", "done")
    out = call("cancel", "a", "b", "--json")[1]
    assert json.loads(out) == [{"run": str(workspace / "runs" / "a"), "state": "cancelled"},
                               {"run": str(workspace / "runs" / "b"), "state": "done"}]  # fmt: skip


def test_a_process_that_works_in_a_local_run_is_named(make: Make, call: Call) -> None:
    run = make("a", "running", stage="train")
    with run.locked():
        assert call("cancel", "a")[1] == f"a: cancelled; process {os.getpid()} ends it within seconds\n"


def test_ctrl_c_ends_logs_without_fault(make: Make, cluster: Site, workspace: Path) -> None:
    run = make("a", "queued", "12")
    run.log.write_text("Epoch 1\n")
    cluster.queue({"JobArrayID": "12", "State": "RUNNING"})
    with subprocess.Popen(
        [sys.executable, "-m", "htr_exp", "logs", "a", "-f"], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "Epoch 1\n"
            process.send_signal(signal.SIGINT)
            assert process.wait(TIMEOUT_S) == 0
        finally:
            process.kill()
