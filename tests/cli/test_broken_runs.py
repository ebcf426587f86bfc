"""A run folder that somebody damaged, or a full disk cut short, never hides the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.in_process import Call, in_process
from helpers.recorded_runs import make_run, tracked
from htr_exp.core.run_state import RunState
from htr_exp.runs.run_dir import RunDir
from htr_exp.tracking import subprocesses

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
