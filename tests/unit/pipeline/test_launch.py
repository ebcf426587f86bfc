from __future__ import annotations

import signal
import time

from helpers.command_line import CommandLine
from helpers.fake_kraken import Scenario
from helpers.waiting import until
from htr_exp.core.files import read_jsonl

SWEEP = ("-m", "seed=1,2,3", "launch.jobs=2")


def test_sweep_runs_two_at_a_time(htr_exp: CommandLine, scenario: Scenario) -> None:
    scenario.play(epoch_seconds=0.5)
    process = htr_exp.start(*htr_exp.training("--json", *SWEEP))
    most = 0
    while process.poll() is None:
        most = max(most, sum(run.owner() is not None for run in htr_exp.runs))
        time.sleep(0.05)
    done = htr_exp.end(process)
    assert (done.code, done.stderr) == (0, "")
    assert [row["state"] for row in done.json] == ["done"] * 3
    assert most == 2
    assert len({read_jsonl(run.sweeps)[0]["sweep"] for run in htr_exp.runs}) == 1
    assert len(scenario.calls("compile")) == 3


def test_failing_run_does_not_stop_the_others_and_is_all_that_is_done_again(
    htr_exp: CommandLine, scenario: Scenario
) -> None:
    words = ("-m", "training.lrate=0.1,0.2,0.3", "launch.jobs=2")
    scenario.play(fail="train", only="0.2", message="RuntimeError: no luck")
    first = htr_exp.train("--json", *words)
    assert first.code == 1
    assert [row["state"] for row in first.json] == ["done", "failed", "done"]
    assert "RuntimeError: no luck" in first.json[1]["reason"]
    scenario.play()
    trained = len(scenario.calls("train"))
    second = htr_exp.train("--json", *words)
    assert second.code == 0
    assert [row["state"] for row in second.json] == ["done"] * 3
    assert [row["run"] for row in second.json] == [row["run"] for row in first.json]
    assert len(scenario.calls("train")) == trained + 1


def test_ctrl_c_stops_all_and_begins_none(htr_exp: CommandLine, scenario: Scenario) -> None:
    scenario.play(epoch_seconds=0.3)
    process = htr_exp.start(*htr_exp.training("--json", "training.epochs=100", *SWEEP))
    until(lambda: sum(len(run.epochs()) >= 1 for run in htr_exp.runs) == 2, "two runs with an epoch")
    process.send_signal(signal.SIGINT)
    done = htr_exp.end(process)
    assert done.code == 130
    assert sorted(row["state"] for row in done.json) == ["queued", "stopped", "stopped"]


def test_ctrl_c_twice_ends_all_at_once(htr_exp: CommandLine, scenario: Scenario) -> None:
    scenario.play(epoch_seconds=0.3, ocr_seconds=60)
    process = htr_exp.start(*htr_exp.training("--json", "training.epochs=100", *SWEEP))
    until(lambda: sum(len(run.epochs()) >= 1 for run in htr_exp.runs) == 2, "two runs with an epoch")
    process.send_signal(signal.SIGINT)
    until(lambda: len(scenario.calls("ocr")) == 2, "the scoring of both")
    process.send_signal(signal.SIGINT)
    done = htr_exp.end(process)
    assert done.code == 130
    assert sorted(row["state"] for row in done.json) == ["interrupted", "interrupted", "queued"]
    assert done.stderr == "stopping: 2 runs that are at work score their best models; Ctrl-C again ends now\n"


def test_kill_of_the_launcher_ends_its_runs(htr_exp: CommandLine, scenario: Scenario) -> None:
    scenario.play(epoch_seconds=0.3)
    process = htr_exp.start(*htr_exp.training("training.epochs=100", *SWEEP))
    until(lambda: sum(len(run.epochs()) >= 1 for run in htr_exp.runs) == 2, "two runs with an epoch")
    process.kill()
    process.communicate()
    until(lambda: all(run.owner() is None for run in htr_exp.runs), "the runs to end")
    assert sorted(run.state().state for run in htr_exp.runs) == ["interrupted", "interrupted", "queued"]
