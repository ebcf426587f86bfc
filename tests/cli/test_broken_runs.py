"""A run folder that somebody damaged, or a full disk cut short, never hides the others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from helpers.in_process import Call, in_process
from helpers.recorded_runs import make_run, tracked
from htr_exp.core import files
from htr_exp.core.run_state import RunState
from htr_exp.runs import run_dir
from htr_exp.runs.run_dir import RunDir
from htr_exp.tracking import run_view, subprocesses

NOT_A_RUN = {
    "provenance.json": ("", "null", "[1]", "{}", '{"run": 3}', "{\n", '{"run": {"key": "k", "task": "dance"}}', None),
}
"""Files without which a run cannot be told, with contents that say nothing; None: the file is missing."""

ODD = ("", "null", "3", "[]", "[3]", '"text"', "{\n", "{}", "\x00\xff", None)
UNNEEDED = ("results.json", "metrics.jsonl", "live/state.json", "live/starts.jsonl", "live/jobs.jsonl", "live/krakens.jsonl",
            "live/sweeps.jsonl", "live/judgements.jsonl", "live/cancelled.json", "live/tracking.json", "live/requeues.jsonl",
            "manifest.json", "results_manifest.json")  # fmt: skip
"""Files that a run can do without."""


def made(workspace: Path, name: str) -> RunDir:
    """A run that is done and goes into no MLflow, which takes seconds to start."""
    return RunDir(tracked(make_run(workspace, f"{name}-0a1b2c3d"), "none"))


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], workspace: Path) -> Call:
    return in_process(capsys)


def damage(file: Path, content: str | None) -> None:
    if content is None:
        file.unlink(missing_ok=True)
    else:
        file.write_bytes(content.encode("latin-1"))


@pytest.mark.parametrize("verb", ["status", "compare"])
def test_what_is_no_run_any_more_is_named_and_the_others_are_shown(call: Call, workspace: Path, verb: str) -> None:
    made(workspace, "good")
    broken = made(workspace, "broken")
    for name, contents in NOT_A_RUN.items():
        for content in contents:
            damage(broken.path / name, content)
            said = call(verb, "--json")
            assert (said.code, [row["run"] for row in said.json]) == (0, ["good-0a1b2c3d"]), content
            assert f"{broken.path}: this run cannot be read; {name} is missing or damaged" in said.err, content
            alone = call(verb, "broken", "--json")
            assert alone.code == 2, content
            assert f"{broken.path}: this run cannot be read; {name}" in alone.err, content


@pytest.mark.parametrize("content", ["", "- 1", "a: [", "\x00", None])
def test_compare_does_without_a_run_whose_settings_are_gone(
    call: Call, workspace: Path, content: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(workspace, "good")
    broken = made(workspace, "broken")
    damage(broken.experiment, content)
    monkeypatch.setattr(subprocesses, "record_new", lambda *args, **more: None)  # MLflow takes seconds to start
    said = call("compare", "--json")
    assert (said.code, [row["run"] for row in said.json]) == (0, ["good-0a1b2c3d"])
    assert f"{broken.path}: this run cannot be read; experiment.yaml is missing or damaged" in said.err


@pytest.mark.parametrize("name", UNNEEDED)
def test_a_file_that_holds_nothing_is_as_good_as_missing(call: Call, workspace: Path, name: str) -> None:
    made(workspace, "good")
    broken = made(workspace, "broken")
    for content in ODD:
        damage(broken.path / name, content)
        for verb in ("status", "compare"):
            said = call(verb, "--json")
            assert said.code == 0, content
            runs = {row["run"]: row for row in said.json}
            assert "good-0a1b2c3d" in runs, content
            if name != "manifest.json" or content is not None:  # a folder without it is no run
                assert "broken-0a1b2c3d" in runs, content


WHEN = {"time": "2026-03-01T10:00:00Z"}
JOB = WHEN | {
    "job": "7",
    "by": "ada",
    "log": "/nowhere/7.out",
    "compile_job": "6",
    "slurm": {"mem_gb": 8, "time_min": 60},
}
KRAKEN = WHEN | {"version": "7.1.1", "kind": "host", "module": None, "modules": [], "image": None, "fallback": None}
RECORDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "live/jobs.jsonl": (JOB, {"job": "7/8", "compile_job": "../6", "time": "yesterday", "by": "\x00", "log": "\x00"}),
    "live/starts.jsonl": (WHEN | {"start": 0, "job": "7", "restart": 1, "host": "a", "leg": "l", "lost_epochs": 2}, {}),
    "live/requeues.jsonl": (WHEN | {"job": "7"}, {}),
    "live/krakens.jsonl": (KRAKEN, {}),
    "live/sweeps.jsonl": (WHEN | {"sweep": "5e", "overrides": ["seed=1,2"]}, {}),
    "live/judgements.jsonl": (WHEN | {"leakage": {}, "conventions": {}, "command": []}, {}),
    "live/cancelled.json": (WHEN | {"by": "ada"}, {}),
    "live/state.json": ({"state": "interrupted", "reason": "r", "stage": "train", "since": WHEN["time"]}, {}),
    "metrics.jsonl": ({"epoch": 1, "val_cer": 0.5, "seconds": 3.0, "time": WHEN["time"]}, {}),
}
"""A good record of each file, and more that its keys must not hold."""


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_of_which_a_key_is_something_else_hides_nothing(
    call: Call, workspace: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(workspace / "nothing"))  # these records name jobs that are not ours
    good, more = RECORDS[name]
    tracked(make_run(workspace, "broken-0a1b2c3d", state="interrupted"), "none")
    broken = RunDir(workspace / "runs" / "broken-0a1b2c3d")
    before = (broken.path / name).read_text() if (broken.path / name).exists() else ""
    for key in good:
        for odd in (None, 3, [3], {"a": 3}, "text", *([more[key]] if key in more else [])):
            end = "" if name.endswith("l") else "\n"
            (broken.path / name).write_text(("" if end else before) + json.dumps(good | {key: odd}) + "\n")
            for words in (["logs", "broken"], ["status", "--json"]):
                said = call(*words)
                assert said.code == 0, (key, odd, words)
            assert [row["run"] for row in said.json] == ["broken-0a1b2c3d"]
            run_view.read(broken.path, workspace)
            if name in ("live/jobs.jsonl", "live/cancelled.json"):
                assert "Traceback" not in call("cancel", "broken").err, (key, odd)
                broken.revive()


@pytest.mark.parametrize("name", ["experiment.yaml", "provenance.json", "split.json", "live/places.json"])
def test_a_damaged_run_that_is_resumed_is_refused_in_words(call: Call, workspace: Path, name: str) -> None:
    broken = made(workspace, "broken")
    broken.write_state(RunState.INTERRUPTED)
    for content in (*ODD, "training: 3", '{"training": {"epochs": "many"}}'):
        damage(broken.path / name, content)
        broken.seal({})  # by somebody who knows how
        said = call("resume", "broken", "--trust")
        assert (said.code, "Traceback" in said.err) == (2, False), (content, said.err)
        assert str(broken.path) in said.err, content


def test_status_reads_each_provenance_once(call: Call, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [made(workspace, name) for name in ("one", "two", "three")]
    read: list[Path] = []

    def counted(path: Path) -> Any:
        read.append(path)
        return files.read_json(path)

    monkeypatch.setattr(run_dir, "read_json", counted)
    assert len(call("status", "--json").json) == 3
    assert sorted(path for path in read if path.name == "provenance.json") == sorted(run.provenance for run in runs)


def test_a_provenance_that_was_changed_is_read_again(workspace: Path) -> None:
    run = made(workspace, "one")
    before = run.facts()
    files.write_json(run.provenance, {**before, "warnings": ["new"]})
    assert run.facts()["warnings"] == ["new"]
