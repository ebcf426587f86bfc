"""Exact resuming with the real kraken: killed at random moments, a training is bit for bit the one that was not killed."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from helpers.folders import DEMO
from helpers.real_pages import demo_pages, lists, narrow_pages
from helpers.real_training import CPU, command, interrupt, needs_kraken, result, run_to_end
from helpers.waiting import TIMEOUT_S, until
from htr_exp.runs.run_dir import RunDir
from htr_exp.runs.selection import runs_in

pytestmark = [pytest.mark.kraken, pytest.mark.slow(minutes=6), needs_kraken]

SMALL = "[1,240,0,3 Cr7,7,16,2,2 Gn4 Cr3,3,16,2,2 Gn4 Lbx8 Lby8]"

SEED = 20261129
KILLS = 2
OF_THE_MACHINE = ("seconds", "time", "memory_gb", "gpu_memory_gb", "cpu_s")


def words(place: Path, *more: str) -> list[str]:
    return [
        "train", f"dataset.path={place / 'pages'}", f"model.path={DEMO / 'base.mlmodel'}", f"site.cache={place / 'cache'}",
        "training.device=cpu", "tracking=none", "training.exact=true", "training.leg_epochs=2", "split.train_pages=1", *more,
    ]  # fmt: skip


def kill_somewhere(place: Path, chance: random.Random, *of_run: str) -> None:
    """Start a run, and kill it at a moment by chance, if it is not done before."""

    def said(what: str) -> int:
        return sum(
            run.log.read_text(encoding="utf-8").count(what) for run in runs_in(place / "runs") if run.log.exists()
        )

    starts, validated = said(" train "), said("validation run") + chance.randint(0, 2)
    process = subprocess.Popen(command(*of_run), cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
    moment = lambda: process.poll() is not None or (said(" train ") > starts and said("validation run") >= validated)
    until(moment, "a moment to kill at", timeout=1200)
    time.sleep(2 * chance.random())
    process.kill()
    process.wait(TIMEOUT_S)


def curve(run: RunDir) -> list[dict[str, Any]]:
    return [{key: value for key, value in record.items() if key not in OF_THE_MACHINE} for record in run.epochs()]


def test_killed_at_random_moments_it_gives_the_same_weights_curve_and_scores(tmp_path: Path) -> None:
    demo_pages(tmp_path / "pages")
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for place in (whole, killed):
        place.mkdir()
    of_run = words(tmp_path, "training.quit=early", "training.lag=3", "training.epochs=4")
    expected = run_to_end(whole, *of_run)
    chance = random.Random(SEED)
    for _ in range(KILLS):
        kill_somewhere(killed, chance, *of_run)
    run = run_to_end(killed, *of_run)
    assert_same(run, expected)
    assert len(result(run)["resumed_at"]) >= KILLS // 2, "it was too quick to be killed"


def test_a_segmentation_that_is_killed_once_gives_the_same_weights_curve_and_scores(tmp_path: Path) -> None:
    narrow_pages(DEMO / "pages", tmp_path / "pages", 4)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for place in (whole, killed):
        place.mkdir()
    of_run = [
        "train", "task=segmentation", f"dataset.path={tmp_path / 'pages'}", "model=none", "architecture=small_segmentation",
        f"architecture.spec={SMALL}", f"site.cache={tmp_path / 'cache'}", *CPU, "training.exact=true", "training.leg_epochs=2",
        "training.quit=fixed", "training.epochs=4", "training.lrate=0.01", *lists(tmp_path / "pages", 2),
    ]  # fmt: skip
    expected = run_to_end(whole, *of_run)
    interrupt(killed, signal.SIGKILL, *of_run, epochs=3)
    run = run_to_end(killed, *of_run)
    assert result(run)["resumed_at"] == [2]
    assert_same(run, expected)


def assert_same(run: RunDir, expected: RunDir) -> None:
    """A run that was killed is the one that was not, but for what is said of it."""
    assert run.key == expected.key
    assert curve(run) == curve(expected)
    found: dict[str, Any] = {**result(run)}
    wanted: dict[str, Any] = {**result(expected)}
    assert (found["resumed_exactly"], wanted["resumed_at"]) == (True, [])
    assert found["weights"] == wanted["weights"]
    for of in (found, wanted):  # the bytes of a model file differ: kraken writes the metadata in any order
        for key in ("time", "models", "resumed_at", "resumed_exactly"):
            del of[key]
    assert found == wanted
