"""A segmentation from its folder to its scores, by a kraken that only plays."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from fakes.scenario import BLLA, classes_of_model, segmentation_weights
from helpers.layout_files import make_layout_pages
from helpers.segmentation_runs import NUMBERS, Planned, assert_named, curve, results
from helpers.whole_runs import do, staged
from htr_exp.config.compose import compose_experiment
from htr_exp.core.files import read_json
from htr_exp.groundtruth.xml import read_page
from htr_exp.pipeline import write
from htr_exp.pipeline.plan import make_plan
from htr_exp.pipeline.run_inputs import RunInputs
from htr_exp.runs import rows


def test_the_weights_that_kraken_leaves_would_be_called_otherwise(planned_layout: Planned, scenario) -> None:
    """Without this the test above would show nothing."""
    run = planned_layout("training.epochs=500", "training.leg_epochs=0")
    scenario.play(epoch_seconds=0.05)
    do(run, word="terminated", at_epoch=1)
    checkpoint = max(run.training.glob("*/checkpoint_0*.ckpt"))
    called = run.path / "converted.mlmodel"
    program = RunInputs(run).experiment.runtime.ketos
    subprocess.run([program, "convert", "-o", called, "--weights-format", "coreml", checkpoint], check=True)
    assert classes_of_model(called)["baselines"] == {"HeadingLine": 2, "DefaultLine": 3}
    assert classes_of_model(called, "_full_class_mapping")["baselines"] == NUMBERS["lines"]


def test_the_numbers_of_the_classes_are_sealed_and_given_to_kraken(planned_layout: Planned, scenario) -> None:
    run = planned_layout()
    given = yaml.safe_load((run.path / "classes.yaml").read_text())
    assert given == {
        "segtrain": {
            "line_class_mapping": [["DefaultLine", 2], ["HeadingLine", 3]],
            "region_class_mapping": [["MainZone", 4], ["MarginTextZone", 5]],
        }
    }
    assert read_json(run.provenance)["classes"]["numbers"] == NUMBERS
    do(run)
    (trained,) = scenario.calls("segtrain")
    assert trained[trained.index("--config") + 1] == str(run.path / "classes.yaml")
    (run.path / "classes.yaml").write_text("segtrain: {}\n")
    with open(run.path / "classes.yaml", "a") as file:
        file.write("\n")
    assert run.broken_seals() == ["classes.yaml"]


@pytest.mark.parametrize(
    ("words", "lines", "regions"),
    [
        (["classes=blla"], {"default": 2}, {"text": 3}),
        (["classes=blla", "training.resize=fail"], {"default": 2}, {"text": 3}),
        (["classes.lines.HeadingLine=null"], {"DefaultLine": 2}, {"MainZone": 3, "MarginTextZone": 4}),
        (["classes.lines.DefaultLine=default"], {"default": 2, "HeadingLine": 3}, {"MainZone": 4, "MarginTextZone": 5}),
        (["classes.lines.Default*=default", "classes.regions.M*Zone=text"], {"default": 2, "HeadingLine": 4}, {"text": 3}),
    ],
)  # fmt: skip
def test_classes_are_trained_scored_and_named_as_given(
    either: Planned, scenario, words: list[str], lines: dict[str, int], regions: dict[str, int]
) -> None:
    run = either(*words)
    assert do(run).state == "done", run.state().reason
    assert_named(run.best, {"lines": lines, "regions": regions})
    types = results(run)["test"]["best"]["classes"]
    assert (set(types["lines"]), set(types["regions"])) == (set(lines), set(regions))
    page = read_page(staged(run, "test")[0])
    assert {line.type for line in page.lines} == set(lines)


def test_union_keeps_the_base_models_classes_in_7_1(planned_layout: Planned, scenario) -> None:
    run = planned_layout("training.resize=union")
    assert do(run).state == "done", run.state().reason
    assert classes_of_model(run.best) == {
        "baselines": {"default": 2, "DefaultLine": 4, "HeadingLine": 5},
        "regions": {"text": 3, "MainZone": 6, "MarginTextZone": 7},
    }


def test_from_scratch_there_is_no_base_to_compare_with(either: Planned, scenario) -> None:
    run = either("model=none", "model.path=null", "architecture=small_segmentation")
    assert do(run).state == "done", run.state().reason
    found = results(run)
    assert found["test"]["base"] is None
    assert found["test"]["best"]["line_f1"] > 0
    assert_named(run.best)


def test_as_many_pages_are_drawn_as_there_are_and_none_where_none_is_wanted(planned_layout: Planned, scenario) -> None:
    run = planned_layout()
    do(run)
    assert len(list((run.predictions / "overlays").iterdir())) == 1
    without = planned_layout("scores.pictures=0")
    do(without)
    assert not (without.predictions / "overlays").exists()


def test_without_a_test_set_the_validation_pages_are_drawn_and_scored(planned_layout: Planned, scenario) -> None:
    run = planned_layout("split.test=0")
    assert do(run).state == "done"
    found = results(run)
    assert found["test"] == {"base": None, "best": None}
    assert found["validation"]["best"]["lines"] == 5
    assert len(list((run.predictions / "overlays").iterdir())) == 1
    assert not (run.predictions / "test.jsonl").exists()


def test_a_page_that_kraken_would_replace_stops_the_run(either: Planned, scenario) -> None:
    scenario.play(replaced_page=True)
    run = either()
    state = do(run)
    assert (state.state, state.stage) == ("failed", "train")
    assert "kraken could not use one of the pages, and would train on another in its place" in state.reason
    assert "dataset.exclude leaves it aside" in state.reason
    assert curve(run) == []
    scenario.play()
    assert do(run).state == "done"


def test_a_page_that_was_not_segmented_stops_the_run_and_is_named(either: Planned, scenario) -> None:
    run = either()
    page = read_json(run.split)["test"][0]
    scenario.play(segment_missing_page=page["image"])
    state = do(run)
    assert (state.state, state.stage) == ("failed", "predict")
    assert f"kraken could not segment {page['page']}" in state.reason
    scenario.play()
    assert do(run).state == "done"
    assert len(scenario.calls("segtrain")) == 1


def test_a_page_on_which_nothing_is_found_is_scored(planned_layout: Planned, scenario, base_segmenter: Path) -> None:
    base_segmenter.write_bytes(segmentation_weights(BLLA, accuracy=0.0))
    run = planned_layout()
    assert do(run).state == "done", run.state().reason
    base = results(run)["test"]["base"]
    assert (base["lines_found"], base["lines_missed"], base["line_f1"]) == (0, 5, 0.0)


def test_kraken_failing_at_segmenting_says_so(planned_layout: Planned, scenario) -> None:
    scenario.play(fail="segment", message="OSError: no")
    state = do(planned_layout())
    assert "kraken failed while segmenting with the base model" in state.reason
    assert "kraken says: OSError: no" in state.reason


def test_a_model_with_other_classes_than_were_trained_is_not_kept(planned_layout: Planned, scenario) -> None:
    scenario.play(fail="convert", epoch_seconds=0.2)
    run = planned_layout("training.quit=early", "training.epochs=2")  # which we end: then a checkpoint is converted
    assert do(run).stage == "convert"
    (run.training / "leg-01" / "best_0.6270.mlmodel").write_bytes(segmentation_weights(BLLA))
    state = do(run)
    assert state.state == "failed"
    assert "were to be trained: train anew with again=true" in state.reason
    assert not run.best.exists()


def test_the_same_experiment_is_one_run_unless_another_is_wanted(planned_layout: Planned, layout_experiment) -> None:
    run = planned_layout()
    assert do(run).state == "done"
    assert planned_layout().path == run.path
    again, new = write.write_run(make_plan(compose_experiment(layout_experiment)), command=["train"], again=True)
    assert new
    assert again.path != run.path


def test_predictions_are_shared_with_other_runs(planned_layout: Planned, scenario) -> None:
    first, second = planned_layout("seed=1"), planned_layout("seed=2")
    do(first)
    before = len(scenario.calls("segment"))
    do(second)
    models = [argv[argv.index("segment") + 3] for argv in scenario.calls("segment")[before:]]
    assert models in ([str(second.best)], [])  # of the base model nothing is left to do


def test_a_renamed_page_is_another_staged_page_and_no_other_run_loses_its_own(planned_layout: Planned) -> None:
    plain, merged = planned_layout(), planned_layout("classes=blla")
    assert not set(staged(plain, "train")) & set(staged(merged, "train"))
    do(merged)
    assert do(plain).state == "done"


def test_pages_of_regions_alone_are_trained_and_scored(planned_layout: Planned, scenario, tmp_path: Path) -> None:
    folder = make_layout_pages(tmp_path / "zones", lines=3)
    run = planned_layout(f"dataset.path={folder}", "classes.lines.*=null")
    assert do(run).state == "done", run.state().reason
    found = results(run)["test"]["best"]
    assert (found["lines"], found["region_iou"]) == (0, 1.0)
    assert classes_of_model(run.best) == {"baselines": {}, "regions": {"MainZone": 2, "MarginTextZone": 3}}


def test_pages_without_regions_are_trained_and_scored_by_their_lines(planned_layout: Planned, scenario) -> None:
    run = planned_layout("classes=lines_only", "scores.best_by=line_f1")
    assert do(run).state == "done", run.state().reason
    found = results(run)["test"]["best"]
    assert (found["lines"], found["regions"]) == (5, 0)
    assert classes_of_model(run.best) == {"baselines": {"default": 2}, "regions": {}}


def test_a_model_is_evaluated_on_all_pages(planned_layout: Planned, scenario, base_segmenter: Path) -> None:
    run = planned_layout(evaluate=True)
    assert do(run).state == "done", run.state().reason
    found = results(run)
    assert (found["test"]["model"]["pages"], found["test"]["model"]["lines"]) == (6, 30)
    assert found["test"]["model"]["lines_found"] == 12
    assert set(found["test"]) == {"model"}
    assert not scenario.calls("segtrain")
    assert len(list((run.predictions / "overlays").iterdir())) == 6
    assert {path.name[-9:] for path in (run.predictions / "overlays").iterdir()} == {"model.jpg"}
    assert not (run.path / "classes.yaml").exists()
    row = rows.row_of(run)
    assert (row["metric"], row["test"], row["val"]) == ("line_f1", found["test"]["model"]["line_f1"], None)


def test_everything_is_told_in_one_line_for_programs(htr_exp_layout, scenario) -> None:
    done = htr_exp_layout.train("--json")
    assert (done.code, done.json["state"]) == (0, "done"), done.stderr
    (row,) = htr_exp_layout("status", "--json").json
    assert (row["task"], row["state"], row["metric"]) == ("segmentation", "done", "line_f1")
    assert row["test"] == pytest.approx(0.75)
    assert (row["test_cer"], row["val_cer"]) == (None, None)
    head, *lines = htr_exp_layout("status").stdout.splitlines()
    assert "test line F1" in head
    assert "0.7500" in lines[0]
