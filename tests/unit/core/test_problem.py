"""A problem is its sentence and what to do; the key that it is about decides nothing of how it reads."""

from __future__ import annotations

import pytest

from htr_exp.core.errors import ConfigError
from htr_exp.core.problem import Problem


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (Problem("model is not set", "name a file", "model"), "model is not set; name a file"),
        (Problem("seed=0: no seed", "use another", "seed"), "seed=0: no seed; use another"),
        (Problem("split.test=2: too much", where="split.test"), "split.test=2: too much"),
        (Problem("the pages have no lines", where="dataset"), "the pages have no lines"),
    ],
)
def test_one_separator_stands_before_what_to_do(problem: Problem, said: str) -> None:
    assert str(problem) == said
    assert str(ConfigError("stop:", [problem]).reasons()[0]) == f"stop: {said}"


def test_the_key_tells_the_group() -> None:
    assert Problem("x", where="split.test").section == "split"
    assert Problem("x").section == ""
