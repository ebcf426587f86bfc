"""A search whose trials are jobs: one array for each wave, and the command that was typed waits for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakes.fake_sbatch import Sbatch, put_on_path
from fakes.fake_slurm_site import site
from helpers.folders import SLURM_DATA
from helpers.in_process import in_process
from htr_exp.runs.selection import runs_in


@pytest.fixture
def programs(tmp_path: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Sbatch:
    """A cluster that takes jobs, and of which no job is ever seen again."""
    found = site(tmp_path, monkeypatch)
    found.says("sinfo", (SLURM_DATA / "sinfo.txt").read_text())
    found.queue()
    return put_on_path(found.file.parent / "bin", monkeypatch)


def test_a_wave_is_an_array_and_lost_trials_are_told_as_failed_and_submitted_again(
    experiment: list[str], programs: Sbatch, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = in_process(capsys)
    words = ["train", "-m", *experiment, "slurm=publicgpu", "launch/search=optuna", "training.lrate=interval(1e-4,1e-2)",
             "launch.search.trials=8", "launch.search.at_a_time=2"]  # fmt: skip
    said = call(*words)
    assert said.code == 1
    assert "keep this terminal open, or run it in tmux" in said.out
    assert "trial 4 of 8" in said.out, "two trials without a score do not end a search"
    assert "trial 5 of 8" not in said.out, "four do"
    assert "no longer in the queue" in said.out
    arrays = [script for script in programs.scripts if "#SBATCH --array=0-1%2" in script]
    assert len(arrays) == 2
    runs = runs_in(workspace / "runs")
    assert sorted(member["trial"] for run in runs for member in run.memberships) == [1, 2, 3, 4]
    assert {len(run.jobs) for run in runs} == {1}

    again = call(*words)
    assert again.code == 1, again.err
    assert "It goes on: 4 trials so far, 0 done" in again.out
    assert len(runs_in(workspace / "runs")) == 4, "what was lost comes before new trials"
    assert {len(run.jobs) for run in runs} == {2}, again.out
