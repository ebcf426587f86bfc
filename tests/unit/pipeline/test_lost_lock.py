"""Two processes never work in one run: who is alive keeps it, and who lost it stops."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable

import pytest

from helpers.command_line import CommandLine
from helpers.fake_kraken import Scenario
from helpers.processes import lives
from helpers.waiting import until
from helpers.whole_runs import Quiet, do
from htr_exp.core.files import read_jsonl
from htr_exp.core.lock import LockLost
from htr_exp.core.signals import Stop
from htr_exp.core.task import Epoch, Task
from htr_exp.pipeline.run import run_stages
from htr_exp.runs.run_dir import RunDir


def taken_over(run: RunDir) -> None:
    """Let another process hold the run's lock."""
    signed = run.lock / "owner.json"
    signed.write_text(
        json.dumps(json.loads(signed.read_text()) | {"host": "gpu7", "boot": "b", "pid": 77, "token": "t"})
    )


def removed(run: RunDir) -> None:
    """Let somebody delete the lock, and be quick."""
    shutil.rmtree(run.lock)


LOSSES = {"process 77 on gpu7 took it over": taken_over, "the lock was removed": removed}


class Loses(Quiet):
    """Loses the run's lock when it enters a stage, or has validated two epochs."""

    def __init__(self, run: RunDir, at: str, lose: Callable[[RunDir], None]) -> None:
        super().__init__()
        self._run, self._where, self._lose = run, at, lose

    def stage(self, name: str) -> None:
        super().stage(name)
        if name == self._where:
            self._lose(self._run)

    def epoch(self, task: Task, record: Epoch, best: Epoch, left_s: float | None) -> None:
        if self._where == "epoch" and record["epoch"] == 2:
            self._lose(self._run)


@pytest.mark.parametrize("said", LOSSES)
@pytest.mark.parametrize("at", ["compile", "epoch", "predict", "score"])
def test_who_lost_the_run_stops_and_writes_nothing_more(
    planned: Callable[..., RunDir], scenario: Scenario, said: str, at: str
) -> None:
    scenario.play(epoch_seconds=0.1)
    run = planned("training.epochs=40", "training.leg_epochs=0") if at == "epoch" else planned()
    with pytest.raises(LockLost, match=said):
        run_stages(run, stop=Stop(), observer=Loses(run, at, LOSSES[said]))
    assert run.written_state().state == "running"  # for whoever works there now
    assert len(run.epochs()) == {"compile": 0, "epoch": 2}.get(at, 3)
    assert not run.results.exists()
    assert not any(lives(pid) for pid in scenario.pids())
    assert run.lock.exists() == (said != "the lock was removed")

    shutil.rmtree(run.lock, ignore_errors=True)
    scenario.play()
    assert do(run).state == "done"
    assert [record["epoch"] for record in run.epochs()] == list(range(1, len(run.epochs()) + 1))


def test_run_of_a_stopped_process_is_left_to_it(htr_exp: CommandLine, scenario: Scenario) -> None:
    scenario.play(epoch_seconds=0.3)
    process = htr_exp.start(*htr_exp.training("training.epochs=8"))
    until(lambda: process.poll() is not None or (htr_exp.runs and htr_exp.runs[0].epochs()), "an epoch")
    (run,) = htr_exp.runs
    os.kill(process.pid, signal.SIGSTOP)  # Ctrl-Z, or a laptop that sleeps
    os.utime(run.lock / "owner.json", (1, 1))
    second = htr_exp.train("training.epochs=8")
    os.kill(process.pid, signal.SIGCONT)
    assert f"process {process.pid} on " in second.stdout
    assert htr_exp.end(process).code == 0
    assert run.state().state == "done"
    assert [record["epoch"] for record in run.epochs()] == list(range(1, 9))
    assert len([row for row in read_jsonl(run.starts) if "start" in row]) == 1
