"""Line pairs with the real kraken: trained, and scored as `ketos test -f path` scores the same model on the same pictures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.folders import DEMO
from helpers.ketos_test import ketos_test
from helpers.line_pairs import cut_pairs
from helpers.real_training import CPU, needs_kraken, result, run_to_end
from htr_exp.core.files import read_jsonl
from htr_exp.runs.run_dir import RunDir

pytestmark = [pytest.mark.kraken, pytest.mark.slow(minutes=2), needs_kraken]

KETOS = str(Path(sys.executable).with_name("ketos"))
BASE = DEMO / "base.mlmodel"
PAGES, LINES = 5, 4


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a few lines of a few pages of the demo."""
    folder = tmp_path_factory.mktemp("line pairs [1]")  # a glob to kraken, if it is not told otherwise
    cut_pairs(DEMO / "pages", folder / "lines", pages=PAGES, lines=LINES)
    return folder


@pytest.fixture(scope="module")
def run(place: Path) -> RunDir:
    return run_to_end(
        place, "train", f"dataset.path={place / 'lines'}", f"model.path={BASE}", "training.quit=fixed", "training.epochs=1", *CPU
    )  # fmt: skip


def counted(model: Path, place: Path, run: RunDir) -> tuple[int, int]:
    """What `ketos test -f path` counts on the user's own pictures of the test pages."""
    split = json.loads(run.split.read_text(encoding="utf-8"))
    pictures = place / "test.txt"
    pictures.write_text("".join(f"{place / 'lines' / line}\n" for page in split["test"] for line in page["line_ids"]))
    return ketos_test(
        KETOS, "-d", "cpu", "--workers", "0", "--threads", "1", "test", "-f", "path", "-B", "1", "-m", str(model), "-e", str(pictures)
    )  # fmt: skip


def test_the_scores_are_those_of_ketos_test_and_its_commands_repeat_them(place: Path, run: RunDir) -> None:
    test = result(run)["test"]
    for name, model in (("base", BASE), ("best", run.best)):
        assert (test[name]["errors_raw"], test[name]["characters_raw"]) == counted(model, place, run), name
    split = json.loads(run.split.read_text(encoding="utf-8"))
    assert sum(len(pages) for pages in split.values()) == PAGES
    assert len(read_jsonl(run.predictions / "test.jsonl")) == LINES * len(split["test"]) == test["best"]["lines"]

    kraken = os.environ | {
        "PATH": f"{Path(KETOS).parent}{os.pathsep}{os.environ['PATH']}",
        "OUT": str(place / "by hand"),
    }
    said = subprocess.run(
        ["sh", str(run.commands)], capture_output=True, text=True, timeout=600, check=False, env=kraken
    )
    assert said.returncode == 0, said.stdout + said.stderr
    ours = {row["best"] for row in read_jsonl(run.predictions / "test.jsonl")}
    theirs = {json.loads(file.read_text("utf-8"))["text"] for file in (place / "by hand" / "best").glob("*.jsonl")}
    assert ours <= theirs
