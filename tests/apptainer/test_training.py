"""The whole job with the real kraken 7.1 in an image, beside the same on the host."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from htr_exp.core.files import read_jsonl
from htr_exp.runs.run_dir import RunDir

DEMO = Path(__file__).parents[2] / "htr_exp" / "demo"
FIXED = ("training.quit=fixed", "training.epochs=2")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with six pages of the demo, shared by the tests of this file; its name is one that users have."""
    folder = tmp_path_factory.mktemp("in image") / "Été, pages [1]"
    (folder / "pages").mkdir(parents=True)
    for xml in sorted((DEMO / "pages").glob("*.xml"))[:6]:
        shutil.copy(xml, folder / "pages")
        shutil.copy(xml.with_suffix(".jpg"), folder / "pages")
    return folder


@pytest.fixture(scope="module")
def in_image(kraken_image: Path, image_bind: list[str]) -> list[str]:
    """The words of the runtime."""
    return ["runtime=apptainer", f"runtime.image={kraken_image}", *(f"runtime.bind=[{bind}]" for bind in image_bind)]


def words(place: Path, verb: str, *more: str) -> list[str]:
    return [
        sys.executable, "-m", "htr_exp", verb, f"dataset.path={place / 'pages'}", f"model.path={DEMO / 'base.mlmodel'}",
        "training.device=cpu", "tracking=none", *more,
    ]  # fmt: skip


def run(place: Path, verb: str, *more: str) -> RunDir:
    said = subprocess.run(
        [*words(place, verb, *more), "--json"], cwd=place, capture_output=True, text=True, timeout=1200, check=False
    )
    assert said.returncode == 0, said.stdout + said.stderr
    told = json.loads(said.stdout.splitlines()[-1])
    assert told["state"] == "done", told
    return RunDir(Path(told["run"]))


def result(of: RunDir) -> dict[str, Any]:
    found = of.result()
    assert found is not None
    return found


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
        process = subprocess.Popen(
            words(place, "train", *more), cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT
        )
        _wait_for_epochs(place, after, process)
        process.send_signal(number)
        process.wait(120)
        _until_nobody_works(place)
    found = run(place, "train", *more)
    assert [record["epoch"] for record in found.epochs()] == list(range(5))
    starts = [start for start in read_jsonl(found.starts) if "leg" in start]
    assert starts[1]["lost_epochs"] <= 1
    assert starts[2]["lost_epochs"] == 0


def _wait_for_epochs(place: Path, count: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 600
    while time.monotonic() < end and process.poll() is None:
        for metrics in (place / "runs").glob("*/metrics.jsonl"):
            if not (metrics.parent / "results.json").exists() and len(read_jsonl(metrics)) >= count:
                return
        time.sleep(0.1)
    raise AssertionError("the training did not get so far")


def _until_nobody_works(place: Path) -> None:
    """Wait until no process names the workspace any more: kraken in the image ends with us."""
    end, mine = time.monotonic() + 60, os.getpid()
    while time.monotonic() < end:
        left = []
        for line in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                named = f"{place}/runs/" in line.read_text(errors="replace")
            except OSError:
                continue
            if named and int(line.parent.name) != mine:
                left.append(line.parent.name)
        if not left:
            return
        time.sleep(0.2)
    raise AssertionError(f"still at work: {left}")
