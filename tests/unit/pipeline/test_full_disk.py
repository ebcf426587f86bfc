"""Disks that are full or closed are told in plain words."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from helpers.disks import small_disk

Disk = Callable[[Path, str], Path]


@pytest.fixture
def disk() -> Iterator[Disk]:
    """Mount small disks until the test ends."""
    with contextlib.ExitStack() as mounted:
        yield lambda folder, options: mounted.enter_context(small_disk(folder, options))


@pytest.mark.parametrize("place", ["cache", "runs"])
def test_full_disk_is_told_in_plain_words_and_the_same_command_finishes(
    htr_exp, scenario, disk: Disk, workspace: Path, place: str
) -> None:
    folder = disk(workspace / place, "size=600k")
    ballast = folder / "ballast"
    scenario.play(checkpoint_kb=1)
    try:
        with open(ballast, "wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass
    except OSError:
        pass
    full = htr_exp.train()
    assert full.code in (1, 2)
    said = full.stdout + full.stderr
    assert "the disk or the quota is full" in said
    assert "Traceback" not in said
    ballast.unlink()
    assert htr_exp.train().code == 0
    (run,) = htr_exp.runs
    assert run.state().state == "done"
    assert run.results.exists()


@pytest.mark.parametrize("free_kb", [70, 120, 200])
def test_disk_that_fills_up_while_training(htr_exp, scenario, disk: Disk, workspace: Path, free_kb: int) -> None:
    folder = disk(workspace / "runs", "size=600k")
    (folder / "ballast").write_bytes(bytes(1024 * (600 - free_kb)))
    scenario.play(checkpoint_kb=40)
    full = htr_exp.train("training.epochs=6")
    assert full.code in (1, 2)
    assert "Traceback" not in full.stderr
    (folder / "ballast").unlink()
    again = htr_exp.train("training.epochs=6")
    assert (again.code, again.stderr) == (0, ""), again.stdout
    (run,) = htr_exp.runs
    assert [record["epoch"] for record in run.epochs()] == list(range(1, 7))
    assert [json.loads(line)["epoch"] for line in run.metrics.read_text().splitlines()] == list(range(1, 7))


def test_run_folder_that_cannot_be_written_is_told_in_plain_words(
    htr_exp, scenario, disk: Disk, workspace: Path
) -> None:
    folder = disk(workspace / "runs", "size=2m")
    scenario.play(fail="train")
    assert htr_exp.train().code == 1
    scenario.play()
    os.system(f"mount -o remount,ro {folder}")
    done = htr_exp.train()
    assert done.code == 2
    assert "cannot be written (Read-only file system)" in done.stderr
    assert "site.workspace=FOLDER" in done.stderr
    assert "Traceback" not in done.stderr
