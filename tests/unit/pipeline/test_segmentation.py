"""A segmentation from its folder to its scores, by a kraken that only plays."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from fakes.scenario import BLLA, classes_of_model, metadata_of, segmentation_weights
from helpers.fake_kraken import programs
from helpers.layout_files import layout_words, make_layout_pages
from helpers.waiting import until
from htr_exp.config.compose import compose_experiment
from htr_exp.core.files import read_json, read_jsonl, sha256_file
from htr_exp.core.task import SEGMENTATION
from htr_exp.groundtruth.xml import read_page
from htr_exp.kraken.checkpoints import Checkpoints
from htr_exp.kraken.model_file import read_header
from htr_exp.pipeline import write
from htr_exp.pipeline.plan import make_plan
from htr_exp.pipeline.run_inputs import RunInputs
from htr_exp.runs import table
from htr_exp.runs.run_dir import RunDir
from htr_exp.tracking import run_view
from unit.pipeline.test_run import do, staged

Planned = Callable[..., RunDir]

NUMBERS = {"lines": {"DefaultLine": 2, "HeadingLine": 3}, "regions": {"MainZone": 4, "MarginTextZone": 5}}


RELEASES = {"7.1.1": ("fake_ketos.py", "7.1"), "4.3.13": ("fake_ketos4.py", "4.3")}


@pytest.fixture(params=RELEASES)
def either(request: pytest.FixtureRequest, planned_layout: Planned, fake_kraken4: Path) -> Planned:
    """Write the run of the small segmentation for each release."""
    words = [] if request.param == "7.1.1" else [f"runtime.ketos={fake_kraken4}"]
    return lambda *changes: planned_layout(*words, *changes)


@dataclass(frozen=True)
class Finished:
    """A run that is done, which tests only look at."""

    run: RunDir
    version: str
    ketos: Path
    calls: list[list[str]]
    pages: Path

    def of(self, verb: str) -> list[list[str]]:
        return [argv for argv in self.calls if verb in argv]


@pytest.fixture(scope="module", params=RELEASES)
def finished(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    """One run of each release for all tests of this file that change nothing."""
    folder = tmp_path_factory.mktemp("finished")
    fake, release = RELEASES[request.param]
    ketos = programs(folder / "bin", ketos=fake, release=release)
    (folder / "base_layout.mlmodel").write_bytes(segmentation_weights(BLLA, accuracy=0.4))
    (folder / "workspace").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"):
            patch.setenv(name, str(folder / name))
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setenv("FAKE_KETOS", str(folder / "scenario.json"))
        patch.chdir(folder / "workspace")
        words = layout_words(make_layout_pages(folder / "layouts"), folder / "base_layout.mlmodel", ketos)
        made = make_plan(compose_experiment([*words, "split.test=0.34", "scores.pictures=1"]))
        run = write.write_run(made, command=["htr_exp", "train", *words])[0]
        assert do(run).state == "done", run.state().reason
        calls = [json.loads(line)["argv"] for line in (folder / "calls.jsonl").read_text().splitlines()]
        yield Finished(run, request.param, ketos, calls, folder / "layouts")


def results(run: RunDir) -> dict[str, Any]:
    found: dict[str, Any] = read_json(run.results)
    return found


def curve(run: RunDir) -> list[int]:
    return [record["epoch"] for record in run.epochs()]


def assert_named(model: Path, numbers: dict[str, dict[str, int]] = NUMBERS) -> None:
    """The model has these classes; one of 7.1 has them at the outputs that learnt them, 4.3.13 at those it likes."""
    called = dict(zip(("lines", "regions"), classes_of_model(model).values()))
    if "_full_class_mapping" in metadata_of(model):
        assert called == numbers
        assert classes_of_model(model) == classes_of_model(model, "_full_class_mapping")
    else:
        assert {sort: set(of) for sort, of in called.items()} == {sort: set(of) for sort, of in numbers.items()}


def epochs_of(model: Path) -> int:
    """How many epochs a model has behind it."""
    return int(metadata_of(model)["epochs"])


def test_a_run_is_done_and_everything_is_in_its_folder(finished: Finished) -> None:
    run, found = finished.run, results(finished.run)
    assert (found["best_epoch"], found["epochs"], found["ended_by"]) == (2, 3, "epochs")
    assert found["val_mean_iu_while_training"] == pytest.approx(0.654)
    assert (found["val_source"], found["models"]["best"]) == ("rescored", sha256_file(run.best))
    for side, pages in (("test", 2), ("validation", 1)):
        base, best = found[side]["base"], found[side]["best"]
        assert [base[key] for key in ("lines", "lines_predicted", "lines_found", "pages")] == [
            5 * pages, 2 * pages, 2 * pages, pages,
        ]  # fmt: skip
        assert base["line_f1"] == pytest.approx(2 * 0.4 / 1.4)
        assert (best["lines_found"], best["line_f1"]) == (3 * pages, pytest.approx(2 * 0.6 / 1.6))
        assert (base["region_iou"], best["region_iou"]) == (0.0, 1.0)
        assert [page["page"] for page in best["per_page"]] == sorted(
            page["page"] for page in read_json(run.split)[side]
        )
    assert curve(run) == [0, 1, 2]
    assert not run.training.exists()  # checkpoints are not kept
    assert not list(run.live.glob("predicting"))
    assert run.broken_seals() == []


def test_nothing_is_compiled(finished: Finished) -> None:
    run = finished.run
    assert RunInputs(run).to_compile() == []
    assert not finished.of("compile")
    assert not list(RunInputs(run).cache.glob("compiled/*"))
    (trained,) = finished.of("segtrain")
    for option, side in (("-t", "train"), ("-e", "validation")):
        listed = Path(trained[trained.index(option) + 1])
        assert listed == run.live / f"{side}.pages"
        assert [Path(line) for line in listed.read_text().splitlines()] == staged(run, side)


def test_the_curve_has_the_figures_of_each_release(finished: Finished) -> None:
    records = finished.run.epochs()
    assert [round(record["val_mean_iu"], 3) for record in records] == [0.6, 0.627, 0.654]
    assert all({"val_accuracy", "val_mean_acc", "val_freq_iu", "seconds", "time"} <= record.keys() for record in records)  # fmt: skip
    assert [record.get("val_bl_f1") for record in records] == ([0.8, 0.809, 0.818] if finished.version == "7.1.1" else [None] * 3)  # fmt: skip
    assert not any("val_cer" in record for record in records)


def test_the_best_model_calls_its_outputs_what_they_have_learnt(finished: Finished) -> None:
    assert_named(finished.run.best)
    assert read_header(finished.run.best).kind is SEGMENTATION
    types = results(finished.run)["test"]["best"]["classes"]
    assert {name: (one["lines"], one["lines_found"]) for name, one in types["lines"].items()} == {
        "DefaultLine": (8, 4), "HeadingLine": (2, 2),
    }  # fmt: skip
    assert {name: one["iou"] for name, one in types["regions"].items()} == {"MainZone": 1.0, "MarginTextZone": 1.0}


def test_predictions_are_rows_of_pages_with_both_models(finished: Finished) -> None:
    for side, pages in (("test", 2), ("validation", 1)):
        rows = read_jsonl(finished.run.predictions / f"{side}.jsonl")
        assert [row["page"] for row in rows] == sorted(page["page"] for page in read_json(finished.run.split)[side])
        assert len(rows) == pages
        row = rows[0]
        assert {name: len(row[name]["lines"]) for name in ("reference", "base", "best")} == {
            "reference": 5, "base": 2, "best": 3,
        }  # fmt: skip
        assert [line["type"] for line in row["best"]["lines"]] == ["HeadingLine", "DefaultLine", "DefaultLine"]
        assert [line["type"] for line in row["base"]["lines"]] == ["default"] * 2
        assert row["reference"]["lines"][0]["baseline"] == [[5, 45], [410, 45]]
        assert {region["type"] for region in row["best"]["regions"]} == {"MainZone", "MarginTextZone"}


def test_the_worst_pages_are_drawn(finished: Finished) -> None:
    (picture,) = (finished.run.predictions / "overlays").iterdir()
    first = min(page["page"] for page in read_json(finished.run.split)["test"])  # all are alike
    assert picture.name == f"01-{first.removesuffix('.xml')}-best.jpg"
    with Image.open(picture) as image:
        image.load()
        assert image.format == "JPEG"
        assert min(image.size) > 100


def test_its_commands_are_a_shell_script(finished: Finished) -> None:
    script = finished.run.path / "commands.sh"
    assert subprocess.run(["sh", "-n", script], capture_output=True).stderr == b""
    text = script.read_text()
    assert " segtrain " in text
    assert " segment -bl -i " in text
    assert "compile" not in text
    images = (finished.run.live / "held-out.images").read_text().splitlines()
    assert [Path(image).suffix for image in images] == [".png"] * 3


def test_its_commands_do_what_the_run_did(finished: Finished, tmp_path: Path) -> None:
    run, log = finished.run, tmp_path / "calls.jsonl"
    out = tmp_path / "by hand"
    environment = {"PATH": f"{finished.ketos.parent}:/usr/bin:/bin", "OUT": str(out), "FAKE_KETOS": str(tmp_path / "s")}
    said = subprocess.run(["sh", "commands.sh"], cwd=run.path, env=environment, capture_output=True, text=True)
    assert (said.returncode, said.stderr) == (0, "")
    calls = [json.loads(line)["argv"] for line in log.read_text().splitlines()]
    (by_hand,) = (argv for argv in calls if "segtrain" in argv)

    def settings(argv: list[str]) -> list[str]:
        """The words without the paths, which a script beside its files names from there."""
        paths = [argv.index(option) + 1 for option in ("-t", "-e", "-o", "--config") if option in argv]
        return [word for at, word in enumerate(argv) if at not in paths]

    assert settings(by_hand) == settings(finished.of("segtrain")[0])
    assert epochs_of(out / "best.mlmodel") == epochs_of(run.best)
    held_out = [*read_json(run.split)["validation"], *read_json(run.split)["test"]]
    assert sorted(path.name for path in (out / "best").iterdir()) == sorted(f"{page['image']}.xml" for page in held_out)


def test_its_row_is_judged_by_the_line_f1(finished: Finished) -> None:
    row = table.row(finished.run)
    assert (row["task"], row["metric"], row["val_source"]) == ("segmentation", "line_f1", "rescored")
    assert (row["test"], row["val"], row["base_test"]) == (
        pytest.approx(0.75), pytest.approx(0.75), pytest.approx(2 * 0.4 / 1.4),
    )  # fmt: skip
    assert [row[key] for key in ("val_cer", "test_cer", "test_wer", "base_val_cer", "base_test_cer")] == [None] * 5
    settings = table.settings(finished.run)
    assert settings["training.line_width"] == 8
    assert not {"training.batch_size", "training.normalization", "scores.pad"} & settings.keys()


def test_mlflow_shows_it_without_the_keys_of_recognition(finished: Finished) -> None:
    view = run_view.read(finished.run.path, finished.run.path.parents[1])
    assert view.params["training.line_width"] == "8"
    assert view.params["task.name"] == "segmentation"
    foreign = {
        "training.batch_size",
        "training.normalization",
        "training.normalize_whitespace",
        "training.legacy_polygons",
    }
    assert not (foreign | {"scores.pad"}) & set(view.params)
    assert view.status == "FINISHED"
    assert [view.metrics["val_mean_iu", epoch][0] for epoch in range(3)] == pytest.approx([0.6, 0.627, 0.654])
    assert (("val_bl_f1", 2) in view.metrics) is (finished.version == "7.1.1")
    shown = {
        name: view.metrics[name, 0][0]
        for name in ("test_line_f1", "test_line_f1_base", "val_line_f1_rescored", "test_region_iou")
    }
    assert shown == pytest.approx(
        {"test_line_f1": 0.75, "test_line_f1_base": 4 / 7, "val_line_f1_rescored": 0.75, "test_region_iou": 1.0}
    )
    assert view.metrics["test_gain_points", 0][0] == pytest.approx(100 * (0.75 - 4 / 7), abs=1e-4)
    assert not any("cer" in name for name, _ in view.metrics)
    assert view.tags["htr_exp.task"] == "segmentation"
    assert view.tags["htr_exp.classes"] == "lines: DefaultLine, HeadingLine; regions: MainZone, MarginTextZone"
    note = view.tags["mlflow.note.content"]
    assert "**layouts**, segmentation, from base_layout." in note
    assert "Test line F1: 0.5714 before, **0.7500** after training (held-out lines: 10, pages: 2)." in note
    assert {"classes.yaml", "predictions/test.jsonl", "predictions/validation.jsonl", "best.mlmodel"} <= set(
        view.artifacts
    )
    (picture,) = (name for name in view.artifacts if name.startswith("predictions/overlays/"))
    assert picture.endswith("-best.jpg")
    assert {one.context for one in view.datasets} == {"training", "validation", "test"}


def test_the_weights_that_kraken_leaves_would_be_called_otherwise(planned_layout: Planned, scenario) -> None:
    """Without this the test above would show nothing."""
    run = planned_layout("training.epochs=500", "training.leg_epochs=0")
    scenario.play(epoch_seconds=0.05)
    do(run, word="terminated", at_epoch=1)
    checkpoint = max(run.training.glob("*/checkpoint_0*.ckpt"))
    called = run.path / "converted.mlmodel"
    program = RunInputs(run).places["ketos"]
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


@pytest.mark.parametrize("legs", [0, 2])
def test_a_termination_loses_no_epoch_of_7_1(planned_layout: Planned, scenario, legs: int) -> None:
    scenario.play(epoch_seconds=0.3)
    run = planned_layout("training.epochs=5", f"training.leg_epochs={legs}")
    assert do(run, word="terminated", at_epoch=3).state == "interrupted"
    assert not scenario.calls("segment")
    heard = len(run.epochs())
    scenario.play()
    assert do(run).state == "done"
    assert curve(run) == list(range(5))
    resumed = [row for row in read_jsonl(run.starts) if row.get("resumed_from") == Checkpoints.ABORTED]
    assert [(row["first_epoch"], row["lost_epochs"]) for row in resumed] == [(heard, 0)]
    assert "--config" not in scenario.calls("segtrain")[-1]  # a checkpoint has its numbers
    assert_named(run.best)
    assert table.row(run)["restarts"] == 1


@pytest.mark.parametrize("at", [0, 2])
def test_a_killed_kraken_is_started_again_and_every_epoch_stands_in_the_curve_once(
    either: Planned, scenario, at: int
) -> None:
    scenario.play(die=signal.SIGKILL, at_epoch=at, once=True)
    run = either()
    assert do(run).state == "done", run.state().reason
    assert curve(run) == [0, 1, 2]
    assert len(scenario.calls("segtrain")) == 2
    assert epochs_of(run.best) == 3
    assert_named(run.best)


def test_a_warm_restart_of_4_3_13_changes_no_class(planned_layout: Planned, scenario, fake_kraken4: Path) -> None:
    scenario.play(die=signal.SIGKILL, at_epoch=2)
    run = planned_layout(f"runtime.ketos={fake_kraken4}", "training.epochs=4")
    assert do(run).state == "failed"
    scenario.play()
    assert do(run).state == "done", run.state().reason
    assert curve(run) == [0, 1, 2, 3]
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
    assert curve(run) == [0, 1, 2, 3]
    assert sum(start.get("lost_epochs", 0) for start in read_jsonl(run.starts)) <= 1
    assert "line F1" in done.stdout
    assert "of 5 lines" in done.stdout


def test_early_stopping_minds_the_mean_iou(either: Planned, scenario) -> None:
    scenario.play(mean_iu=[0.5, 0.7, 0.6, 0.65, 0.9])
    run = either("training.quit=early", "training.epochs=50", "training.lag=2")
    assert do(run).state == "done"
    found = results(run)
    assert (found["best_epoch"], found["epochs"], found["ended_by"]) == (1, 4, "early")
    assert epochs_of(run.best) == 2
    assert found["val_mean_iu_while_training"] == 0.7


def test_a_stop_by_the_user_keeps_and_scores_the_best_so_far(either: Planned, scenario) -> None:
    scenario.play(mean_iu=[0.5, 0.8, 0.6, 0.65], epoch_seconds=0.4)
    run = either("training.epochs=50", "training.leg_epochs=0")
    assert do(run, word="user").state == "stopped"
    assert (results(run)["best_epoch"], epochs_of(run.best)) == (1, 2)
    assert_named(run.best)


def test_the_best_can_be_chosen_by_the_lines_that_are_found(either: Planned, scenario) -> None:
    scenario.play(mean_iu=[0.5, 0.6, 0.7, 0.8], found=[0.4, 1.0, 0.6, 0.6])
    run = either("training.epochs=4", "scores.best_by=line_f1")
    assert do(run).state == "done", run.state().reason
    found = results(run)
    assert found["candidates"] == [
        {"epoch": 0, "line_f1": pytest.approx(2 * 0.4 / 1.4)},
        {"epoch": 1, "line_f1": 1.0},
        {"epoch": 2, "line_f1": pytest.approx(0.75)},
        {"epoch": 3, "line_f1": pytest.approx(0.75)},
    ]
    assert (found["best_epoch"], found["validation"]["best"]["line_f1"], epochs_of(run.best)) == (1, 1.0, 2)
    assert found["models"]["best"] == sha256_file(run.best)
    assert_named(run.best)
    assert not (run.live / "candidates").exists()


def test_of_equal_candidates_the_earlier_is_best(planned_layout: Planned, scenario) -> None:
    scenario.play(mean_iu=[0.5, 0.6, 0.7], found=[0.4, 0.8, 0.8])
    run = planned_layout("scores.best_by=line_f1")
    do(run)
    assert (results(run)["best_epoch"], epochs_of(run.best)) == (1, 2)


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
    assert [one["epoch"] for one in results(run)["candidates"]] == [0, 1]


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
    assert (found["test"]["base"]["pages"], found["test"]["base"]["lines"]) == (6, 30)
    assert found["test"]["base"]["lines_found"] == 12
    assert found["test"]["best"] is None
    assert not scenario.calls("segtrain")
    assert len(list((run.predictions / "overlays").iterdir())) == 6
    assert {path.name[-9:] for path in (run.predictions / "overlays").iterdir()} == {"-base.jpg"}
    assert not (run.path / "classes.yaml").exists()
    row = table.row(run)
    assert (row["metric"], row["test"], row["val"]) == ("line_f1", found["test"]["base"]["line_f1"], None)


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
