from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from htr_exp.core.file_cache import LARGE
from htr_exp.core.files import write_json, write_jsonl
from htr_exp.core.run_state import RunState
from htr_exp.runs.run_dir import RunDir

MADE = ("results.json", "metrics.jsonl", "best.mlmodel", "predictions/test.jsonl", "predictions/overlays/01.jpg")


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    """Write a run that has ended with scores."""
    run = RunDir(tmp_path / "a-run")
    run.overlays.mkdir(parents=True)
    run.live.mkdir()
    run.seal({"experiment.yaml": "seed: 1\n", "commands.sh": "ketos train\n"})
    write_json(run.results, {"test": {"best": {"cer": 0.1234}}})
    write_jsonl(run.metrics, [{"epoch": 0, "val_cer": 0.5}])
    write_jsonl(run.predictions_of("test"), [{"line": "1", "best": "abc"}])
    (run.overlays / "01.jpg").write_bytes(b"picture")
    run.best.write_bytes(b"weights" * (LARGE // 7 + 1))
    run.seal_results()
    run.write_state(RunState.DONE)
    return run


def rewrite(path: Path, content: bytes, *, keep_time: bool = False) -> None:
    """Change a file as an editor does, or as one who hides it."""
    status = path.stat()
    path.write_bytes(content)
    times = (status.st_atime_ns, status.st_mtime_ns + (0 if keep_time else 1_000_000))
    os.utime(path, ns=times)


def test_a_run_that_nobody_touched_is_as_it_was(run: RunDir) -> None:
    assert run.broken_seals() == run.broken_seals(every_digest=True) == []


@pytest.mark.parametrize("name", ["experiment.yaml", *MADE])
def test_a_changed_file_is_named(run: RunDir, name: str) -> None:
    content = (run.path / name).read_bytes()
    rewrite(run.path / name, content[:-1] + b"x")  # of the same size
    assert run.broken_seals() == [name]
    rewrite(run.path / name, content + b"x")
    assert run.broken_seals() == [name]
    (run.path / name).unlink()
    assert run.broken_seals() == [name]


@pytest.mark.parametrize("name", ["experiment.yaml", *MADE])
def test_a_change_that_keeps_size_and_time_is_found_by_its_digest(run: RunDir, name: str) -> None:
    content = (run.path / name).read_bytes()
    rewrite(run.path / name, content[:-1] + b"x", keep_time=True)
    assert run.broken_seals() == []
    assert run.broken_seals(every_digest=True) == [name]


def test_a_file_of_another_time_and_the_same_content_is_as_it_was(run: RunDir, tmp_path: Path) -> None:
    rewrite(run.results, run.results.read_bytes())
    assert run.broken_seals() == []
    copy = RunDir(tmp_path / "copy")
    shutil.copytree(run.path, copy.path, copy_function=shutil.copyfile)  # every file with its own time
    for path in copy.path.rglob("*"):
        os.utime(path, (1, 1))
    assert copy.broken_seals() == copy.broken_seals(every_digest=True) == []


def test_seals_that_were_removed_or_spoilt_are_missed(run: RunDir) -> None:
    for content in ("", "[]", '{"results.json": 1}', '{"results.json": {}}'):
        run.results_manifest.write_text(content)
        assert run.broken_seals() == ["results_manifest.json"], content
    run.results_manifest.unlink()
    assert run.broken_seals() == ["results_manifest.json"]


def test_a_run_that_goes_on_has_no_results_to_be_sealed(run: RunDir) -> None:
    run.unseal_results()
    run.write_state(RunState.RUNNING, stage="train")
    run.add_epoch({"epoch": 1, "val_cer": 0.4, "seconds": 1.0, "time": ""})
    assert run.broken_seals() == []
