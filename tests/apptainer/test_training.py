"""The whole job with the real kraken 7.1 in an image, beside the same on the host."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest

from helpers.folders import DEMO
from helpers.real_pages import demo_pages
from helpers.real_training import CPU, interrupt, result, run_to_end
from helpers.waiting import until
from htr_exp.core.files import read_jsonl
from htr_exp.runs.run_dir import RunDir

FIXED = ("training.quit=fixed", "training.epochs=2")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with six pages of the demo, shared by the tests of this file; its name is one that users have."""
    folder = tmp_path_factory.mktemp("in image") / "Été, pages [1]"
    demo_pages(folder / "pages")
    return folder


@pytest.fixture(scope="module")
def in_image(kraken_image: Path, image_bind: list[str]) -> list[str]:
    """The words of the runtime."""
    return ["runtime=apptainer", f"runtime.image={kraken_image}", *(f"runtime.bind=[{bind}]" for bind in image_bind)]


def words(place: Path, verb: str, *more: str) -> list[str]:
    return [verb, f"dataset.path={place / 'pages'}", f"model.path={DEMO / 'base.mlmodel'}", *CPU, *more]


def run(place: Path, verb: str, *more: str) -> RunDir:
    return run_to_end(place, *words(place, verb, *more))


@pytest.fixture(scope="module")
def trained(place: Path, in_image: list[str]) -> RunDir:
    return run(place, "train", *in_image, *FIXED)


def test_a_run_trains_and_gains_in_the_image(trained: RunDir, kraken_image: Path) -> None:
    found = result(trained)
    assert (found["kraken"]["kind"], found["kraken"]["image"]) == ("apptainer", kraken_image.name)
    assert len(found["kraken"]["image_sha256"]) == 64
    assert found["test"]["best"]["cer"] < found["test"]["base"]["cer"]


def test_one_seed_gives_the_same_curve_and_scores_in_the_image_and_on_the_host(trained: RunDir, place: Path) -> None:
    host = run(place, "train", *FIXED)
    assert host.path != trained.path
    assert [record["errors"] for record in host.epochs()] == [record["errors"] for record in trained.epochs()]
    for side in ("test", "validation"):
        assert result(host)[side] == result(trained)[side]


def test_one_model_scores_the_same_in_the_image_and_on_the_host(
    trained: RunDir, place: Path, in_image: list[str]
) -> None:
    shutil.rmtree(place / "cache" / "predictions")
    there = result(run(place, "evaluate", *in_image))
    shutil.rmtree(place / "cache" / "predictions")
    here = result(run(place, "evaluate"))
    assert there["kraken"]["kind"] != here["kraken"]["kind"]
    assert there["test"] == here["test"]


def test_killed_and_terminated_a_run_in_the_image_goes_on_and_leaves_nothing_behind(
    place: Path, in_image: list[str]
) -> None:
    more = (*in_image, "training.quit=fixed", "training.epochs=5", "seed=3")
    for number, after in ((signal.SIGKILL, 2), (signal.SIGTERM, 3)):
        interrupt(place, number, *words(place, "train", *more), epochs=after)
        until(lambda: not working_in(place), "kraken in the image to end with us")
    found = run(place, "train", *more)
    assert [record["epoch"] for record in found.epochs()] == list(range(1, 6))
    starts = [start for start in read_jsonl(found.starts) if "leg" in start]
    assert starts[1]["lost_epochs"] <= 1
    assert starts[2]["lost_epochs"] == 0


def working_in(place: Path) -> list[str]:
    """The processes, beside this one, that name the runs of a workspace."""
    found = []
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            named = f"{place}/runs/" in line.read_text(errors="replace")
        except OSError:
            continue
        if named and int(line.parent.name) != os.getpid():
            found.append(line.parent.name)
    return found
