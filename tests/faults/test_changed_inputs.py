"""Files that somebody changes while a run uses them: the run says which, keeps nothing that follows from it, and is right with the right file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from fakes.scenario import BLLA, segmentation_weights, weights
from helpers.fake_kraken import Scenario
from helpers.whole_runs import do, staged
from htr_exp.config.compose import compose_experiment
from htr_exp.core.files import read_json
from htr_exp.pipeline.plan import make_plan
from htr_exp.pipeline.run_inputs import RunInputs
from htr_exp.pipeline.write import write_run
from htr_exp.runs.run_dir import RunDir


def image_of(side: str) -> Callable[[RunDir], Path]:
    return lambda run: RunInputs(run).image(RunInputs(run).pages(side)[0])


def staged_of(side: str) -> Callable[[RunDir], Path]:
    return lambda run: staged(run, side)[0]


def base_of(run: RunDir) -> Path:
    return Path(str(RunInputs(run).places["base_model"]))


def compiled_of(run: RunDir) -> Path:
    return RunInputs(run).compiled()["train"]


@dataclass(frozen=True)
class Change:
    """One file that gets another content while a run works.

    Attributes:
        file: which.
        at: the moment, as of `fakes.scenario.swap`.
        stage: where the run stops for it.
        back: the moment at which the file gets its own content again; None: the user puts it back after the run.
        times: whether the file keeps its time of content.
    """

    file: Callable[[RunDir], Path]
    at: str
    stage: str
    back: str | None = None
    times: bool = False


STOPS = {
    "train image": Change(image_of("train"), "before compile", "compile"),
    "train image, compiled": Change(image_of("train"), "after compile", "compile", times=True),
    "staged page, compiled": Change(staged_of("train"), "before compile", "compile"),
    "test image while it trains": Change(image_of("test"), "before train", "predict"),
    "test image while it trains, same times": Change(image_of("test"), "before train", "predict", times=True),
    "test image while it is read": Change(image_of("test"), "before ocr", "predict"),
    "test image once it was read": Change(image_of("test"), "after ocr", "predict", times=True),
    "staged page while it is read": Change(staged_of("test"), "before ocr", "predict", times=True),
    "base model as it is loaded": Change(base_of, "before train", "train"),
    "base model while it reads": Change(base_of, "before ocr", "predict", times=True),
    "compiled lines as they are loaded": Change(compiled_of, "before train", "train"),
    "compiled lines once they were trained on": Change(compiled_of, "after train", "train", times=True),
}


def other_content(file: Path, aside: Path) -> Path:
    """A file of the same size with other content; of a model one that reads better."""
    content = file.read_bytes()
    better = weights(accuracy=0.9)
    is_model = file.suffix == ".mlmodel"
    aside.write_bytes(better if is_model else content[:-1] + bytes([content[-1] ^ 1]))
    return aside


def right_numbers(run: RunDir) -> None:
    """The scores of a run in which nothing was changed: the base model gets half of all characters right."""
    result = read_json(run.results)
    assert result["test"]["base"]["cer"] == pytest.approx(0.5, abs=0.01)
    assert result["test"]["best"]["cer"] < 0.5
    assert b'"epochs": 3,' in run.best.read_bytes()


def predictions(run: RunDir) -> list[Path]:
    return list(RunInputs(run).cache.glob("predictions/*/*"))


QUICK = {
    "train image",
    "test image while it trains",
    "base model as it is loaded",
    "compiled lines once they were trained on",
}
"""One of each kind; `make test-slow` has them all."""


@pytest.mark.parametrize(
    "what", [pytest.param(what, marks=() if what in QUICK else pytest.mark.slow) for what in STOPS]
)
def test_a_file_that_changes_stops_the_run_and_leaves_nothing_wrong(
    planned: Callable[..., RunDir], scenario: Scenario, tmp_path: Path, what: str
) -> None:
    change, run = STOPS[what], planned()
    if change.file is compiled_of:
        assert do(planned("training.epochs=1")).state == "done"  # it compiles what both need
        for kept in predictions(run):
            kept.unlink()
    file = change.file(run)
    right = file.read_bytes()
    by = other_content(file, tmp_path / "other")
    scenario.play(swaps=[{"at": change.at, "file": str(file), "by": str(by), "times": change.times}])
    state = do(run)
    assert (state.state, state.stage) == ("failed", change.stage), state.reason
    assert f"{file}: the " in str(state.reason)
    assert "changed" in str(state.reason)
    assert not predictions(run)
    assert not run.results.exists()
    if change.stage != "predict":
        assert not run.epochs()

    scenario.play()
    if change.file is not compiled_of:  # that is made again
        file.write_bytes(right)
    assert do(run).state == "done"
    right_numbers(run)
    other = planned("seed=2")
    assert do(other).state == "done"
    right_numbers(other)


TOUCHED = {
    "compile": Change(image_of("train"), "before compile", "done", back="after compile"),
    "predict": Change(base_of, "before ocr", "done", back="after ocr", times=True),
}


@pytest.mark.parametrize("stage", TOUCHED)
def test_a_file_that_was_changed_and_put_back_is_read_again(
    planned: Callable[..., RunDir], scenario: Scenario, tmp_path: Path, stage: str
) -> None:
    change, run = TOUCHED[stage], planned()
    file = change.file(run)
    by, own = other_content(file, tmp_path / "other"), tmp_path / "own"
    own.write_bytes(file.read_bytes())
    once = tmp_path / "once"
    once.touch()
    scenario.play(swaps=[
        {"at": change.at, "file": str(file), "by": str(by), "times": change.times, "once": str(once)},
        {"at": change.back, "file": str(file), "by": str(own), "times": change.times, "once": str(once)},
    ])  # fmt: skip
    assert do(run).state == "done"
    assert "files were touched while kraken was" in run.log.read_text()
    right_numbers(run)


def test_lines_that_changed_under_a_training_that_was_killed_begin_it_anew(
    planned: Callable[..., RunDir], scenario: Scenario
) -> None:
    run = planned()
    scenario.play(epoch_seconds=0.1)
    assert do(run, word="terminated", at_epoch=2).state == "interrupted"
    assert run.epochs()
    compiled_of(run).write_bytes(b"other lines")
    scenario.play()
    assert do(run).state == "done"
    assert "all epochs are thrown away" in run.log.read_text()
    right_numbers(run)
    assert "--resume" not in scenario.calls("train")[-1]


def test_a_segmentation_model_that_changes_is_named(
    workspace: Path, layout_pages: Path, base_model: Path, fake_kraken: Path, scenario: Scenario, tmp_path: Path
) -> None:
    segmenter = tmp_path / "finds.mlmodel"
    segmenter.write_bytes(segmentation_weights(BLLA, accuracy=0.6))
    words = [f"dataset.path={layout_pages}", f"model.path={base_model}", f"segmentation_model.path={segmenter}", f"runtime.ketos={fake_kraken}",
             "tracking=none", "training.device=cpu"]  # fmt: skip
    run, _ = write_run(make_plan(compose_experiment(words), evaluate=True), command=["htr_exp", "evaluate"])
    right, other = segmenter.read_bytes(), tmp_path / "other"
    other.write_bytes(segmentation_weights(BLLA, accuracy=1.0))
    scenario.play(only="segment", swaps=[{"at": "before ocr", "file": str(segmenter), "by": str(other)}])
    state = do(run)
    assert (state.state, state.stage) == ("failed", "predict")
    assert f"{segmenter}: the segmentation model was changed since the run was planned" in str(state.reason)
    segmenter.write_bytes(right)
    scenario.play()
    assert do(run).state == "done"
    assert read_json(run.results)["end_to_end"]["found_lines"]["lines_found"] == 18


def test_an_image_of_a_segmentation_that_changes_while_it_trains_spoils_the_training(
    planned_layout: Callable[..., RunDir], scenario: Scenario, tmp_path: Path
) -> None:
    run = planned_layout()
    image = RunInputs(run).image(RunInputs(run).pages("train")[0])
    right, by = image.read_bytes(), other_content(image, tmp_path / "other")
    scenario.play(swaps=[{"at": "before segtrain", "file": str(image), "by": str(by), "times": True}])
    state = do(run)
    assert (state.state, state.stage) == ("failed", "train")
    assert f"{image}: the image was changed" in str(state.reason)
    assert not run.epochs()
    assert not run.training.exists()
    image.write_bytes(right)
    scenario.play()
    assert do(run).state == "done"
