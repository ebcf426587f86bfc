"""A run folder, or its whole workspace, that is moved, renamed or deleted while a run is at work in it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.command_line import CommandLine
from helpers.fake_kraken import Scenario
from helpers.processes import lives
from helpers.waiting import until
from helpers.whole_runs import Quiet, do
from htr_exp.core.signals import Stop
from htr_exp.core.task import Epoch, Task
from htr_exp.pipeline.run import run_stages
from htr_exp.runs.run_dir import RunDir
from htr_exp.runs.run_place import RunGoneError


def renamed(run: RunDir) -> Path:
    return run.path.rename(run.path.with_name("renamed"))


def moved(run: RunDir) -> Path:
    return Path(shutil.move(run.path, run.path.parents[2] / "elsewhere"))


def with_its_workspace(run: RunDir) -> Path:
    workspace = run.path.parents[1].rename(run.path.parents[2] / "new workspace")
    return workspace / "runs" / run.name


def deleted(run: RunDir) -> None:
    def again() -> bool:
        shutil.rmtree(run.path, ignore_errors=True)  # kraken may be writing a file into a folder that is being emptied
        return not run.path.exists()

    until(again, "the run to be deleted")


class Mover(Quiet):
    """Somebody who moves the run when it enters a stage, or has validated two epochs."""

    def __init__(self, run: RunDir, at: str, move: Callable[[RunDir], Path | None]) -> None:
        super().__init__()
        self.run, self._where, self._move = run, at, move
        self.now: Path | None = None

    def _moves(self) -> None:
        self.now = self._move(self.run)
        if self._where == "epoch" and self.run.path.parent.exists():  # as Lightning does before it writes a checkpoint
            (self.run.training / "leg-000").mkdir(parents=True)

    def stage(self, name: str) -> None:
        super().stage(name)
        if name == self._where:
            self._moves()

    def epoch(self, task: Task, record: Epoch, best: Epoch, left_s: float | None) -> None:
        if self._where == "epoch" and record["epoch"] == 2:
            self._moves()


@pytest.mark.parametrize(
    ("at", "move"),
    [
        ("verify", renamed),
        ("compile", with_its_workspace),
        ("epoch", renamed),
        ("epoch", with_its_workspace),
        ("epoch", deleted),
        ("convert", moved),
        ("predict", renamed),
        ("predict", with_its_workspace),
        ("score", moved),
    ],
)
def test_it_stops_says_where_the_run_is_and_makes_nothing_in_the_old_place(
    planned: Callable[..., RunDir], scenario: Scenario, at: str, move: Callable[[RunDir], Path | None]
) -> None:
    scenario.play(epoch_seconds=0.1)
    run = planned("training.epochs=40", "training.leg_epochs=0") if at == "epoch" else planned()
    mover = Mover(run, at, move)
    with pytest.raises(RunGoneError, match="moved, renamed or deleted") as stopped:
        run_stages(run, stop=Stop(), observer=mover)
    assert not run.path.exists()
    assert run.path.parent.exists() == (move is not with_its_workspace)
    assert not any(lives(pid) for pid in scenario.pids())
    if mover.now is None:
        return
    assert f"it is {mover.now} now" in stopped.value.headline
    assert f"resume {'renamed' if move is renamed else mover.now}`" in str(stopped.value)
    there = RunDir(mover.now)
    assert there.state().state == "interrupted"
    assert not there.results.exists()
    if move is renamed:  # where it is
        scenario.play()
        assert do(there).state == "done"
        assert [record["epoch"] for record in there.epochs()] == list(range(1, len(there.epochs()) + 1))


def test_one_that_was_moved_back_goes_on(planned: Callable[..., RunDir], scenario: Scenario) -> None:
    scenario.play(epoch_seconds=0.1)
    run = planned("training.epochs=40", "training.leg_epochs=0")
    mover = Mover(run, "epoch", moved)
    with pytest.raises(RunGoneError):
        run_stages(run, stop=Stop(), observer=mover)
    assert mover.now is not None
    shutil.move(mover.now, run.path)
    scenario.play()
    assert do(run).state == "done"
    assert len(run.epochs()) == 40


@pytest.mark.parametrize("jobs", [1, 2])
def test_of_several_runs_one_that_is_moved_before_it_starts_is_named_and_the_others_are_done(
    htr_exp: CommandLine, scenario: Scenario, jobs: int
) -> None:
    scenario.play(epoch_seconds=0.3)
    sweep = htr_exp.start(*htr_exp.training("-m", "seed=1,2,3", f"launch.jobs={jobs}"))
    runs = htr_exp.folder / "runs"
    until(lambda: len(list(runs.glob("*/live/starts.jsonl"))) >= jobs, "the first runs")
    waits = next(
        path.parent for path in runs.glob("*/manifest.json") if not (path.parent / "live/starts.jsonl").exists()
    )
    waits.rename(runs / "renamed")
    errors = sweep.communicate(timeout=300)[1]
    assert sweep.returncode == 2
    assert "Traceback" not in errors
    assert f"{waits}: the run folder was moved, renamed or deleted" in errors
    assert not waits.exists()
    states = {path.name: RunDir(path).state().state for path in runs.iterdir() if path.is_dir() and path.name[0] != "."}
    assert sorted(states.values()) == ["done", "done", "queued"]


def test_a_run_of_a_workspace_that_was_moved_is_resumed_by_its_command(
    planned: Callable[..., RunDir], htr_exp: CommandLine
) -> None:
    run = planned()
    there = RunDir(with_its_workspace(run))
    htr_exp.folder = there.path.parents[1]
    said = htr_exp("resume", str(there.path))
    assert (said.code, "Traceback" in said.stderr) == (2, False)
    assert f"its workspace was {run.path.parents[1]}, which was moved or renamed" in said.stderr
    assert not run.path.parents[1].exists()
