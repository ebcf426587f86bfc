"""How far a rate, or the difference of two, would move on other pages of the same kind: the delete-one jackknife with Student's t.

The unit is what was drawn: a page, or the group that the split keeps together. Lines of one page are alike, so that intervals
over lines are far too narrow. `benchmarks/coverage.py` says how often the true value lies in these intervals.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import product
from typing import Any

LEVEL = 0.95

MOST_UNITS_EXACT = 16
"""Up to so many units all signs are tried: 65,536 ways."""

BLOCK = 128
"""Signs are drawn for so many units, or twice as many and so on: for the pairs of a table they are the same."""

DRAWS = 10_000
"""Signs drawn where there are more units; a p of 0.05 then has a standard error of 0.0022."""

POWER = 0.8
"""How often a difference is to be found that is called detectable, as usual since Cohen (1988)."""


@dataclass(frozen=True, slots=True)
class Count:
    """Errors of one unit, and the characters or words of its references."""

    errors: int
    units: int


@dataclass(frozen=True, slots=True)
class Interval:
    """Where the true value lies, with a confidence of `LEVEL` as far as the units are like those it is about."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Difference:
    """What a second model does otherwise than a first one on the same lines.

    Attributes:
        value: the second rate less the first; negative where the second makes fewer errors.
        interval: of that.
        p: of the jackknife: how often chance alone gives such a difference, two-sided.
        sign_p: the same if only the signs of the units' differences are chance; never below 2 / 2^units.
        detectable: a difference as large as this is found on such pages in `POWER` of all cases.
    """

    value: float
    interval: Interval
    p: float
    sign_p: float
    detectable: float


def of_rate(counts: Sequence[Count]) -> Interval | None:
    """The interval of a micro-averaged rate, made on the logarithm of the rate; None with fewer than two units.

    Half an error is added to the sums, so that a rate of 0 has a logarithm; the interval holds the rate itself. It ends at 1
    unless the rate is higher: a page of which nothing is read has that rate. Source: Tukey's jackknife of a ratio (Miller,
    Biometrika 61, 1974); the logarithm by the table of `benchmarks/coverage.py`.

    Args:
        counts: of each unit.
    """
    counted = [count for count in counts if count.units]
    errors, units = sum(count.errors for count in counted), sum(count.units for count in counted)
    if len(counted) < 2:
        return None
    without = [math.log((errors - one.errors + 0.5) / (units - one.units)) for one in counted]
    reach = student(len(counted) - 1) * _standard_error(without)
    middle = math.log((errors + 0.5) / units)
    rate = errors / units
    return Interval(min(_exp(middle - reach), rate), min(_exp(middle + reach), max(1.0, rate)))


def of_difference(first: Sequence[Count], second: Sequence[Count], *, signs: bool = True) -> Difference | None:
    """Compare two models on the same units; None with fewer than two.

    Args:
        first: of each unit.
        second: of the same units in the same order, with the same references.
        signs: whether to flip them, which takes some milliseconds; else `sign_p` is 1.

    Raises:
        ValueError: they are not over the same references.
    """
    if [one.units for one in first] != [one.units for one in second]:
        raise ValueError("the two models did not read the same references")
    pairs = [(one.errors, two.errors, one.units) for one, two in zip(first, second) if one.units]
    n = len(pairs)
    if n < 2:
        return None
    errors, units = sum(two - one for one, two, _ in pairs), sum(of for _, _, of in pairs)
    value = errors / units
    error = _standard_error([(errors - (two - one)) / (units - of) for one, two, of in pairs])
    reach = student(n - 1) * error
    return Difference(
        value,
        Interval(value - reach, value + reach),
        p=_two_sided(value, error, n - 1),
        sign_p=sign_flips([two - one for one, two, _ in pairs]) if signs else 1.0,
        detectable=(student(n - 1) + student(n - 1, 2 * POWER - 1)) * error,
    )


