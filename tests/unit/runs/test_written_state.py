"""A run whose state cannot be read says so; it is not taken for one that waits."""

from __future__ import annotations

from pathlib import Path

import pytest

from htr_exp.core.run_state import RunState
from htr_exp.runs.run_dir import RunDir


@pytest.mark.parametrize(
    "text",
    [
        '{"state": "sleeping", "reason": null, "stage": null, "since": ""}',
        '{"state": "running"',
        '{"state": "running"}',
        "[]",
        "",
    ],
    ids=["unknown word", "cut short", "part", "list", "empty"],
)
def test_a_state_that_cannot_be_read_is_a_failure_with_its_reason(tmp_path: Path, text: str) -> None:
    run = RunDir(tmp_path)
    run.state_file.parent.mkdir()
    run.state_file.write_text(text)
    found = run.state()
    assert found.state is RunState.FAILED
    assert f"{run.state_file} cannot be read" in str(found.reason)
    if "sleeping" in text:
        assert "sleeping" in str(found.reason)


def test_a_run_whose_state_was_never_written_waits(tmp_path: Path) -> None:
    assert RunDir(tmp_path).state().state is RunState.QUEUED
