"""Right-to-left text with the real kraken: what is read rightly has no errors, and the figures are kraken's own."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from helpers.folders import DEMO
from helpers.ketos_test import ketos_test
from helpers.real_pages import demo_pages, lists
from helpers.real_training import CPU, needs_kraken, result, run_to_end
from helpers.right_to_left import perfect_pages, right_to_left_model, right_to_left_pages
from htr_exp.core.files import read_jsonl
from htr_exp.runs.run_dir import RunDir

pytestmark = [pytest.mark.kraken, needs_kraken]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with the demo's model and four of its pages in letters from right to left."""
    folder = tmp_path_factory.mktemp("right-to-left")
    right_to_left_model(folder / "model.mlmodel")
    right_to_left_pages(folder / "pages")
    return folder


def run(place: Path, verb: str, pages: str, *more: str, model: Path | None = None) -> RunDir:
    words = [f"dataset.path={place / pages}", f"model.path={model or place / 'model.mlmodel'}", *CPU]
    return run_to_end(place, verb, *words, "leakage.accept=[base_model]", *more)


@pytest.fixture(scope="module")
def evaluated(place: Path) -> RunDir:
    return run(place, "evaluate", "pages")


def test_the_scores_are_those_of_the_same_letters_from_left_to_right(evaluated: RunDir, place: Path) -> None:
    demo_pages(place / "latin", 4)
    latin = run(place, "evaluate", "latin", model=DEMO / "base.mlmodel")
    counted = ("errors_raw", "characters_raw", "words", "lines")
    here, there = (result(one)["test"]["model"] for one in (evaluated, latin))
    assert {key: here[key] for key in counted} == {key: there[key] for key in counted}
    assert here["cer"] == pytest.approx(here["cer_raw"], abs=0.02)
    assert here["errors_raw"] > 0


def by_ketos(model: Path, pages: Path) -> tuple[int, int]:
    """The errors and characters that `ketos test` counts."""
    return ketos_test(
        str(Path(sys.executable).with_name("ketos")), "-d", "cpu", "--workers", "0", "--threads", "1", "test", "-f", "xml", "-B", "1",
        "-m", str(model), "-e", str(pages),
    )  # fmt: skip


def test_cer_raw_is_the_figure_of_ketos_test(evaluated: RunDir, place: Path) -> None:
    scored = result(evaluated)["test"]["model"]
    counted = by_ketos(place / "model.mlmodel", evaluated.live / "test.pages")
    assert (scored["errors_raw"], scored["characters_raw"]) == counted


def test_people_read_predictions_in_the_order_of_the_transcription(evaluated: RunDir) -> None:
    rows = read_jsonl(evaluated.predictions / "test.jsonl")
    assert rows
    for row in rows:
        assert row["display"]["reference"] == row["reference"][::-1]
        assert row["display"]["model"].strip() == row["model"].strip()[::-1]


def test_a_model_that_reads_all_rightly_has_no_errors(evaluated: RunDir, place: Path) -> None:
    shutil.copytree(place / "pages", place / "perfect")
    perfect_pages(place / "perfect", evaluated)
    found = result(run(place, "evaluate", "perfect"))["test"]["model"]
    assert found["characters"] > 500
    assert (found["cer"], found["cer_raw"], found["wer"]) == (0, 0, 0)


@pytest.mark.slow(minutes=3)
def test_the_cer_of_an_epoch_the_final_one_and_that_of_ketos_test_agree(place: Path) -> None:
    """Of a model that was trained on these letters, on the same lines."""
    trained = run(
        place,
        "train",
        "pages",
        "training.quit=fixed",
        "training.epochs=1",
        "training.batch_size=1",
        *lists(place / "pages", 2),
    )
    (epoch,) = trained.epochs()
    scored = result(trained)["validation"]["best"]
    assert (scored["errors_raw"], scored["characters_raw"]) == (epoch["errors"], epoch["characters"])
    tested = result(trained)["test"]["best"]
    for found, side in ((scored, "validation"), (tested, "test")):
        assert (found["errors_raw"], found["characters_raw"]) == by_ketos(trained.best, trained.page_list(side))
    assert scored["cer_raw"] == pytest.approx(epoch["val_cer"])
    assert scored["cer"] == pytest.approx(epoch["val_cer"], abs=0.01)  # several blanks are one in the first
