"""The whole job with the real kraken, on a few of the demo's pages: trained, killed, resumed, scored, repeated."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from helpers.folders import DEMO
from helpers.ketos_test import ketos_test
from helpers.real_pages import demo_pages
from helpers.real_training import interrupt, needs_kraken, result, run_to_end
from htr_exp.core.files import read_jsonl, sha256_file
from htr_exp.runs.run_dir import RunDir

pytestmark = [pytest.mark.kraken, needs_kraken]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with six pages of the demo, shared by the tests of this file."""
    folder = tmp_path_factory.mktemp("end-to-end")
    demo_pages(folder / "pages")
    return folder


def words(place: Path, *more: str) -> list[str]:
    return [
        "train", f"dataset.path={place / 'pages'}", f"model.path={DEMO / 'base.mlmodel'}", "training.device=cpu",
        "training.quit=fixed", *more,
    ]  # fmt: skip


def train(place: Path, *more: str) -> RunDir:
    return run_to_end(place, *words(place, *more))


@pytest.fixture(scope="module")
def first(place: Path) -> RunDir:
    return train(place, "training.epochs=2")


def scores(run: RunDir) -> dict[str, Any]:
    return {side: result(run)[side] for side in ("test", "validation")}


def test_a_run_trains_gains_and_accounts_for_every_line(first: RunDir, place: Path) -> None:
    split = json.loads(first.split.read_text(encoding="utf-8"))
    names = [page["page"] for side in ("train", "validation", "test") for page in split[side]]
    assert sorted(names) == sorted(path.name for path in (place / "pages").glob("*.xml"))
    facts = first.facts()
    assert sum(page["lines"] for side in split.values() for page in side) == facts["dataset"]["lines"]
    test = scores(first)["test"]
    assert (
        test["best"]["lines"]
        == sum(page["lines"] for page in split["test"])
        == len(read_jsonl(first.predictions / "test.jsonl"))
    )
    assert test["best"]["cer"] < test["base"]["cer"]
    assert [record["epoch"] for record in first.epochs()] == [1, 2]
    assert not first.training.exists()  # the disk is not left full of checkpoints


def test_cer_raw_is_the_figure_of_ketos_test(first: RunDir) -> None:
    figures = ketos_test(
        str(Path(sys.executable).with_name("ketos")), "-d", "cpu", "--workers", "0", "--threads", "1", "test", "-f", "binary", "-B", "1",
        "-m", str(first.best), "-e", str(first.live / "test.list"),
    )  # fmt: skip
    best = scores(first)["test"]["best"]
    assert (best["errors_raw"], best["characters_raw"]) == figures


def test_again_compiles_nothing_and_repeats_every_figure(first: RunDir, place: Path) -> None:
    cache = place / "cache"
    before = {path: (path.stat().st_mtime_ns, sha256_file(path)) for path in cache.glob("compiled/*.arrow")}
    second = train(place, "training.epochs=2", "again=true")
    assert second.path != first.path
    assert {path: (path.stat().st_mtime_ns, sha256_file(path)) for path in cache.glob("compiled/*.arrow")} == before
    assert json.loads(second.split.read_text()) == json.loads(first.split.read_text())
    assert scores(second) == scores(first)
    assert [record["errors"] for record in second.epochs()] == [record["errors"] for record in first.epochs()]


def test_compiled_bytes_are_the_same_in_another_workspace(first: RunDir, place: Path, tmp_path: Path) -> None:
    ketos = Path(sys.executable).with_name("ketos")
    target = tmp_path / "again.arrow"
    subprocess.run(
        [str(ketos), "--workers", "0", "compile", "-f", "page", "-o", str(target), "-F", str(first.live / "test.pages")],
        check=True, capture_output=True, timeout=600,
    )  # fmt: skip
    assert sha256_file(target) == sha256_file(Path((first.live / "test.list").read_text().strip()))


@pytest.mark.slow(minutes=2)
def test_killed_and_terminated_a_run_ends_as_one_with_every_epoch_once(place: Path) -> None:
    more = ("training.epochs=6", "training.leg_epochs=4", "tracking=none")
    for number, kill_after in ((signal.SIGKILL, 2), (signal.SIGTERM, 4)):
        interrupt(place, number, *words(place, *more), epochs=kill_after)
    run = train(place, *more)
    assert [record["epoch"] for record in run.epochs()] == list(range(1, 7))
    assert len(list((place / "runs").glob(f"*-{run.key[:8]}*"))) == 1
    starts = [start for start in read_jsonl(run.starts) if start.get("new_leg") is False]
    assert len(starts) == 3
    assert starts[1]["lost_epochs"] <= 1  # SIGKILL: the epoch whose checkpoint was being written at most
    assert starts[2]["lost_epochs"] == 0  # SIGTERM: nothing that was finished


@pytest.mark.slow
def test_a_model_from_scratch_records_the_network_that_trained(place: Path) -> None:
    spec = "[1,12,0,1 Cr3,3,8 S1(1x0)1,3]"
    run = run_to_end(
        place, "train", f"dataset.path={place / 'pages'}", "model=none", f"architecture.spec={spec}",
        "training.device=cpu", "training.quit=fixed", "training.epochs=1", "tracking=none",
    )  # fmt: skip
    found = result(run)
    assert found["network"].startswith("[1,12,0,1 Cr{C_0}3,3,8")
    assert found["test"]["base"] is None
    assert found["test"]["best"]["lines"] > 0
