"""A training by kraken 4.3.13, which saves a model after every epoch and nothing to go on from."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from helpers.trainer import Trainer, value
from htr_exp.core.errors import TrainingError
from htr_exp.core.task import RECOGNITION
from htr_exp.kraken.checkpoints import EpochModels
from htr_exp.kraken.model_file import read_header
from htr_exp.pipeline import training


@pytest.fixture
def trainer(tmp_path: Path, workspace: Path, fake_kraken4: Path, base_model: Path) -> Trainer:
    return Trainer(tmp_path / "run", fake_kraken4, base_model, version="4.3.13")


def models(trainer: Trainer) -> list[int]:
    """The epochs whose models are there."""
    return sorted(EpochModels(trainer.run.training, RECOGNITION)._all())


def best_file(trainer: Trainer) -> Path:
    path, is_weights = training.weights_of_best(trainer.run, trainer.settings, "4.3.13", RECOGNITION)
    assert is_weights
    return path


def test_the_sanity_check_before_the_first_epoch_counts_for_nothing(trainer: Trainer, scenario) -> None:
    scenario.play(sanity_check=0.99, errors=[300, 200, 100, 150])
    outcome = trainer.start(epochs=4)
    assert outcome == training.Outcome(ended_by="epochs", best_epoch=3, epochs=4)
    assert [record["errors"] for record in trainer.run.epochs()] == [300, 200, 100, 150]
    assert best_file(trainer).name == "m_2.mlmodel"


def test_its_own_choice_of_the_best_is_not_taken(trainer: Trainer, scenario) -> None:
    scenario.play(sanity_check=0.99, errors=[300, 200, 250, 260])
    outcome = trainer.start(quit="early", epochs=50, lag=2)
    assert outcome == training.Outcome(ended_by="early", best_epoch=2, epochs=4)
    assert best_file(trainer).name == "m_1.mlmodel"


def test_early_stopping_is_capped_by_watching_its_epochs(trainer: Trainer, scenario) -> None:
    scenario.play(epoch_seconds=0.2)
    outcome = trainer.start(quit="early", epochs=3, lag=10)
    assert outcome == training.Outcome(ended_by="epochs", best_epoch=3, epochs=3)
    assert "-N" not in scenario.calls("train")[0]
    assert best_file(trainer).name == "m_2.mlmodel"


def test_saved_models_are_pruned_as_it_trains(trainer: Trainer, scenario) -> None:
    scenario.play(errors=[300, 100, 200], epoch_seconds=0.05)
    most = 0

    def look() -> None:
        nonlocal most
        most = max(most, len(models(trainer)))

    outcome = trainer.start(epochs=30, stop=look)
    assert outcome.best_epoch == 2
    assert models(trainer) == [1, 2, 29, 30]  # its own choice, the best, the two newest
    assert most <= 7  # and what it wrote while we looked elsewhere


def test_a_restart_is_a_warm_one_and_says_so(trainer: Trainer, scenario) -> None:
    scenario.play(epoch_seconds=0.1)
    stopped = trainer.start(epochs=8, stop=trainer.after(3, "terminated"))
    assert stopped.ended_by == "terminated"
    done = len(trainer.run.epochs())
    outcome = trainer.start()
    assert (outcome.ended_by, outcome.epochs) == ("epochs", 8)
    assert trainer.curve == list(range(1, 9))
    _, last = scenario.calls("train")
    start = trainer.starts[-1]
    newest = Path(value(last, "-i"))
    assert newest.match("from-0000/m_*.mlmodel")
    assert start["warm_restart"]
    assert not trainer.starts[0]["warm_restart"]
    assert start["epochs_before"] == done - start["lost_epochs"]
    assert value(last, "-N") == str(8 - start["epochs_before"])
    assert value(last, "-s") == str(1 + start["epochs_before"])
    assert Path(value(last, "-o")).parent.name == f"from-{start['epochs_before']:04d}"
    assert "without the state of its optimiser (a warm restart)" in trainer.heard.notes[0]
    assert read_header(best_file(trainer)).metadata["epochs"] == outcome.best_epoch


def test_patience_counts_over_a_warm_restart(trainer: Trainer, scenario) -> None:
    scenario.play(errors=[300, 100, 200, 201, 202, 203, 204, 205, 206], epoch_seconds=0.1)
    trainer.start(quit="early", epochs=50, lag=5, stop=trainer.after(4, "terminated"))
    outcome = trainer.start()
    assert (outcome.ended_by, outcome.best_epoch, outcome.epochs) == ("early", 2, 7)
    assert best_file(trainer).match("from-0000/m_1.mlmodel")


@pytest.mark.parametrize("at_epoch", [0, 1, 4])
def test_a_killed_training_goes_on_from_the_newest_model(trainer: Trainer, scenario, at_epoch: int) -> None:
    scenario.play(die=signal.SIGKILL, at_epoch=at_epoch, epoch_seconds=0.05)
    trainer.killed(epochs=6)
    scenario.play()
    outcome = trainer.start()
    assert (outcome.epochs, trainer.curve) == (6, list(range(1, 7)))
    assert trainer.starts[-1]["epochs_before"] in (at_epoch, at_epoch - 1)


def test_a_model_cut_short_by_a_kill_counts_as_none(trainer: Trainer, scenario) -> None:
    scenario.play(die=signal.SIGKILL, at_epoch=4)
    trainer.killed(epochs=6)
    newest = trainer.run.training / "from-0000" / "m_3.mlmodel"
    newest.write_bytes(newest.read_bytes()[:60])
    scenario.play()
    assert trainer.start().epochs == 6
    assert trainer.starts[-1]["resumed_from"] == "m_2.mlmodel"
    assert trainer.starts[-1]["lost_epochs"] == 1


def test_a_model_that_says_another_score_than_the_log_is_refused(trainer: Trainer, scenario) -> None:
    scenario.play(errors=[300, 200])
    trainer.start(epochs=2)
    folder = trainer.run.training / "from-0000"
    (folder / "m_1.mlmodel").write_bytes((folder / "m_0.mlmodel").read_bytes())
    with pytest.raises(TrainingError, match=r"its validation accuracy was 0.7, kraken's log says 0.800000 of epoch 2"):
        best_file(trainer)


def test_a_kraken_that_ends_too_early_is_told_by_its_epochs_not_by_its_exit_code(trainer: Trainer, scenario) -> None:
    scenario.play(epoch_seconds=0.3)

    ended: list[int] = []

    def end_it() -> None:
        if not ended and len(trainer.run.epochs()) == 2:  # once: a second SIGTERM may come to Python's own end
            ended.append(scenario.pids()[-1])
            os.kill(ended[0], signal.SIGTERM)  # 4.3.13 ends by it with exit code 0

    with pytest.raises(TrainingError, match=r"exit code 0\) without having finished"):
        trainer.start(epochs=6, stop=end_it)