def sign_flips(differences: Sequence[int]) -> float:
    """How often random signs make the sum of some differences as large as it is, two-sided: exactly, or drawn.

    Source: Fisher's randomisation test for pairs; (k + 1) / (draws + 1) by Phipson and Smyth (2010) where signs are drawn.

    Args:
        differences: errors of the second model less those of the first, by unit.
    """
    import numpy  # only here: the tables of runs do without it

    moved = numpy.array([one for one in differences if one], dtype=numpy.float32)
    seen = abs(moved.sum())  # of whole numbers below 2^24, so exact
    if seen == 0:  # also where there is none
        return 1.0
    if len(moved) <= MOST_UNITS_EXACT:
        signs = numpy.array([*product((-1.0, 1.0), repeat=len(moved))])
        return float(numpy.mean(abs(signs @ moved) >= seen))
    padded = numpy.zeros(-len(moved) % BLOCK + len(moved), dtype=numpy.float32)
    padded[: len(moved)] = moved
    return float((numpy.sum(abs(_drawn_signs(len(padded)) @ padded) >= seen) + 1) / (DRAWS + 1))


@lru_cache(maxsize=1)  # the pairs of a table have about as many units each
def _drawn_signs(number: int) -> Any:
    import numpy

    return numpy.random.default_rng(0).integers(0, 2, (DRAWS, number)).astype(numpy.float32) * 2 - 1


def holm(values: Sequence[float]) -> list[float]:
    """p-values of a family of tests, adjusted so that all of them together err as seldom as one (Holm 1979).

    Args:
        values: as each test gives it, in any order.
    """
    adjusted = [0.0] * len(values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        largest = max(largest, min((len(values) - rank) * values[index], 1.0))
        adjusted[index] = largest
    return adjusted


def units(group_of: Mapping[str, str | None]) -> dict[str, str]:
    """What each page is drawn with: its group, or itself.

    Args:
        group_of: page -> its group, or None. Where all pages are of one group, pages are the units: then an interval is about
            other pages of that group.
    """
    named = {page: page if group is None else group for page, group in group_of.items()}
    return named if len({*named.values()}) > 1 else {page: page for page in named}


def by_unit(pages: Iterable[tuple[str, Count]]) -> list[Count]:
    """Sum the counts of pages by their units, in code point order of the units' names."""
    found: dict[str, Count] = {}
    for unit, count in pages:
        before = found.get(unit)
        found[unit] = Count(before.errors + count.errors, before.units + count.units) if before else count
    return [found[unit] for unit in sorted(found)]


def _standard_error(without: Sequence[float]) -> float:
    """Of a figure, by what it is without each of its units."""
    n, mean = len(without), math.fsum(without) / len(without)
    return math.sqrt((n - 1) / n * math.fsum((one - mean) ** 2 for one in without))


def _two_sided(value: float, error: float, freedom: int) -> float:
    if error == 0:
        return 1.0 if value == 0 else 0.0
    return 1 - _within(math.atan(abs(value) / error / math.sqrt(freedom)), freedom)


@cache
def student(freedom: int, level: float = LEVEL) -> float:
    """The t within which Student's distribution has a share of `level`, to about 1e-12 of an angle.

    Args:
        freedom: degrees of freedom, 1 or more.
        level: between 0 and 1.
    """
    low, high = 0.0, math.pi / 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, freedom) < level else (low, middle)
    return math.sqrt(freedom) * math.tan((low + high) / 2)


def _within(angle: float, freedom: int) -> float:
    """The share of Student's distribution between -t and t, where t is sqrt(freedom) tan(angle): Abramowitz and Stegun 26.7.3 and 26.7.4."""
    cosine, odd = math.cos(angle), freedom % 2
    term = cosine if odd else 1.0
    total = 0.0
    for power in range(2 + odd, freedom + 1, 2):
        total += term
        term *= cosine * cosine * (power - 1) / power
    return 2 / math.pi * (angle + math.sin(angle) * total) if odd else math.sin(angle) * total


def _exp(value: float) -> float:
    return math.exp(min(value, 700.0))
