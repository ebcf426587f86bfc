"""What a refusal of the system means for a user."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from htr_exp.core.errors import of_memory, plainly
from htr_exp.core.files import append_jsonl, write_atomically


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (MemoryError(), "memory"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "memory"),
        (ImportError("libtorch.so: failed to map segment from shared object"), "memory"),
        (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), "processes"),
        (RuntimeError("can't start new thread"), "processes"),
    ],
)
def test_want_of_memory_and_processes_is_named_with_what_to_do(error: Exception, word: str) -> None:
    said = of_memory(error)
    assert said is not None
    assert word in said.headline
    assert "run the same command again" in str(said)


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOENT, "no"), ImportError("No module named x"), RuntimeError("a defect")]
)
def test_nothing_else_is_called_so(error: Exception) -> None:
    assert of_memory(error) is None


def test_the_disk_that_is_full_is_the_one_that_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    run, cache = tmp_path / "run", tmp_path / "cache"
    for folder in (run, cache):
        folder.mkdir()
    monkeypatch.setattr(os, "fsync", refuses)
    monkeypatch.setattr(os, "pread", refuses)
    (cache / "old.jsonl").write_text("{}")
    for write in (
        lambda folder: write_atomically(folder / "page.xml", "x"),
        lambda folder: append_jsonl(folder / "old.jsonl", 1),
    ):
        with pytest.raises(OSError, match="No space left") as refused:
            write(cache)
        assert plainly(refused.value, run).headline == f"{cache}: the disk or the quota is full"
    with pytest.raises(OSError, match="No space left") as refused:
        write_atomically(run / "state.json", "x")
    assert plainly(refused.value, run).headline == f"{run}: the disk or the quota is full"
