"""`clean`: what takes room is shown, and only what can be made again is removed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.in_process import Call, in_process
from helpers.whole_runs import do
from htr_exp.core.run_state import RunState
from htr_exp.runs.run_dir import RunDir

pytestmark = pytest.mark.seconds


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], workspace: Path) -> Call:
    return in_process(capsys)


@pytest.fixture
def done(planned: Callable[..., RunDir], scenario, workspace: Path) -> RunDir:
    """A run that is done, with all that it left in the cache."""
    run = planned()
    assert do(run).state == "done"
    return run


def files(folder: Path) -> set[str]:
    return {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}


def test_nothing_is_removed_until_that_is_said(call: Call, done: RunDir, workspace: Path) -> None:
    before = files(workspace)
    said = call("clean")
    assert said.code == 0
    for what in (
        "compiled data",
        "staged pages",
        "predictions that runs share",
        "records, models and logs of runs",
        "clean --yes`",
    ):
        assert what in said.out
    assert files(workspace) == before


def test_what_can_be_made_again_goes_and_everything_else_works_as_before(
    call: Call, done: RunDir, workspace: Path, experiment: list[str]
) -> None:
    (workspace / "cache" / "datasets" / "ab" / "zip").mkdir(parents=True)
    (workspace / "cache" / "datasets" / "ab" / "zip" / "f01.xml").write_text("unpacked")
    kept = files(done.path)
    could = call("clean", "--json").json
    said = call("clean", "--yes", "--json").json
    assert said["freed_bytes"] == could["removable_bytes"] > 0
    assert {path.name for path in (workspace / "cache").iterdir()} == {"datasets"}
    assert files(done.path) == kept
    assert done.broken_seals() == []
    assert call("compare", "--json").json[0]["state"] == "done"
    again = call("clean", "--json").json
    assert (again["removable_bytes"], [one["what"] for one in again["uses"]]) == (
        0,
        ["unpacked zips", "records, models and logs of runs"],
    )
    other = call("train", *experiment, "seed=2", "--json")
    assert (other.code, other.json["state"]) == (0, "done")


@pytest.mark.parametrize("state", [RunState.QUEUED, RunState.INTERRUPTED])
def test_the_cache_is_kept_while_a_run_needs_it(state: RunState, call: Call, done: RunDir, workspace: Path) -> None:
    done.write_state(state)
    before = files(workspace)
    said = call("clean", "--yes")
    assert files(workspace) == before
    assert said.out == "freed 0 bytes\n"
    shown = call("clean").out
    assert f"1 run not ended, so the cache is kept: {done.name} ({state})" in shown
    assert "nothing can be removed" in shown


def test_checkpoints_go_only_of_runs_that_are_named_and_have_ended(call: Call, done: RunDir) -> None:
    checkpoint = done.training / "leg-1" / "epoch.ckpt"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_bytes(b"x" * 10_000)
    done.write_state(RunState.INTERRUPTED)
    refused = call("clean", done.name, "--yes")
    assert (refused.code, "it is interrupted" in refused.err) == (2, True)
    done.write_state(RunState.FAILED)
    assert call("clean", "--yes").code == 0
    assert checkpoint.exists()
    assert f"clean {done.name} --yes`" in call("clean", done.name).out
    assert call("clean", done.name, "--yes").code == 0
    assert not done.training.exists()
    assert done.provenance.exists()


def test_what_was_used_lately_can_be_kept(call: Call, done: RunDir, workspace: Path) -> None:
    old = min((workspace / "cache" / "compiled").rglob("*.arrow"))
    os.utime(old, (time.time() - 9 * 86_400,) * 2)
    kept = files(workspace) - {old.relative_to(workspace).as_posix()}
    assert call("clean", "--yes", "--keep-days", "8").code == 0
    assert files(workspace) == kept
    assert call("clean", "--keep-days", "-1").code == 2


def test_links_are_not_followed_and_a_file_with_two_names_frees_nothing(
    call: Call, done: RunDir, workspace: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "mine.txt").write_text("mine" * 10_000)
    (workspace / "cache" / "pages" / "link").symlink_to(elsewhere)
    (workspace / "cache" / "pages" / "link.xml").symlink_to(elsewhere / "mine.txt")
    before = call("clean", "--json").json["removable_bytes"]
    (workspace / "cache" / "pages" / "twin").hardlink_to(elsewhere / "mine.txt")
    assert call("clean", "--yes", "--json").json["freed_bytes"] == before
    assert (elsewhere / "mine.txt").exists()
    assert (workspace / "cache" / "pages" / "link").is_symlink()
    assert (workspace / "cache" / "pages" / "link.xml").is_symlink()
