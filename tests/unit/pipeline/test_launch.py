from __future__ import annotations

import signal
import time

import pytest

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


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_sweep_says_its_name_its_runs_before_they_begin_and_which_one_is_at_work(
    htr_exp: CommandLine, scenario: Scenario, jobs: int
) -> None:
    done = htr_exp.train("-m", "training.lrate=0.003,0.001", "training.epochs=1", f"launch.jobs={jobs}")
    assert (done.code, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    first, second = (next(run.name for run in htr_exp.runs if f"lrate: {rate}" in run.experiment.read_text()) for rate in (0.003, 0.001))  # fmt: skip
    name = lines[0].removeprefix("sweep ").partition(":")[0]
    assert lines[0].startswith(f"sweep {name}: 2 runs; its name means all of them: `")
    assert lines[0].endswith(f"compare {name}`")
    assert [line.split() for line in lines[1:4]] == [
        ["differs", "in", "run"],
        ["1", "lrate=0.003", first],
        ["2", "lrate=0.001", second],
    ]
    one, two = lines.index(f"run 1 of 2, lrate=0.003: {first}"), lines.index(f"run 2 of 2, lrate=0.001: {second}")
    assert 3 < one < two
    ends = [line for line in lines if line.startswith("  validation CER ")]
    assert len(ends) == 2
    assert all(", test CER " in line for line in ends)
    assert f"compare {name}` shows this sweep again" in lines[-1]
    for verb in ("status", "compare"):
        said = htr_exp(verb, name, "--json").json
        assert {row["run"] for row in said} == {first, second}
    again = htr_exp.train("-m", "training.lrate=0.003,0.001,0.002", "training.epochs=1").stdout.splitlines()
    assert [line.split()[-1] for line in again[1:5]] == ["state", "done", "done", next(line for line in again if "run 3 of 3, lrate=0.002" in line).split()[-1]]  # fmt: skip


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
