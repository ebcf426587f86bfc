"""The benchmark of the command line measures runs as they are, whatever the run folder has become."""

from __future__ import annotations

import os
import runpy
from pathlib import Path

import pytest

from helpers.folders import CHECKOUT
from helpers.in_process import Call
from htr_exp.config.compose import compose_experiment

MADE = runpy.run_path(str(CHECKOUT / "benchmarks/bench_cli.py"))


def test_the_runs_that_are_measured_are_done_and_whole(call: Call, tmp_path: Path) -> None:
    values = compose_experiment(["dataset=demo", "model=none", "architecture=small"]).values
    for number in range(2):
        MADE["make_run"](tmp_path / "runs", number, values)

    for verb in ("status", "compare"):
        rows = call(verb, "--json", "--workspace", tmp_path).json
        assert [(row["state"], row["reason"], row["test_cer"]) for row in rows] == [("done", None, 0.05)] * 2


def test_the_submitted_runs_that_are_measured_are_in_the_queue(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    MADE["make_slurm"](tmp_path / "slurm")
    monkeypatch.setenv("PATH", str(tmp_path / "slurm"), prepend=os.pathsep)
    values = compose_experiment(["dataset=demo", "model=none", "architecture=small"]).values
    for number in range(2):
        MADE["make_run"](tmp_path / "runs", number, values)
    MADE["make_submitted"](tmp_path / "runs")

    assert [row["state"] for row in call("status", "--json", "--workspace", tmp_path).json] == ["running"] * 2
