"""What a killed process left half written in a run folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from htr_exp.core.files import beside
from htr_exp.runs.run_dir import RunDir
from htr_exp.runs.sealed_records import seal_of


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    found = RunDir(tmp_path / "run")
    for folder in (found.path, found.live, found.predictions):
        folder.mkdir()
    return found


def test_half_written_files_go(run: RunDir) -> None:
    left = [beside(file) for file in (run.manifest, run.results, run.state_file, run.log, run.predictions_of("test"))]
    for file in left:
        file.write_text("half")
    run.clear_leftovers()
    assert [file for file in left if file.exists()] == []


def test_what_others_may_be_writing_now_stays(run: RunDir) -> None:
    """Whoever cancels, judges or records a run does not hold it."""
    marks = (run.cancellation, run.tracking_marks, run.judgements, seal_of(run.judgements))
    written = [beside(file) for file in marks]
    for file in written:
        file.write_text("half")
    run.clear_leftovers()
    assert [file for file in written if not file.exists()] == []


def test_nothing_else_goes(run: RunDir) -> None:
    kept = [
        run.state_file, run.judging_lock, run.path / ".notes", run.path / ".notes.txt.0123456789abc", run.live / ".x.0123456789AB",
        run.live / "state.json.0123456789ab",
    ]  # fmt: skip
    for file in kept:
        file.write_text("whole")
    folder = run.path / ".folder.0123456789ab"
    folder.mkdir()
    run.clear_leftovers()
    assert [file for file in kept if not file.exists()] == []
    assert folder.exists()
