"""What a segmentation leaves in its folder, of either release of kraken."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from fakes.scenario import BLLA, segmentation_weights
from helpers.fake_kraken import programs
from helpers.layout_files import layout_words, make_layout_pages
from helpers.segmentation_runs import RELEASES, assert_named, curve, epochs_of, results
from helpers.whole_runs import do, staged
from htr_exp.config.compose import compose_experiment
from htr_exp.core.files import read_json, read_jsonl, sha256_file
from htr_exp.core.task import SEGMENTATION
from htr_exp.kraken.model_file import read_header
from htr_exp.pipeline import write
from htr_exp.pipeline.plan import make_plan
from htr_exp.pipeline.run_inputs import RunInputs
from htr_exp.runs.rows import row_of, settings_of
from htr_exp.runs.run_dir import RunDir
from htr_exp.tracking import run_view

pytestmark = pytest.mark.seconds


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
    ketos = programs(folder / "bin", release=RELEASES[request.param])
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


def test_a_run_is_done_and_everything_is_in_its_folder(finished: Finished) -> None:
    run, found = finished.run, results(finished.run)
    assert (found["best_epoch"], found["epochs"], found["ended_by"]) == (3, 3, "epochs")
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
    assert curve(run) == [1, 2, 3]
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
        """The words without the paths, which a script beside its files names from there, and without what kraken is to say."""
        paths = [argv.index(option) + 1 for option in ("-t", "-e", "-o", "--config") if option in argv]
        return [word for at, word in enumerate(argv) if at not in paths and word not in ("-v", "-vv")]

    assert settings(by_hand) == settings(finished.of("segtrain")[0])
    assert epochs_of(out / "best.mlmodel") == epochs_of(run.best)
    held_out = [*read_json(run.split)["validation"], *read_json(run.split)["test"]]
    assert sorted(path.name for path in (out / "best").iterdir()) == sorted(f"{page['image']}.xml" for page in held_out)


def test_its_row_is_judged_by_the_line_f1(finished: Finished) -> None:
    row = row_of(finished.run)
    assert (row["task"], row["metric"], row["val_source"]) == ("segmentation", "line_f1", "rescored")
    assert (row["test"], row["val"], row["base_test"]) == (
        pytest.approx(0.75), pytest.approx(0.75), pytest.approx(2 * 0.4 / 1.4),
    )  # fmt: skip
    assert [row[key] for key in ("val_cer", "test_cer", "test_wer", "base_val_cer", "base_test_cer")] == [None] * 5
    known = settings_of(finished.run)
    assert known["training.line_width"] == 8
    assert not {"training.batch_size", "training.normalization", "scores.pad"} & known.keys()


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
    assert [view.metrics["val_mean_iu", epoch][0] for epoch in range(1, 4)] == pytest.approx([0.6, 0.627, 0.654])
    assert (("val_bl_f1", 2) in view.metrics) is (finished.version == "7.1.1")
    shown = {
        name: view.metrics[name, 0][0]
        for name in ("test_line_f1", "test_line_f1_base", "val_line_f1_rescored", "test_region_iou")
    }
    assert shown == pytest.approx(
        {"test_line_f1": 0.75, "test_line_f1_base": 4 / 7, "val_line_f1_rescored": 0.75, "test_region_iou": 1.0}
    )
    assert view.metrics["test_gain_points", 0][0] == 17.86
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
