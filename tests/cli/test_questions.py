"""Runs are named by their question, too, and programs read the table of it."""

from __future__ import annotations

import argparse
import csv
import io
from pathlib import Path
from types import SimpleNamespace

import pytest

from helpers.in_process import Call
from helpers.recorded_runs import make_run, tracked
from htr_exp.cli.chosen_runs import chosen_runs
from htr_exp.core.errors import ConfigError
from htr_exp.runs.records import Provenance
from htr_exp.runs.run_dir import RunDir


def chosen(workspace: Path, *names: str) -> list[str]:
    places = SimpleNamespace(runs=workspace / "runs")
    return [run.name for run in chosen_runs(argparse.Namespace(runs=names, places=places, verb="compare"))]


def test_the_runs_of_each_question_are_chosen_and_each_record_is_looked_at_once_for_all_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, question in (("a", "rates"), ("b", "sizes"), ("c", "rates"), ("d", "seeds")):
        make_run(tmp_path, f"{name}-0000000a", question=question)
    asked: list[str] = []
    facts = RunDir.facts

    def counting(run: RunDir) -> Provenance:
        asked.append(run.name)
        return facts(run)

    monkeypatch.setattr(RunDir, "facts", counting)
    assert chosen(tmp_path, "rates") == ["a-0000000a", "c-0000000a"]
    one, asked[:] = len(asked), []
    assert chosen(tmp_path, "rates", "sizes", "seeds") == ["a-0000000a", "c-0000000a", "b-0000000a", "d-0000000a"]
    assert len(asked) == one
    with pytest.raises(ConfigError, match="no such run"):
        chosen(tmp_path, "rates", "other")


def test_programs_read_the_table_of_an_experiment(call: Call, tmp_path: Path) -> None:
    for name in ("a", "b"):
        tracked(make_run(tmp_path, f"{name}-0000000a", sweep="0a1b2c3d"), "none")
    tracked(make_run(tmp_path, "other-0000000a", lrate=0.5), "none")
    words = ("compare", "a", "b", "--workspace", tmp_path)
    shown = call(*words).out
    assert "12.00 %" in shown.partition("sd over seeds")[2]
    for row in call(*words, "--json").json:
        condition = row["condition"]
        assert (condition["name"], condition["runs"], condition["mean"], condition["sd"]) == ("all runs", 2, 0.12, 0.0)
    for line in csv.DictReader(io.StringIO(call(*words, "--csv").out)):
        assert (line["condition_runs"], line["condition_mean"]) == ("2", "0.12")
    assert [row["condition"] for row in call("compare", "--json", "--workspace", tmp_path).json] == [None] * 3
