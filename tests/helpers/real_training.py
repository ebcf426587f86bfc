"""Trainings and evaluations with a real kraken, each in a process of its own, also interrupted."""

from __future__ import annotations

import importlib.util
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.waiting import TIMEOUT_S, until
from htr_exp.runs.records import Results
from htr_exp.runs.run_dir import RunDir
from htr_exp.runs.selection import runs_in

needs_kraken = pytest.mark.skipif(
    importlib.util.find_spec("kraken") is None, reason="kraken is not installed: `make install`"
)

CPU = ("training.device=cpu", "tracking=none")


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "htr_exp", *words]


def run_to_end(place: Path, *words: str, timeout: float = 1800) -> RunDir:
    """Run a verb in a workspace until its run is done."""
    said = subprocess.run(
        command(*words, "--json"), cwd=place, capture_output=True, text=True, timeout=timeout, check=False
    )
    assert said.returncode == 0, said.stdout + said.stderr
    told = json.loads(said.stdout.splitlines()[-1])
    assert told["state"] == "done", told
    return RunDir(Path(told["run"]))


def interrupt(place: Path, number: signal.Signals, *words: str, epochs: int) -> None:
    """Start a verb in a workspace, and send it a signal once its run has so many epochs behind it, one of them new."""

    def done() -> int:
        return max((len(run.epochs()) for run in runs_in(place / "runs") if not run.results.exists()), default=0)

    enough = max(epochs, done() + 1)
    process = subprocess.Popen(command(*words), cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)

    def far_enough() -> bool:
        assert process.poll() is None, "the training did not get so far"
        return done() >= enough

    try:
        until(far_enough, f"{enough} epochs", timeout=600)
    finally:
        process.send_signal(number)
        process.wait(TIMEOUT_S)


def result(of: RunDir) -> Results:
    """results.json."""
    found = of.result()
    assert found is not None
    return found
