from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from helpers.findings import program
from helpers.sentences import sentences
from helpers.trainer import Heard, Trainer, value
from htr_exp.core.errors import TrainingError
from htr_exp.core.task import RECOGNITION, Epoch, Task
from htr_exp.kraken.checkpoints import LegCheckpoints
from htr_exp.pipeline import training


@pytest.fixture
def trainer(tmp_path: Path, workspace: Path, fake_kraken: Path, base_model: Path) -> Trainer:
    return Trainer(tmp_path / "run", fake_kraken, base_model)


def test_early_stopping_ends_after_lag_epochs_without_a_better_one(trainer: Trainer, scenario) -> None:
    scenario.play(errors=[300, 200, 250, 260, 100])
    outcome = trainer.start(quit="early", epochs=50, lag=2)
    assert outcome == training.Outcome(ended_by="early", best_epoch=2, epochs=4)
    assert [record["errors"] for record in trainer.run.epochs()] == [300, 200, 250, 260]
    assert [record["val_cer"] for record in trainer.run.epochs()] == [0.3, 0.2, 0.25, 0.26]


def test_early_stopping_waits_for_the_least_number_of_epochs(trainer: Trainer, scenario) -> None:
    scenario.play(errors=[100, 200])
    assert trainer.start(quit="early", epochs=50, lag=1, min_epochs=4).epochs == 4


def test_fixed_training_goes_on_in_legs_with_a_seed_each(trainer: Trainer, scenario) -> None:
    outcome = trainer.start(epochs=5, leg_epochs=2)
    assert outcome == training.Outcome(ended_by="epochs", best_epoch=5, epochs=5)
    first, second, third = scenario.calls("train")
    assert [value(argv, "-N") for argv in (first, second, third)] == ["2", "4", "5"]
    assert [value(argv, "-s") for argv in (first, second, third)] == ["1", "3", "5"]
    assert [Path(value(argv, "-o")).name for argv in (first, second, third)] == ["leg-01", "leg-02", "leg-03"]
    assert "--resume" not in first
    assert Path(value(second, "--resume")).match("leg-01/checkpoint_01-*.ckpt")
    assert Path(value(third, "--resume")).match("leg-02/checkpoint_03-*.ckpt")
    assert trainer.curve == [1, 2, 3, 4, 5]
    assert [start["new_leg"] for start in trainer.starts] == [False, True, True]


def test_epochs_cap_early_stopping_which_kraken_has_no_cap_for(trainer: Trainer, scenario) -> None:
    scenario.play(epoch_seconds=0.3)
    outcome = trainer.start(quit="early", epochs=3, lag=10)
    assert outcome == training.Outcome(ended_by="epochs", best_epoch=3, epochs=3)
    assert "-N" not in scenario.calls("train")[0]
    weights, is_weights = training.weights_of_best(trainer.run, trainer.settings, "7.1.1", RECOGNITION)
    assert (weights.name[:13], is_weights) == ("checkpoint_02", False)


def test_time_budget_ends_a_training_that_has_a_best_epoch(trainer: Trainer, scenario) -> None:
    scenario.play(epoch_seconds=0.3)
    outcome = trainer.start(epochs=500, leg_epochs=0, time_budget_min=0.01)
    assert outcome.ended_by == "time_budget"
    assert 0 < outcome.epochs < 500
    assert trainer.curve == list(range(1, outcome.epochs + 1))


def test_spent_time_budget_is_not_spent_again(trainer: Trainer, scenario) -> None:
    scenario.play(epoch_seconds=0.3)
    first = trainer.start(epochs=500, leg_epochs=0, time_budget_min=0.01)
    records: list[Any] = [{**record, "seconds": 1.0} for record in trainer.run.epochs()]
    trainer.run.write_epochs(records)
    assert trainer.start() == first
    assert len(scenario.calls("train")) == 1


@pytest.mark.parametrize(("device", "keys"), [("cpu", ["memory_gb"]), ("cuda:0", ["gpu_memory_gb", "memory_gb"])])
def test_an_epoch_records_the_most_memory_until_then(
    trainer: Trainer, scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: str, keys: list[str]
) -> None:
    says = "for one in /proc/[0-9]*; do echo ${one#/proc/}, 2000; done"
    monkeypatch.setenv("PATH", f"{program(tmp_path / 'bin', 'nvidia-smi', says).parent}:{os.environ['PATH']}")
    trainer.device = device
    scenario.play(epoch_seconds=0.5)
    trainer.start(epochs=3, leg_epochs=2)
    records: list[Any] = trainer.run.epochs()
    assert all(sorted(key for key in record if "memory" in key) == keys for record in records)
    for key in keys:
        values = [record[key] for record in records]
        assert values == sorted(values)
        assert 0 < values[0] < 100
    assert 0 < records[0]["cpu_s"] < 100  # of its start, at least


