"""What kraken's programs leave among the temporary files of a machine: nothing, however they end."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from helpers.command_line import CommandLine
from helpers.fake_kraken import Scenario
from helpers.waiting import until

pytestmark = pytest.mark.seconds


@pytest.fixture
def place(short: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The place of temporary files."""
    monkeypatch.setenv("TMPDIR", str(short))
    return short


def test_nothing_is_left_of_a_run_that_is_done(htr_exp: CommandLine, scenario: Scenario, place: Path) -> None:
    assert htr_exp.train().code == 0
    made = scenario.temporary()
    assert made
    assert all(folder.parent.parent == place.resolve() for folder in made)
    assert list(place.iterdir()) == []
    (run,) = htr_exp.runs
    assert not run.temporary.exists()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_what_was_killed_is_tidied_up_by_the_next_start(
    htr_exp: CommandLine, scenario: Scenario, place: Path, number: signal.Signals
) -> None:
    scenario.play(epoch_seconds=0.5)
    process = htr_exp.start(*htr_exp.training("training.epochs=20"))
    until(lambda: process.poll() is not None or (htr_exp.runs and htr_exp.runs[0].epochs()), "an epoch")
    process.send_signal(number)
    htr_exp.end(process)
    left = scenario.temporary()[-1]
    assert left.exists() == (number == signal.SIGKILL)
    scenario.play()
    assert htr_exp.train("training.epochs=20").code == 0
    assert list(place.iterdir()) == []
