"""Forecasts of learning curves: a power law goes on, bends make the interval wide, and what cannot be said is refused."""

from __future__ import annotations

import math

import pytest

from htr_exp.scoring.forecast import of_curve, why_not


def test_a_power_law_goes_on_as_it_was() -> None:
    twice, four = of_curve({n: 0.2 * n**-0.5 for n in (1, 2, 4, 8)})
    assert (twice.times, twice.pages, four.times, four.pages) == (2, 16, 4, 32)
    assert (twice.rate, four.rate) == pytest.approx((0.2 / 4, 0.2 / math.sqrt(32)))
    assert (twice.interval.low, twice.interval.high) == pytest.approx((twice.rate, twice.rate))


def test_the_interval_is_that_of_one_more_slope() -> None:
    slopes = (-0.6, -0.3)  # of 2 to 4, and of 4 to 16 pages: each counts once, however far apart the sizes are
    rates = {2: 0.2, 4: 0.2 * 2 ** slopes[0], 16: 0.2 * 2 ** slopes[0] * 4 ** slopes[1]}
    twice, four = of_curve(dict(reversed(rates.items())))
    reach = 3.0776835 * math.sqrt(0.045) * math.sqrt(1.5)  # t of one degree of freedom at 80 %; the slopes' deviation
    for found in (twice, four):
        assert found.rate == pytest.approx(rates[16] * found.times**-0.45)
        assert found.interval.low == pytest.approx(rates[16] * found.times ** (-0.45 - reach))
        assert found.interval.high == pytest.approx(rates[16] * found.times ** (-0.45 + reach))


def test_an_interval_ends_at_all_characters_wrong() -> None:
    _, four = of_curve({1: 0.9, 2: 0.3, 4: 0.6})
    assert four.interval.high == 1.0


@pytest.mark.parametrize(
    ("rates", "said"),
    [
        ({1: 0.2, 2: 0.1}, "2 numbers of pages have scores, and a forecast needs 3"),
        ({1: 0.1, 2: 0.2, 4: 0.3}, "the curve does not fall"),
        ({1: 0.1, 2: 0.1, 4: 0.1}, "the curve does not fall"),
        ({1: 0.2, 2: 0.1, 4: 0.0}, "a rate of 0 cannot become lower"),
        ({1: 0.2, 2: 0.1, 4: 0.05}, None),
    ],
)
def test_what_cannot_be_forecast_is_refused_in_words(rates: dict[int, float], said: str | None) -> None:
    assert why_not(rates) == said
