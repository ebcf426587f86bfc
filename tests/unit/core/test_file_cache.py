"""A fact of one file is learnt once, until the file changes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from htr_exp.core import file_cache
from htr_exp.core.file_cache import fact_of


class Learner:
    """Counts how often it is asked."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> int:
        self.times += 1
        return self.times


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(file_cache, "TICK_NS", -1)  # a file written just now is trusted too
    made = tmp_path / "file"
    made.write_text("x")
    return made


def test_a_fact_is_learnt_once_until_the_file_or_what_it_is_about_changes(file: Path, tmp_path: Path) -> None:
    learner, where = Learner(), tmp_path / "cache"
    assert [fact_of(file, "kind", 1, learner, where=where) for _ in range(2)] == [1, 1]
    assert fact_of(file, "kind", 1, learner, about="node", where=where) == 2
    assert fact_of(file, "kind", 1, learner, where=where) == 1
    assert fact_of(file, "kind", 2, learner, where=where) == 3
    os.utime(file, ns=(1, 1))
    assert [fact_of(file, "kind", 2, learner, where=where) for _ in range(2)] == [4, 4]


def test_a_fact_that_cannot_be_learnt_is_asked_for_again(file: Path, tmp_path: Path) -> None:
    def fails() -> None:
        raise ValueError("broken")

    for _ in range(2):
        with pytest.raises(ValueError, match="broken"):
            fact_of(file, "kind", 1, fails, where=tmp_path / "cache")
    assert fact_of(file, "kind", 1, Learner(), where=tmp_path / "cache") == 1


def test_a_file_that_changed_a_moment_ago_is_asked_again(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_cache, "TICK_NS", 3_600_000_000_000)
    learner = Learner()
    assert [fact_of(file, "kind", 1, learner, where=tmp_path / "cache") for _ in range(2)] == [1, 2]


def test_a_folder_that_cannot_be_written_costs_time_alone(file: Path) -> None:
    learner = Learner()
    assert [fact_of(file, "kind", 1, learner, where=file / "cache") for _ in range(2)] == [1, 2]
