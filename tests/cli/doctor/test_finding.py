"""Questions that hang or fail are given up, and say why."""

from __future__ import annotations

import threading

import pytest

from htr_exp.cli.doctor import (
    finding,
)
from htr_exp.core.problem import Problem
from htr_exp.core.program import NoAnswer
from htr_exp.core.time_limit import within


def test_what_hangs_is_given_up() -> None:
    late = threading.Event()
    with pytest.raises(NoAnswer, match=r"^the disk does not answer within 0\.1 s$"):
        within(0.1, late.wait, "the disk")
    assert not late.is_set()
    late.set()


def test_what_a_question_raises_is_raised_where_it_was_asked() -> None:
    with pytest.raises(PermissionError):
        within(5, lambda: (_ for _ in ()).throw(PermissionError(13, "no")), "x")


@pytest.mark.parametrize(
    ("problem", "parts"),
    [
        (Problem("dataset is not set", "choose one of `options`", where="dataset"), ("dataset is not set", "choose one of `options`")),
        (Problem("slurm.partition=x: there is no such partition", "choose one of a, b", "slurm.partition"), ("slurm.partition=x: there is no such partition", "choose one of a, b")),
        (Problem("slurm.time_min=9: p allows 5 minutes", where="slurm.time_min"), ("slurm.time_min=9: p allows 5 minutes", "correct it")),
    ],
)  # fmt: skip
def test_a_problem_is_told_apart_from_what_to_do(problem: Problem, parts: tuple[str, str]) -> None:
    told = finding.finding_of("x", problem, "correct it")
    assert (told.found, told.remedy) == parts
