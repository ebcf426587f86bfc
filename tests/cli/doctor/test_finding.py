"""Questions that hang or fail are given up, and say why."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from helpers.findings import program
from htr_exp.cli.doctor import (
    finding,
)
from htr_exp.cli.doctor.finding import NoAnswer, within
from htr_exp.core.problem import Problem


def test_what_hangs_is_given_up() -> None:
    began = time.monotonic()
    with pytest.raises(NoAnswer, match=r"^the disk does not answer within 0\.1 s$"):
        within(0.1, lambda: time.sleep(30), "the disk")
    assert time.monotonic() - began < 5


def test_what_a_question_raises_is_raised_where_it_was_asked() -> None:
    with pytest.raises(PermissionError):
        within(5, lambda: (_ for _ in ()).throw(PermissionError(13, "no")), "x")


def test_a_program_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    hung = program(tmp_path, "hung", f"sleep 600 & echo $! >'{tmp_path}/pid'; wait")
    with pytest.raises(NoAnswer, match=r"hung does not answer within 0\.5 s"):
        finding.said_by([str(hung)], timeout_s=0.5)
    pid = int((tmp_path / "pid").read_text())
    for _ in range(100):
        if not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text().split()[2]:
            break
        time.sleep(0.05)
    else:
        pytest.fail("its child is alive")


def test_a_program_that_cannot_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("x")
    with pytest.raises(NoAnswer, match="text does not start: Permission denied"):
        finding.said_by([str(tmp_path / "text")])


@pytest.mark.parametrize(
    ("problem", "parts"),
    [
        (Problem("dataset is not set", "choose one of `options`", where="dataset"), ("dataset is not set", "choose one of `options`")),
        (Problem("there is no such partition", "choose one of a, b", where="slurm.partition=x"), ("slurm.partition=x: there is no such partition", "choose one of a, b")),
        (Problem("p allows 5 minutes", where="slurm.time_min=9"), ("slurm.time_min=9: p allows 5 minutes", "mend it")),
    ],
)  # fmt: skip
def test_a_problem_is_told_apart_from_what_to_do(problem: Problem, parts: tuple[str, str]) -> None:
    told = finding.finding_of("x", problem, "mend it")
    assert (told.found, told.remedy) == parts
