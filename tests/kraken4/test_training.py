"""The whole job with the real kraken 4.3.13, through a real environment module, beside 7.1's on the host."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.folders import DEMO
from helpers.ketos_test import counted_by_4_3, ketos_test
from helpers.real_pages import demo_pages
from helpers.real_training import CPU, interrupt, result, run_to_end
from htr_exp.core.files import read_jsonl
from htr_exp.kraken.model_file import read_header
from htr_exp.runs.run_dir import RunDir


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with six pages of the demo, shared by the tests of this file."""
    folder = tmp_path_factory.mktemp("kraken4")
    demo_pages(folder / "pages")
    return folder


def words(place: Path, verb: str, *more: str) -> list[str]:
    return [verb, f"dataset.path={place / 'pages'}", *CPU, *more]


def run(place: Path, verb: str, *more: str) -> RunDir:
    return run_to_end(place, *words(place, verb, *more))


FIXED = ("training.quit=fixed", "training.epochs=2", f"model.path={DEMO / 'base.mlmodel'}")

SEEN = "leakage.accept=[base_model]"
"""A model is evaluated on pages among which are those that it was trained on, and the guard knows it."""


@pytest.fixture(scope="module")
def old(place: Path, in_module: list[str]) -> RunDir:
    return run(place, "train", *in_module, *FIXED)


@pytest.fixture(scope="module")
def new(place: Path) -> RunDir:
    return run(place, "train", *FIXED)


def test_a_run_trains_and_gains(old: RunDir) -> None:
    found = result(old)
    assert (found["kraken"]["version"], found["kraken"]["kind"]) == ("4.3.13", "module")
    assert found["kraken"]["module"] == "kraken/4.3.13"
    assert found["test"]["best"]["cer"] < found["test"]["base"]["cer"]
    assert [record["epoch"] for record in old.epochs()] == [1, 2]  # the sanity check is none
    assert found["test"]["best"]["lines"] == len(read_jsonl(old.predictions / "test.jsonl"))


def test_cer_raw_is_the_figure_of_ketos_test_but_for_blanks_at_the_ends(old: RunDir, kraken4: Path) -> None:
    figures = ketos_test(
        f"{kraken4}/bin/ketos", "test", "-d", "cpu", "--workers", "0", "-f", "binary", "-m", str(old.best), "-e", str(old.live / "test.list"),
    )  # fmt: skip
    counted, at_ends = counted_by_4_3(read_jsonl(old.predictions / "test.jsonl"), "best")
    assert figures == counted
    best = result(old)["test"]["best"]
    assert best["errors_raw"] == pytest.approx(figures[0], abs=at_ends)
    assert best["characters_raw"] == figures[1]


def test_the_same_seed_gives_the_same_figures(old: RunDir, place: Path, in_module: list[str]) -> None:
    second = run(place, "train", *in_module, *FIXED, "again=true")
    assert [record["errors"] for record in second.epochs()] == [record["errors"] for record in old.epochs()]
    assert {side: result(second)[side] for side in ("test", "validation")} == {
        side: result(old)[side] for side in ("test", "validation")
    }


def test_the_versions_share_pages_and_compare_marks_them(old: RunDir, new: RunDir, place: Path) -> None:
    assert json.loads(old.split.read_text()) == json.loads(new.split.read_text())
    assert (old.live / "test.list").read_text() != (new.live / "test.list").read_text()
    said = subprocess.run([sys.executable, "-m", "htr_exp", "compare"], cwd=place, capture_output=True, text=True)
    assert "mixed: these runs used different versions of kraken" in said.stdout


def test_a_model_of_the_newer_release_transcribes_in_the_older(new: RunDir, place: Path, in_module: list[str]) -> None:
    scored = result(run(place, "evaluate", *in_module, f"model.path={new.best}", SEEN))
    assert scored["kraken"]["version"] == "4.3.13"
    # cut out differently, the same lines score a little otherwise, and are read all the same
    assert scored["test"]["model"]["cer"] < result(new)["test"]["base"]["cer"]


def test_a_model_of_the_older_release_transcribes_in_the_newer(old: RunDir, place: Path) -> None:
    scored = result(run(place, "evaluate", f"model.path={old.best}", SEEN))
    assert scored["kraken"]["version"].startswith("7.1.")
    assert scored["test"]["model"]["cer"] < result(old)["test"]["base"]["cer"]


def test_a_fine_tune_carries_the_history_of_its_base_and_the_best_is_still_right(
    old: RunDir, place: Path, in_module: list[str]
) -> None:
    tuned = run(place, "train", *in_module, *FIXED[:2], f"model.path={old.best}", "seed=2")
    history = read_header(tuned.best).metadata["accuracy"]
    assert len(history) > result(tuned)["best_epoch"]
    assert history[-1][1] == pytest.approx(1 - result(tuned)["val_cer_while_training"], abs=1e-5)


def test_killed_and_terminated_it_goes_on_by_warm_restarts(place: Path, in_module: list[str]) -> None:
    more = (*in_module, f"model.path={DEMO / 'base.mlmodel'}", "training.quit=fixed", "training.epochs=5", "seed=3")
    for number, after in ((signal.SIGKILL, 2), (signal.SIGTERM, 3)):
        interrupt(place, number, *words(place, "train", *more), epochs=after)
    found = run(place, "train", *more)
    assert [record["epoch"] for record in found.epochs()] == list(range(1, 6))
    starts = [start for start in read_jsonl(found.starts) if "leg" in start]
    assert [start["warm_restart"] for start in starts] == [False, True, True]
    assert all(start["lost_epochs"] <= 1 for start in starts)
    assert starts[-1]["resumed_from"].startswith("m_")
