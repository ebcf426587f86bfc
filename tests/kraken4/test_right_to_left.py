"""Right-to-left text with the real kraken 4.3.13: what is read rightly has no errors, and the figures are kraken's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.ketos_test import counted_by_4_3, ketos_test
from helpers.real_training import CPU, result, run_to_end
from helpers.right_to_left import perfect_pages, right_to_left_model, right_to_left_pages
from htr_exp.core.files import read_jsonl
from htr_exp.runs.run_dir import RunDir


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with the demo's model and two of its pages in letters from right to left."""
    folder = tmp_path_factory.mktemp("right-to-left")
    right_to_left_model(folder / "model.mlmodel")
    right_to_left_pages(folder / "pages", 2)
    return folder


@pytest.fixture(scope="module")
def evaluated(place: Path, in_module: list[str]) -> RunDir:
    return evaluate(place, in_module)


def evaluate(place: Path, in_module: list[str]) -> RunDir:
    words = [f"dataset.path={place / 'pages'}", f"model.path={place / 'model.mlmodel'}", "leakage.accept=[base_model]"]
    return run_to_end(place, "evaluate", *words, *CPU, *in_module)


def test_cer_raw_is_the_figure_of_ketos_test_but_for_blanks_at_the_ends(
    evaluated: RunDir, place: Path, kraken4: Path
) -> None:
    figures = ketos_test(
        f"{kraken4}/bin/ketos", "test", "-d", "cpu", "--workers", "0", "-f", "page", "-m", str(place / "model.mlmodel"),
        "-e", str(evaluated.live / "test.pages"),
    )  # fmt: skip
    counted, at_ends = counted_by_4_3(read_jsonl(evaluated.predictions / "test.jsonl"), "model")
    assert figures == counted
    scored = result(evaluated)["test"]["model"]
    assert scored["errors_raw"] == pytest.approx(figures[0], abs=at_ends)
    assert scored["characters_raw"] == figures[1]


def test_a_model_that_reads_all_rightly_has_no_errors(evaluated: RunDir, place: Path, in_module: list[str]) -> None:
    perfect_pages(place / "pages", evaluated)
    found = result(evaluate(place, in_module))["test"]["model"]
    assert found["characters"] > 200
    assert (found["cer"], found["cer_raw"], found["wer"]) == (0, 0, 0)
