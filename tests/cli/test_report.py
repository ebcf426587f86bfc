"""`report`: the verb that writes what a paper needs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from helpers.one_training import User
from htr_exp.core import files
from htr_exp.core.run_state import RunState
from htr_exp.runs.run_dir import RunDir

pytestmark = pytest.mark.seconds


def test_a_folder_is_written_and_said(user: User, tmp_path: Path) -> None:
    out = tmp_path / "paper"
    said = user.call("report", user.first.name, "--out", str(out))
    assert said.code == 0
    assert said.out.startswith(f"1 run: {(out / 'index.html').as_uri()}\n")
    again = user.call("report", user.first.name, "--out", str(out), "--json").json
    assert (again["runs"], again["without"], again["changed"]) == ([user.first.name], [], [])
    assert {path.name for path in out.iterdir()} == {*again["files"]}


def test_a_question_means_its_runs(user: User, tmp_path: Path) -> None:
    question = user.first.facts()["run"]["question"]
    assert user.call("report", question, "--out", str(tmp_path / "paper"), "--json").json["runs"]


def test_what_cannot_be_is_said(user: User, tmp_path: Path) -> None:
    lacking = user.call("report", user.first.name)
    assert (lacking.code, "say which: `" in lacking.err) == (2, True)
    unknown = user.call("report", "nothing", "--out", str(tmp_path / "paper"))
    assert (unknown.code, "nothing" in unknown.err) == (2, True)
    assert not (tmp_path / "paper").exists()


def test_a_damaged_record_is_named_and_nothing_is_written(user: User, tmp_path: Path) -> None:
    facts = files.read_json(user.first.provenance)
    files.write_json(user.first.provenance, facts | {"dataset": {"name": "odalricus"}})
    said = user.call("report", user.first.name, "--out", str(tmp_path / "paper"))
    assert said.code == 2
    assert user.first.name in said.err
    assert "Traceback" not in said.err
    assert not (tmp_path / "paper").exists()


def test_among_many_runs_the_damaged_one_is_named(user: User, tmp_path: Path) -> None:
    """Not the first ones."""
    for name in ("a", "b", "failed", "odd"):
        shutil.copytree(user.first.path, user.first.path.with_name(name))
    RunDir(user.first.path.with_name("failed")).write_state(RunState.FAILED, reason="no disk")
    odd = RunDir(user.first.path.with_name("odd"))
    facts = odd.facts()
    files.write_json(odd.provenance, facts | {"split": facts["split"] | {"train": 4}})
    odd.seal({})
    odd.seal_results()
    said = user.call("report", facts["run"]["question"], "--out", str(tmp_path / "paper"))
    assert (said.code, "Traceback" in said.err) == (2, False)
    assert "error: odd: the report cannot be made, a run folder is damaged or was edited (" in said.err
    assert not (tmp_path / "paper").exists()


def test_compare_answers_a_margin(user: User) -> None:
    rows = user.call("compare", "--margin", "0.5", "--json").json
    assert all("no_worse" in row for row in rows)
    assert "points of test CER" in user.call("compare", "--margin", "0.5").out
    refused = user.call("compare", "--margin", "-1")
    assert (refused.code, "--margin -1: it must be above 0" in refused.err) == (2, True)
