"""Segmentations that are stopped and killed, and the choice of their best model."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from helpers.segmentation_runs import Planned, assert_named, curve, epochs_of, results
from helpers.waiting import until
from helpers.whole_runs import do
from htr_exp.core.files import read_json, read_jsonl, sha256_file
from htr_exp.kraken.checkpoints import LegCheckpoints
from htr_exp.runs import resumptions, rows
from htr_exp.runs.run_dir import RunDir


@pytest.mark.parametrize("legs", [0, 2])
def test_a_termination_loses_no_epoch_of_7_1(planned_layout: Planned, scenario, legs: int) -> None:
    scenario.play(epoch_seconds=0.3)
    run = planned_layout("training.epochs=5", f"training.leg_epochs={legs}")
    assert do(run, word="terminated", at_epoch=3).state == "interrupted"
    assert not scenario.calls("segment")
    heard = len(run.epochs())
    scenario.play()
    assert do(run).state == "done"
    assert curve(run) == list(range(1, 6))
    resumed = [row for row in read_jsonl(run.starts) if row.get("resumed_from") == LegCheckpoints.ABORTED]
    assert [(row["epochs_before"], row["lost_epochs"]) for row in resumed] == [(heard, 0)]
    assert "--config" not in scenario.calls("segtrain")[-1]  # a checkpoint has its numbers
    assert_named(run.best)
    assert rows.row_of(run)["restarts"] == 1


@pytest.mark.parametrize("at", [0, 2])
def test_a_killed_kraken_is_started_again_and_every_epoch_stands_in_the_curve_once(
    either: Planned, scenario, at: int
) -> None:
    scenario.play(die=signal.SIGKILL, at_epoch=at, once=True)
    run = either()
    assert do(run).state == "done", run.state().reason
    assert curve(run) == [1, 2, 3]
    assert len(scenario.calls("segtrain")) == 2
    assert epochs_of(run.best) == 3
    assert_named(run.best)


def test_a_warm_restart_of_4_3_13_changes_no_class(planned_layout: Planned, scenario, fake_kraken4: Path) -> None:
    scenario.play(die=signal.SIGKILL, at_epoch=2)
    run = planned_layout(f"runtime.ketos={fake_kraken4}", "training.epochs=4")
    assert do(run).state == "failed"
    scenario.play()
    assert do(run).state == "done", run.state().reason
    assert curve(run) == [1, 2, 3, 4]
    last = scenario.calls("segtrain")[-1]
    assert last[last.index("--resize") + 1] == "fail"
    assert Path(last[last.index("-i") + 1]).match("from-0000/m_1.mlmodel")


def test_a_killed_run_goes_on_by_the_same_command(htr_exp_layout, scenario) -> None:
    scenario.play(epoch_seconds=0.3)
    process = htr_exp_layout.start(*htr_exp_layout.training("training.epochs=4"))
    until(lambda: htr_exp_layout.runs and len(htr_exp_layout.runs[0].epochs()) >= 2, "epochs")
    process.kill()
    process.communicate()
    scenario.play()
    done = htr_exp_layout.train("training.epochs=4")
    assert (done.code, done.stderr.count("Traceback")) == (0, 0), done.stdout
    (run,) = htr_exp_layout.runs
    assert run.state().state == "done"
    assert curve(run) == [1, 2, 3, 4]
    assert sum(start.get("lost_epochs", 0) for start in read_jsonl(run.starts)) <= 1
    assert "line F1" in done.stdout
    assert "of 5 lines" in done.stdout


def test_early_stopping_minds_the_mean_iou(either: Planned, scenario) -> None:
    scenario.play(mean_iu=[0.5, 0.7, 0.6, 0.65, 0.9])
    run = either("training.quit=early", "training.epochs=50", "training.lag=2")
    assert do(run).state == "done"
    found = results(run)
    assert (found["best_epoch"], found["epochs"], found["ended_by"]) == (2, 4, "early")
    assert epochs_of(run.best) == 2
    assert found["val_mean_iu_while_training"] == 0.7


def test_a_stop_by_the_user_keeps_and_scores_the_best_so_far(either: Planned, scenario) -> None:
    scenario.play(mean_iu=[0.5, 0.8, 0.6, 0.65], epoch_seconds=0.4)
    run = either("training.epochs=50", "training.leg_epochs=0")
    assert do(run, word="user").state == "stopped"
    assert (results(run)["best_epoch"], epochs_of(run.best)) == (2, 2)
    assert_named(run.best)


def test_the_best_can_be_chosen_by_the_lines_that_are_found(either: Planned, scenario) -> None:
    scenario.play(mean_iu=[0.5, 0.6, 0.7, 0.8], found=[0.4, 1.0, 0.6, 0.6])
    run = either("training.epochs=4", "scores.best_by=line_f1")
    assert do(run).state == "done", run.state().reason
    found = results(run)
    assert found["candidates"] == [
        {"epoch": 1, "line_f1": pytest.approx(2 * 0.4 / 1.4)},
        {"epoch": 2, "line_f1": 1.0},
        {"epoch": 3, "line_f1": pytest.approx(0.75)},
        {"epoch": 4, "line_f1": pytest.approx(0.75)},
    ]
    assert (found["best_epoch"], found["validation"]["best"]["line_f1"], epochs_of(run.best)) == (2, 1.0, 2)
    assert found["models"]["best"] == sha256_file(run.best)
    assert_named(run.best)
    assert not (run.live / "candidates").exists()


def test_of_equal_candidates_the_earlier_is_best(planned_layout: Planned, scenario) -> None:
    scenario.play(mean_iu=[0.5, 0.6, 0.7], found=[0.4, 0.8, 0.8])
    run = planned_layout("scores.best_by=line_f1")
    do(run)
    assert (results(run)["best_epoch"], epochs_of(run.best)) == (2, 2)


def test_candidates_that_were_scored_are_not_segmented_again(planned_layout: Planned, scenario) -> None:
    run = planned_layout("scores.best_by=line_f1")
    page = read_json(run.split)["test"][0]
    scenario.play(segment_missing_page=page["image"])
    assert do(run).state == "failed"
    before = [argv for argv in scenario.calls("segment")]
    scenario.play()
    assert do(run).state == "done", run.state().reason
    assert len(scenario.calls("segtrain")) == 1
    assert len(scenario.calls("segment")) <= len(before) + 2  # of the test page, by base and best


def test_candidates_outlive_a_kill_while_they_are_scored(planned_layout: Planned, scenario) -> None:
    run = planned_layout("scores.best_by=line_f1", "training.epochs=2")
    scenario.play(fail="segment", message="OSError: no")
    state = do(run)
    assert (state.state, state.stage) == ("failed", "convert")
    scenario.play()
    assert do(run).state == "done", run.state().reason
    assert [one["epoch"] for one in results(run)["candidates"]] == [1, 2]


@pytest.mark.parametrize(
    ("settings", "at"),
    [
        (("training.quit=fixed", "training.epochs=5"), 3),
        (("training.quit=early", "training.epochs=9", "training.lag=2"), 2),
        (("training.quit=fixed", "training.epochs=5", "scores.best_by=line_f1"), 1),
    ],
    ids=["fixed", "early", "lines"],
)
def test_an_exact_segmentation_that_was_killed_is_the_uninterrupted_one(
    planned_layout: Planned, scenario, settings: tuple[str, ...], at: int
) -> None:
    of_run = ("training.exact=true", "training.leg_epochs=2", *settings)
    figures = {"mean_iu": [0.5, 0.7, 0.6, 0.65, 0.62], "found": [0.4, 0.6, 1.0, 0.6, 0.6]}
    scenario.play(**figures)
    whole = planned_layout(*of_run)
    expected = what_is_left(whole)
    shutil.rmtree(whole.path)
    scenario.play(**figures, die=signal.SIGKILL, at_epoch=at, once=True)
    killed = planned_layout(*of_run)
    assert what_is_left(killed) == expected
    assert killed.key == whole.key
    said = resumptions.of_run(read_jsonl(killed.starts), killed.result())
    assert said == {"resumed_at": [at - at % 2], "resumed_exactly": True}


def what_is_left(run: RunDir) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Do a run; its curve and its results, without times and what is said of interruptions. The weights' digest is in them."""
    assert do(run).state == "done", run.state().reason
    assert_named(run.best)
    records = [
        {key: value for key, value in one.items() if key not in ("seconds", "time", "memory_gb", "cpu_s")}
        for one in run.epochs()
    ]
    found = results(run)
    for key in ("time", "resumed_at", "resumed_exactly", "test_scored"):
        del found[key]
    return records, found
