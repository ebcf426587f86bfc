from __future__ import annotations

import os
import random
import re
import signal
import subprocess
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from helpers.command_line import CommandLine, Done
from helpers.fake_kraken import Scenario
from helpers.processes import died, lives
from helpers.waiting import until
from htr_exp.core.files import read_json, read_jsonl
from htr_exp.runs.run_dir import RunDir

SEED = 20261123


def run_of(htr_exp: CommandLine) -> RunDir:
    (run,) = htr_exp.runs
    return run


def started(htr_exp: CommandLine, epochs: int, *changes: str) -> subprocess.Popen[str]:
    """Start the small experiment, and come back once so many epochs are validated."""
    process = htr_exp.start(*htr_exp.training(*changes))
    until(lambda: process.poll() is not None or (htr_exp.runs and len(run_of(htr_exp).epochs()) >= epochs), "epochs")
    assert process.poll() is None, process.communicate()
    return process


def far_enough(
    htr_exp: CommandLine, scenario: Scenario, process: subprocess.Popen[str], *, calls: int, epochs: int
) -> bool:
    """Whether it has ended, has called kraken more often than this, or has trained so many epochs."""
    if process.poll() is not None or len(scenario.calls()) > calls:
        return True
    return bool(htr_exp.runs) and len(run_of(htr_exp).epochs()) >= epochs


def killed_at_random(htr_exp: CommandLine, scenario: Scenario, number: int, words: list[str]) -> Done:
    """Kill the same command again and again at moments spread over its whole course, then let it end."""
    chance = random.Random(SEED)
    killed = 0
    for _ in range(10):
        calls, epochs = len(scenario.calls()), len(run_of(htr_exp).epochs()) if htr_exp.runs else 0
        after_call, after_epoch, pause = chance.randint(0, 3), chance.randint(1, 2), chance.random() * 0.5
        process = htr_exp.start(*words)
        until(
            partial(far_enough, htr_exp, scenario, process, calls=calls + after_call, epochs=epochs + after_epoch),
            "a moment to kill at",
        )
        with suppress(subprocess.TimeoutExpired):  # it may also have come to its end
            process.wait(pause)
        process.send_signal(number)
        ended = htr_exp.end(process)
        assert "Traceback" not in ended.stderr
        killed += ended.code != 0
        for pid in scenario.pids():
            until(partial(died, pid), "kraken to die with the process that started it")
        if run_of(htr_exp).state().state == "done" if htr_exp.runs else False:
            break
    assert killed, "it was too quick to be killed"
    scenario.play()
    return htr_exp(*words)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_killed_at_ten_random_moments_it_is_one_run_with_every_epoch_once(
    htr_exp: CommandLine, scenario: Scenario, number: signal.Signals
) -> None:
    scenario.play(epoch_seconds=0.5, compile_seconds=0.3, ocr_seconds=0.3)
    words = htr_exp.training("training.epochs=14", "training.leg_epochs=5")
    done = killed_at_random(htr_exp, scenario, number, words)
    assert (done.code, done.stderr) == (0, "")
    run = run_of(htr_exp)
    assert run.state().state == "done"
    assert [record["epoch"] for record in run.epochs()] == list(range(1, 15))
    result = read_json(run.results)
    assert result["epochs"] == 14
    assert result["test"]["best"]["lines"] == 3
    assert f'"epochs": {result["best_epoch"]},'.encode() in run.best.read_bytes()
    assert (
        sum(start.get("lost_epochs", 0) for start in read_jsonl(run.starts)) <= 10
    )  # at most the one under way, each time
    cache = Path(read_json(run.places)["cache"])
    assert len(list(cache.glob("compiled/*.arrow"))) == 3
    assert not list(cache.glob("compiled/.*"))


def test_kraken_dies_with_the_process_that_started_it(htr_exp: CommandLine, scenario: Scenario) -> None:
    scenario.play(compile_seconds=3600)  # it says nothing meanwhile, so that no broken pipe ends it
    process = htr_exp.start(*htr_exp.training())
    until(lambda: scenario.calls("compile"), "compile")
    pid = scenario.pids()[-1]
    assert lives(pid)
    process.kill()
    process.communicate()
    until(lambda: not lives(pid), "kraken to die")
    state = run_of(htr_exp).state()
    assert state.state == "interrupted"
    assert "killed, or the machine stopped" in (state.reason or "")


def test_kill_while_compiling_leaves_nothing_half_made(htr_exp: CommandLine, scenario: Scenario) -> None:
    scenario.play(compile_seconds=60)
    process = htr_exp.start(*htr_exp.training())
    until(lambda: scenario.calls("compile"), "compile")
    process.kill()
    process.communicate()
    cache = Path(read_json(run_of(htr_exp).places)["cache"])
    assert not list(cache.glob("compiled/*.arrow"))
    scenario.play()
    assert htr_exp.train().code == 0
    assert not list(cache.glob("compiled/.*"))
    assert len(scenario.calls("compile")) == 4


def test_ctrl_c_once_keeps_and_scores_the_best_so_far(htr_exp: CommandLine, scenario: Scenario) -> None:
    scenario.play(epoch_seconds=0.3)
    process = started(htr_exp, 2, "training.epochs=100")
    process.send_signal(signal.SIGINT)
    done = htr_exp.end(process)
    assert done.code == 130
    assert re.fullmatch(
        r"stopping: scores the best model, about [12]0 s; Ctrl-C again ends now\n", done.stderr
    )  # two starts of kraken, and no base model to predict with twice
    run = run_of(htr_exp)
    assert run.state().state == "stopped"
    assert read_json(run.results)["ended_by"] == "user"
    assert run.best.exists()
    assert run.name in done.stdout