@pytest.mark.parametrize("at", [0, 1, 2, 3])
def test_killed_kraken_goes_on_and_every_epoch_stands_in_the_curve_once(trainer: Trainer, scenario, at: int) -> None:
    scenario.play(die=signal.SIGKILL, at_epoch=at)
    trainer.killed()
    assert trainer.curve == list(range(1, at + 1))
    scenario.play()
    assert trainer.start().epochs == 4
    assert trainer.curve == [1, 2, 3, 4]
    assert trainer.starts[1]["epochs_before"] == at
    assert trainer.starts[1]["lost_epochs"] == 0
    assert trainer.heard.epochs == list(range(at + 1, 5))


@pytest.mark.parametrize("at", [2, 3])
def test_killed_in_its_second_leg_it_goes_on_there(trainer: Trainer, scenario, at: int) -> None:
    scenario.play(die=signal.SIGKILL, at_epoch=at)
    trainer.killed(leg_epochs=2)
    scenario.play()
    trainer.start()
    assert trainer.curve == [1, 2, 3, 4]
    assert [start["new_leg"] for start in trainer.starts] == [False, True, False]
    assert value(scenario.calls("train")[-1], "-s") == str(1 + at)


def test_epochs_whose_checkpoint_kraken_dropped_are_trained_again(trainer: Trainer, scenario) -> None:
    errors = [*range(500, 400, -10), *range(600, 800)]  # ten good epochs, none as good afterwards
    scenario.play(errors=errors, die=signal.SIGKILL, at_epoch=14)
    trainer.killed(quit="early", epochs=100, lag=6)
    assert trainer.curve == list(range(1, 15))
    assert trainer.kept() == [9, 10]
    scenario.play(errors=errors)
    assert trainer.start() == training.Outcome(ended_by="early", best_epoch=10, epochs=16)
    assert trainer.curve == list(range(1, 17))
    start = trainer.starts[1]
    assert (start["epochs_before"], start["lost_epochs"], start["resumed_from"][:13]) == (10, 4, "checkpoint_09")
    assert start["lost_seconds"] >= 0
    assert "4 epochs without a checkpoint must be trained again" in trainer.heard.notes[0]


def test_epoch_that_kraken_finished_unheard_is_trained_again(trainer: Trainer, scenario) -> None:
    scenario.play(die=signal.SIGKILL, at_epoch=3)
    trainer.killed()
    trainer.run.write_epochs(trainer.run.epochs()[:2])  # as if this side had been killed before it heard of epoch 3
    scenario.play()
    trainer.start()
    assert trainer.curve == [1, 2, 3, 4]
    assert trainer.heard.epochs == [3, 4]
    assert trainer.starts[1]["resumed_from"].startswith("checkpoint_01")


@pytest.mark.parametrize("settings", [{}, {"quit": "early", "epochs": 50, "lag": 2}])
def test_end_that_nobody_heard_is_trained_again_to_its_end(
    trainer: Trainer, scenario, settings: dict[str, Any]
) -> None:
    scenario.play(errors=[300, 200, 250, 260])
    trainer.start(**settings)
    before = trainer.run.epochs()
    trainer.run.write_epochs(before[:-1])
    assert trainer.start().epochs == 4
    assert [record["errors"] for record in trainer.run.epochs()] == [record["errors"] for record in before]
    assert len(list((trainer.run.training / "leg-01").glob("best_*"))) == 1


def test_weights_of_an_end_that_is_trained_again_are_not_taken_for_the_new_end(trainer: Trainer, scenario) -> None:
    trainer.start()
    trainer.run.write_epochs(trainer.run.epochs()[:-1])
    scenario.play(die=signal.SIGKILL, at_epoch=3)
    trainer.killed()


def test_line_of_the_curve_that_was_cut_short_is_gone_after_a_restart(trainer: Trainer, scenario) -> None:
    scenario.play(die=signal.SIGKILL, at_epoch=2)
    trainer.killed()
    with open(trainer.run.metrics, "a") as file:
        file.write('{"epoch": 3, "val_c')
    scenario.play()
    trainer.start()
    lines = trainer.run.metrics.read_text().splitlines()
    assert [line[:11] for line in lines] == [f'{{"epoch": {epoch}' for epoch in range(1, 5)]


def test_killed_before_it_wrote_its_best_weights_nothing_is_trained_again(trainer: Trainer, scenario) -> None:
    outcome = trainer.start()
    for weights in (trainer.run.training / "leg-01").glob("best_*"):
        weights.unlink()
    assert trainer.start() == outcome
    assert len(scenario.calls("train")) == 1


def test_only_the_best_and_the_newest_checkpoints_take_space(trainer: Trainer, scenario) -> None:
    scenario.play(errors=[300, 100, *[200] * 6], die=signal.SIGKILL, at_epoch=7)
    trainer.killed(epochs=8)
    assert trainer.kept() == [2, 6, 7]


def test_suspended_process_does_not_delete_the_best_that_it_has_not_heard_of(trainer: Trainer, scenario) -> None:
    scenario.play(errors=[400, 300, 100, 200])

    class Suspended(Heard):
        def epoch(self, task: Task, record: Epoch, best: Epoch, left_s: float | None) -> None:
            while not list(trainer.run.training.glob("*/checkpoint_05-*")):
                time.sleep(0.02)

    trainer.start(heard=Suspended(), epochs=6)
    assert trainer.kept() == [3, 5, 6]


