"""A recipe compared with itself: where models do not differ, a difference is called as rarely as is promised."""

from __future__ import annotations

import numpy
import pytest

from htr_exp.runs.told_apart import placebo
from htr_exp.scoring.intervals import Count


@pytest.mark.parametrize("pages", [5, 20])
def test_of_a_thousand_comparisons_without_a_difference_one_in_twenty_is_called(pages: int) -> None:
    chance = numpy.random.default_rng(11)
    called = 0
    for _ in range(1000):
        lengths = chance.integers(400, 1600, pages)
        rates = 1 / (
            1 + numpy.exp(-chance.normal(-2.5, 0.5, pages))
        )  # some pages are harder than others, for both models
        runs = [[Count(int(one), int(of)) for one, of in zip(chance.binomial(lengths, rates), lengths)] for _ in "ab"]
        found = placebo(runs)
        assert found is not None
        assert found.pairs == 1
        called += found.called
    assert 30 <= called <= 70


def test_runs_that_were_not_scored_on_the_same_pages_are_not_compared() -> None:
    assert placebo([[Count(1, 10), Count(2, 10)], [Count(1, 11), Count(2, 10)]]) is None
    assert placebo([[Count(1, 10)], [Count(2, 10)]]) is None