def test_ctrl_c_is_answered_while_kraken_still_ends(htr_exp: CommandLine, scenario: Scenario) -> None:
    scenario.play(epoch_seconds=0.3, ocr_seconds=60)
    process = started(htr_exp, 1, "training.epochs=100")
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    assert process.stderr.readline().startswith(
        "stopping: scores the best model"
    )  # it predicts for a minute from now on
    process.send_signal(signal.SIGINT)
    assert htr_exp.end(process).code == 130


@pytest.mark.parametrize(
    ("plays", "at", "said"),
    [
        ({"compile_seconds": 60}, "compile", "stopping; the same command goes on from here"),
        ({"epoch_seconds": 60}, "train", "stopping: no epoch is validated yet, so there is nothing to score; the same command trains on"),
    ],
)  # fmt: skip
def test_ctrl_c_before_there_is_a_model_says_so(
    htr_exp: CommandLine, scenario: Scenario, plays: dict[str, float], at: str, said: str
) -> None:
    scenario.play(**plays)
    process = htr_exp.start(*htr_exp.training())
    until(lambda: scenario.calls(at), at)
    process.send_signal(signal.SIGINT)
    done = htr_exp.end(process)
    assert (done.code, done.stderr) == (130, f"{said}; Ctrl-C again ends now\n")
    assert run_of(htr_exp).state().state == "interrupted"


def test_ctrl_c_ends_an_evaluation_at_once(htr_exp: CommandLine, scenario: Scenario) -> None:
    scenario.play(ocr_seconds=60)
    process = htr_exp.start("evaluate", *htr_exp.words)
    until(lambda: scenario.calls("ocr"), "the reading of the pages")
    process.send_signal(signal.SIGINT)
    done = htr_exp.end(process)
    assert (done.code, done.stderr) == (130, "stopping; the same command goes on from here; Ctrl-C again ends now\n")
    assert run_of(htr_exp).state().state == "interrupted"


def test_ctrl_c_twice_ends_at_once(htr_exp: CommandLine, scenario: Scenario) -> None:
    scenario.play(epoch_seconds=0.3, ocr_seconds=60)
    process = started(htr_exp, 1, "training.epochs=100", "tracking=embedded")
    process.send_signal(signal.SIGINT)
    until(lambda: scenario.calls("ocr"), "the scoring of what there is")
    process.send_signal(signal.SIGINT)
    done = htr_exp.end(process)
    assert done.code == 130
    assert "is not recorded in MLflow as it ended: `" in " ".join(done.stderr.split())
    assert not (htr_exp.folder / "mlflow.db").exists()  # which would have taken seconds
    assert "Traceback" not in done.stderr
    assert run_of(htr_exp).state().state == "interrupted"
    assert not any(lives(pid) for pid in scenario.pids())


def test_ctrl_c_of_the_terminal_reaches_kraken_through_us_alone(htr_exp: CommandLine, scenario: Scenario) -> None:
    scenario.play(epoch_seconds=0.3)
    process = started(htr_exp, 1, "training.epochs=100")
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does it: to the whole group
    assert htr_exp.end(process).code == 130
    assert run_of(htr_exp).state().state == "stopped"
    log = run_of(htr_exp).log.read_text()
    assert "Received SIGTERM" in log
    assert "KeyboardInterrupt" not in log


def test_termination_ends_in_143_and_the_same_command_goes_on(htr_exp: CommandLine, scenario: Scenario) -> None:
    scenario.play(epoch_seconds=0.3)
    process = started(htr_exp, 2, "training.epochs=5")
    process.terminate()
    assert htr_exp.end(process).code == 143
    assert run_of(htr_exp).state().state == "interrupted"
    scenario.play()
    assert htr_exp.train("training.epochs=5").code == 0
    assert sum(start.get("lost_epochs", 0) for start in read_jsonl(run_of(htr_exp).starts)) == 0


def test_second_command_for_a_run_under_way_says_who_works_on_it(htr_exp: CommandLine, scenario: Scenario) -> None:
    scenario.play(epoch_seconds=0.3)
    process = started(htr_exp, 1, "training.epochs=100")
    second = htr_exp.train("training.epochs=100")
    assert second.code == 0
    assert f"process {process.pid} on " in second.stdout
    assert "is working on it" in second.stdout
    assert len([row for row in read_jsonl(run_of(htr_exp).starts) if "start" in row]) == 1
    process.kill()
    process.communicate()


def test_two_commands_at_once_for_one_run_make_one_folder(htr_exp: CommandLine, scenario: Scenario) -> None:
    scenario.play(epoch_seconds=0.3)
    words = htr_exp.training("training.epochs=4")
    both = [htr_exp.end(process) for process in [htr_exp.start(*words), htr_exp.start(*words)]]
    assert [done.code for done in both] == [0, 0], [done.stderr for done in both]
    assert run_of(htr_exp).state().state == "done"
    assert [record["epoch"] for record in run_of(htr_exp).epochs()] == [1, 2, 3, 4]
    assert len([row for row in read_jsonl(run_of(htr_exp).starts) if "start" in row]) == 1


def test_two_runs_started_at_once_over_one_split_compile_it_once(htr_exp: CommandLine, scenario: Scenario) -> None:
    scenario.play(compile_seconds=0.5)
    both = [htr_exp.start(*htr_exp.training(f"seed={seed}")) for seed in (1, 2)]
    assert [htr_exp.end(process).code for process in both] == [0, 0]
    assert len(scenario.calls("compile")) == 3
    assert [run.state().state for run in htr_exp.runs] == ["done", "done"]