def test_of_equal_epochs_the_first_is_best(trainer: Trainer, scenario) -> None:
    scenario.play(errors=[300, 200, 200, 200])
    outcome = trainer.start()
    assert outcome.best_epoch == 2
    weights, is_weights = training.weights_of_best(trainer.run, trainer.settings, "7.1.1", RECOGNITION)
    assert is_weights
    assert b'"epochs": 2,' in weights.read_bytes()  # kraken chose the same


def test_best_epoch_of_an_earlier_leg_gives_that_legs_weights(trainer: Trainer, scenario) -> None:
    scenario.play(errors=[300, 100, 200, 150])
    outcome = trainer.start(leg_epochs=2)
    weights, is_weights = training.weights_of_best(trainer.run, trainer.settings, "7.1.1", RECOGNITION)
    assert (outcome.best_epoch, weights.parent.name, weights.name, is_weights) == (
        2,
        "leg-01",
        "best_0.9000.mlmodel",
        True,
    )


@pytest.mark.parametrize("legs", [0, 2])
def test_stop_by_signal_loses_no_finished_epoch(trainer: Trainer, scenario, legs: int) -> None:
    scenario.play(epoch_seconds=0.4)
    outcome = trainer.start(stop=trainer.after(3, "terminated"), epochs=6, leg_epochs=legs)
    assert outcome.ended_by == "terminated"
    before = trainer.curve
    scenario.play()
    assert trainer.start() == training.Outcome(ended_by="epochs", best_epoch=6, epochs=6)
    assert trainer.starts[-2 if legs else -1]["resumed_from"] == LegCheckpoints.ABORTED
    assert trainer.starts[-2 if legs else -1]["epochs_before"] == len(before)
    assert sum(start["lost_epochs"] for start in trainer.starts) == 0
    assert trainer.curve == list(range(1, 7))


def test_state_of_a_stopped_training_is_deleted_once_a_checkpoint_is_newer(trainer: Trainer, scenario) -> None:
    scenario.play(epoch_seconds=0.4)
    trainer.start(stop=trainer.after(1, "terminated"))
    assert (trainer.run.training / "leg-01" / LegCheckpoints.ABORTED).exists()
    scenario.play()
    trainer.start()
    assert not (trainer.run.training / "leg-01" / LegCheckpoints.ABORTED).exists()


def test_unreadable_state_of_a_stopped_training_is_left_aside(trainer: Trainer, scenario) -> None:
    scenario.play(epoch_seconds=0.4)
    trainer.start(stop=trainer.after(2, "terminated"))
    (trainer.run.training / "leg-01" / LegCheckpoints.ABORTED).write_bytes(b"cut short")
    scenario.play()
    trainer.start()
    assert trainer.starts[1]["resumed_from"].startswith("checkpoint_")
    assert trainer.curve == [1, 2, 3, 4]


def test_validation_that_was_stopped_half_way_is_done_again_from_its_epochs_start(trainer: Trainer, scenario) -> None:
    scenario.play(validation_seconds=30)
    trainer.start(stop=lambda: "terminated" if "validates" in trainer.run.log.read_text() else None)
    assert (trainer.run.training / "leg-01" / LegCheckpoints.ABORTED).exists()
    scenario.play()
    trainer.start()
    assert [record["characters"] for record in trainer.run.epochs()] == [1000] * 4


def test_finished_training_is_not_started_again(trainer: Trainer, scenario) -> None:
    outcome = trainer.start()
    assert trainer.start() == outcome
    assert len(scenario.calls("train")) == 1


def test_failing_kraken_has_the_last_word(trainer: Trainer, scenario) -> None:
    scenario.play(fail="train", at_epoch=1, message="torch.OutOfMemoryError: CUDA out of memory")
    with pytest.raises(TrainingError) as caught:
        trainer.start()
    assert "exit code 1" in caught.value.headline
    assert sentences(caught.value)[-1] == "kraken says: torch.OutOfMemoryError: CUDA out of memory"
    assert not any("validation run" in problem for problem in sentences(caught.value))


def test_everything_kraken_says_is_kept_in_the_log(trainer: Trainer, scenario) -> None:
    scenario.play(die=signal.SIGKILL, at_epoch=2)
    trainer.killed()
    scenario.play()
    trainer.start()
    log = trainer.run.log.read_text()
    assert log.count("validation run") == 4
    assert log.count("$ ") == 2


def test_a_checkpoint_that_was_cut_short_is_not_gone_on_from(trainer: Trainer, scenario) -> None:
    scenario.play(epoch_seconds=0.3)
    trainer.start(epochs=6, stop=trainer.after(3, "terminated"))
    leg = trainer.run.training / "leg-01"
    (leg / LegCheckpoints.ABORTED).unlink(missing_ok=True)
    newest = max(trainer.kept())
    whole = trainer.checkpoints(leg.name)[newest]
    whole.write_bytes(whole.read_bytes()[:-30])
    assert newest not in trainer.kept()
    trainer.start(epochs=6)
    assert trainer.curve == [1, 2, 3, 4, 5, 6]
    assert trainer.starts[1]["epochs_before"] == newest - 1
