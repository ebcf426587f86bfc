"""What a learning curve promises: the error rate with more pages to train on than there were.

The model is a power law (Hestness et al., Deep Learning Scaling is Predictable, Empirically, arXiv:1712.00409, 2017): on logarithms it
is a line, and each step from one number of pages to the next shows its slope. The slope to come is taken for one more of these slopes.
Its interval is that of the next observation of a normal sample, with Student's t (Hahn and Meeker, Statistical Intervals, 1991),
and begins at the last rate that was seen. `benchmarks/forecast_coverage.py` says how often the true rate lies in it, and
how often in the intervals of other methods.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, stdev

from htr_exp.scoring.intervals import Interval, student

LEVEL = 0.8
"""Of three or four sizes an interval of 95 % would be so wide (t of 12.7 or 4.3) that it never says anything."""

FEWEST = 3
"""Sizes of which two slopes can be had, and so how far slopes lie apart."""

TIMES = (2, 4)


@dataclass(frozen=True, slots=True)
class Forecast:
    """The rate to expect with some pages.

    Attributes:
        times: how many times the largest number of pages that was tried.
        pages: how many that are.
        rate: to expect.
        interval: of it, at `LEVEL`.
    """

    times: int
    pages: int
    rate: float
    interval: Interval


def why_not(rates: Mapping[int, float]) -> str | None:
    """Say why no forecast can be made of a learning curve, or None if it can.

    Args:
        rates: pages to train on -> error rate.
    """
    if len(rates) < FEWEST:
        return f"{len(rates)} numbers of pages have scores, and a forecast needs {FEWEST}"
    if min(rates.values()) <= 0:
        return "a rate of 0 cannot become lower"
    if fmean(_slopes(rates)) >= 0:
        return "the curve does not fall"
    return None


def of_curve(rates: Mapping[int, float]) -> list[Forecast]:
    """The rates to expect with `TIMES` as many pages as the largest number that was tried.

    With the slopes b_1 ... b_k between neighbours, log y over log n, their mean b and standard deviation s, the rate with m times the
    pages is exp(log y_last + log m (b +- t s sqrt(1 + 1/k))), with t of k - 1 degrees of freedom.

    Args:
        rates: pages to train on -> error rate, the mean over seeds; of which `why_not` says nothing.
    """
    slopes = _slopes(rates)
    largest = max(rates)
    middle = fmean(slopes)
    reach = student(len(slopes) - 1, LEVEL) * stdev(slopes) * math.sqrt(1 + 1 / len(slopes))

    def at(times: int, slope: float) -> float:
        return min(rates[largest] * math.exp(min(slope * math.log(times), 700.0)), max(1.0, rates[largest]))

    return [
        Forecast(
            times, times * largest, at(times, middle), Interval(at(times, middle - reach), at(times, middle + reach))
        )
        for times in TIMES
    ]


def _slopes(rates: Mapping[int, float]) -> list[float]:
    """Between neighbours, of log rate over log pages."""
    sizes = sorted(rates)
    return [math.log(rates[more] / rates[few]) / math.log(more / few) for few, more in pairwise(sizes)]
