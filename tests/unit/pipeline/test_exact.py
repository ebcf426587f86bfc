"""Exact resuming: what an interruption leaves of a training, and what is recorded of it."""

from __future__ import annotations

import signal
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from helpers.trainer import Trainer
from htr_exp.config.defaults import shipped
from htr_exp.core.files import write_jsonl
from htr_exp.core.task import RECOGNITION, SEGMENTATION, Epoch
from htr_exp.kraken.checkpoints import LegCheckpoints
from htr_exp.pipeline import training
from htr_exp.runs.resumptions import resumptions

pytestmark = pytest.mark.seconds

ERRORS = [300, 200, 250, 150, 260, 240, 230, 220]
EARLY: dict[str, Any] = {"quit": "early", "epochs": 50, "lag": 3, "leg_epochs": 2, "exact": True}
FIXED: dict[str, Any] = {"quit": "fixed", "epochs": 7, "leg_epochs": 3, "exact": True}


@pytest.fixture
def trainer(tmp_path: Path, workspace: Path, fake_kraken: Path, base_model: Path) -> Callable[[str], Trainer]:
    return lambda name: Trainer(tmp_path / name, fake_kraken, base_model)


def figures(of: Trainer) -> list[tuple[int, float]]:
    return [(record["epoch"], record["errors"]) for record in of.run.epochs()]


def learnt(of: Trainer) -> bytes:
    """What training left of its best epoch: the fake's checkpoints hold it."""
    checkpoint, is_weights = training.weights_of_best(of.run, of.settings, "7.1.1", RECOGNITION)
    assert not is_weights
    content = checkpoint.read_bytes()
    return content[content.index(b"learnt") :][:40]


@pytest.mark.parametrize("settings", [EARLY, FIXED], ids=["early", "fixed"])
def test_killed_in_any_epoch_it_gives_the_same_model_and_curve(
    trainer: Callable[[str], Trainer], scenario, settings: dict[str, Any]
) -> None:
    scenario.play(errors=ERRORS)
    whole = trainer("whole")
    expected = whole.start(**settings)
    assert resumptions(whole.starts) == {"resumed_at": [], "resumed_exactly": None}
    for at in range(expected.epochs):
        killed = trainer(f"killed-{at}")
        scenario.play(errors=ERRORS, die=signal.SIGKILL, at_epoch=at)
        killed.killed(**settings)
        scenario.play(errors=ERRORS)
        assert killed.start() == expected
        assert figures(killed) == figures(whole)
        assert learnt(killed) == learnt(whole)
        begun = at - at % settings["leg_epochs"]
        assert resumptions(killed.starts) == {"resumed_at": [begun], "resumed_exactly": True}
        assert sum(start["lost_epochs"] for start in killed.starts) == at - begun


def test_without_it_a_kill_within_a_leg_makes_another_model(trainer: Callable[[str], Trainer], scenario) -> None:
    whole, killed = trainer("whole"), trainer("killed")
    settings: dict[str, Any] = {"epochs": 4, "leg_epochs": 4}
    whole.start(**settings)
    scenario.play(die=signal.SIGKILL, at_epoch=3)
    killed.killed(**settings)
    scenario.play()
    killed.start()
    models = [next((one.run.training / "leg-01").glob("best_*")).read_bytes() for one in (whole, killed)]
    assert models[0] != models[1]
    assert resumptions(killed.starts) == {"resumed_at": [3], "resumed_exactly": False}


def test_a_leg_that_was_stopped_by_a_signal_begins_again(trainer: Callable[[str], Trainer], scenario) -> None:
    whole, stopped = trainer("whole"), trainer("stopped")
    expected = whole.start(**FIXED)
    scenario.play(epoch_seconds=0.4)
    assert stopped.start(stop=stopped.after(5, "terminated"), **FIXED).ended_by == "terminated"
    scenario.play()
    assert stopped.start() == expected
    assert learnt(stopped) == learnt(whole)
    assert resumptions(stopped.starts) == {"resumed_at": [3], "resumed_exactly": True}


def test_patience_ends_it_within_a_leg(trainer: Callable[[str], Trainer], scenario) -> None:
    scenario.play(errors=[300, 200, 250, 260, 100])
    one = trainer("run")
    outcome = one.start(**EARLY | {"lag": 2, "leg_epochs": 3})
    assert outcome == training.Outcome(ended_by="early", best_epoch=2, epochs=4)
    assert figures(one) == [(1, 300), (2, 200), (3, 250), (4, 260)]


def test_the_end_that_nobody_recorded_is_the_same_again(trainer: Callable[[str], Trainer], scenario) -> None:
    scenario.play(errors=ERRORS)
    one = trainer("run")
    expected = one.start(**EARLY)
    before = figures(one), learnt(one)
    one.run.write_epochs(one.run.epochs()[:-1])
    assert one.start() == expected
    assert (figures(one), learnt(one)) == before


def test_a_best_epoch_of_a_leg_that_begins_again_does_not_cost_the_best_before_it(
    trainer: Callable[[str], Trainer], scenario
) -> None:
    errors = [300, 100, 200, 250, 50, 300]
    one = trainer("run")
    scenario.play(errors=errors, die=signal.SIGKILL, at_epoch=5)
    one.killed(**FIXED | {"epochs": 6, "leg_epochs": 3})
    scenario.play(errors=errors, epoch_seconds=0.4)
    outcome = one.start(stop=one.after(3, "user"))
    assert (outcome.best_epoch, one.kept("leg-01")) == (2, [2, 3])
    learnt(one)


def test_legs_that_are_over_leave_no_more_than_the_best(trainer: Callable[[str], Trainer], scenario) -> None:
    scenario.play(errors=[300, 100, 200, 150, 160, 170])
    one = trainer("run")
    one.start(**FIXED | {"epochs": 6, "leg_epochs": 2})
    assert [one.kept(leg) for leg in ("leg-01", "leg-02", "leg-03")] == [[2], [], [6]]
    assert [path.parent.name for path in sorted(one.run.training.glob("leg-*/best_*"))] == ["leg-01", "leg-03"]


def test_a_start_on_another_device_is_not_exact(trainer: Callable[[str], Trainer], scenario) -> None:
    one = trainer("run")
    scenario.play(die=signal.SIGKILL, at_epoch=4)
    one.killed(**FIXED)
    write_jsonl(one.run.starts, [{**row, "device": "cuda:0"} for row in one.starts])
    scenario.play()
    one.start()
    assert resumptions(one.starts) == {"resumed_at": [3], "resumed_exactly": False}


@pytest.mark.parametrize("ahead", [0, 1, 2])
def test_how_far_kraken_ran_on_does_not_decide_among_which_epochs_is_chosen(tmp_path: Path, ahead: int) -> None:
    figures = [0.5, *[0.7] * 10, 0.4, 0.45, 0.3]
    records = [cast("Epoch", {"epoch": epoch, "val_mean_iu": figure}) for epoch, figure in enumerate(figures, 1)]
    training_ = replace(shipped().training, quit="early", epochs=50, exact=True, leg_epochs=10)
    files = LegCheckpoints(tmp_path, training_, SEGMENTATION)
    for epoch in range(len(records) + ahead):
        leg, _ = files.leg(epoch)
        leg.mkdir(exist_ok=True)
        with zipfile.ZipFile(leg / f"checkpoint_{epoch:02d}-0.5000.ckpt", "w") as archive:
            archive.writestr("archive/data.pkl", b"")
    files.thin_out(records, 10)
    assert [record["epoch"] for record in files.kept(records, 10)] == list(range(2, 12))
