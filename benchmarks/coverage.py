"""How often 95 % intervals hold the true value, under five models of errors: the table behind `scoring/intervals.py`.

Run `python -m benchmarks.coverage`: it writes results/coverage.md. It takes some minutes of one core; no clock is in it, and the same
seed gives the same table. The models, and none is left out:

- logit-normal page effects with a standard deviation of 0.5, and of 1, around a CER of 8 %;
- gamma page effects with a coefficient of variation of 1.5: many good pages, some very bad ones;
- one page in ten is ruined (a CER of about 60 %), the others are as in the first model;
- a CER of 0.5 % as in the first model.

Pages have 25 lines of 40 characters on average, with a coefficient of variation of 0.5. A second model makes 15 % fewer errors; four fifths
of the variance of its pages are those of the first model's.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from pathlib import Path

import numpy
from scipy.stats import gamma, norm

from htr_exp.scoring.intervals import Count, of_difference, of_rate, student

SIZES = (3, 5, 10, 20, 30)
BETTER = 0.85
SHARED = 0.8
RUINED, RUINED_CER = 0.1, 0.6
RESULTS = Path(__file__).resolve().parent / "results" / "coverage.md"

Normal = numpy.ndarray
Rates = Callable[[Normal], numpy.ndarray]


def expit(value: numpy.ndarray | float) -> numpy.ndarray:
    return 1 / (1 + numpy.exp(-numpy.asarray(value)))


def logit_normal(mean: float, deviation: float) -> tuple[Rates, float]:
    """Page rates from standard normal numbers, and their true mean."""
    points, weights = numpy.polynomial.hermite_e.hermegauss(80)
    weights /= weights.sum()
    low, high = -20.0, 20.0
    for _ in range(60):
        centre = (low + high) / 2
        low, high = (centre, high) if weights @ expit(centre + deviation * points) < mean else (low, centre)
    return (lambda z: expit(low + deviation * z)), mean


def skewed(mean: float, variation: float) -> tuple[Rates, float]:
    """The same with gamma page effects; a rate is not above 1."""
    shape = 1 / variation**2

    def rates(z: Normal) -> numpy.ndarray:
        return numpy.minimum(gamma.ppf(norm.cdf(z), shape, scale=mean / shape), 1.0)

    middles = norm.ppf((numpy.arange(200_000) + 0.5) / 200_000)
    return rates, float(rates(middles).mean())


MODELS: dict[str, Callable[[float], tuple[Rates, float]]] = {
    "logit-normal, sd 0.5": lambda of: logit_normal(0.08 * of, 0.5),
    "logit-normal, sd 1": lambda of: logit_normal(0.08 * of, 1.0),
    "gamma, cv 1.5": lambda of: skewed(0.08 * of, 1.5),
    "one page in ten ruined": lambda of: logit_normal(0.08 * of, 0.5),
    "CER of 0.5 %": lambda of: logit_normal(0.005 * of, 0.5),
}


def draw(name: str, pages: int, times: int, source: numpy.random.Generator) -> tuple[list[numpy.ndarray], list[float]]:
    """Characters and the errors of two models of each page, and the models' true rates."""
    shape = (times, pages)
    characters = 40 * numpy.maximum(1, source.poisson(25 * source.gamma(4, 1 / 4, shape)))
    common, ruined = source.standard_normal(shape), source.random(shape) < RUINED
    found, true = [characters], []
    for better in (1.0, BETTER):
        rates, mean = MODELS[name](better)
        page = rates(math.sqrt(SHARED) * common + math.sqrt(1 - SHARED) * source.standard_normal(shape))
        if "ruined" in name:
            middle = math.log(RUINED_CER / (1 - RUINED_CER))
            page = numpy.where(ruined, expit(middle + 0.3 * source.standard_normal(shape)), page)
            bad = float(expit(middle + 0.3 * norm.ppf((numpy.arange(100_000) + 0.5) / 100_000)).mean())
            mean = (1 - RUINED) * mean + RUINED * bad
        found.append(source.binomial(characters, page))
        true.append(mean)
    return found, true


def plain(counts: list[Count]) -> tuple[float, float]:
    """The jackknife on the rate itself, which is not what we use."""
    errors, units, n = sum(c.errors for c in counts), sum(c.units for c in counts), len(counts)
    without = numpy.array([(errors - c.errors) / (units - c.units) for c in counts])
    reach = student(n - 1) * math.sqrt((n - 1) / n * ((without - without.mean()) ** 2).sum())
    return errors / units - reach, errors / units + reach


def row(name: str, pages: int, times: int, resamples: int) -> list[str]:
    """Shares of intervals that hold the true value, in percent."""
    source = numpy.random.default_rng([pages, *name.encode()])
    (characters, one, two), (first, second) = draw(name, pages, times, source)
    held = dict.fromkeys(("log", "rate", "difference"), 0)
    for sizes, errors, fewer in zip(characters, one, two):
        counts = [Count(int(e), int(s)) for e, s in zip(errors, sizes)]
        others = [Count(int(e), int(s)) for e, s in zip(fewer, sizes)]
        interval, compared = of_rate(counts), of_difference(counts, others, signs=False)
        assert interval is not None and compared is not None  # noqa: PT018 - there are three pages or more
        low, high = plain(counts)
        held["log"] += interval.low <= first <= interval.high
        held["rate"] += low <= first <= high
        held["difference"] += compared.interval.low <= second - first <= compared.interval.high
    rates, differences = [], []
    for _ in range(resamples):
        drawn = source.integers(0, pages, characters.shape)
        of, a, b = (numpy.take_along_axis(each, drawn, 1).sum(1) for each in (characters, one, two))
        rates.append(a / of)
        differences.append((b - a) / of)

    def bootstrap(values: list[numpy.ndarray], true: float) -> float:
        low, high = numpy.percentile(values, [2.5, 97.5], axis=0)
        return float(((low <= true) & (true <= high)).mean())

    shares = [held["log"] / times, held["rate"] / times, bootstrap(rates, first)]
    shares += [held["difference"] / times, bootstrap(differences, second - first)]
    return [name, str(pages), *(f"{100 * share:.1f}" for share in shares)]


def main() -> int:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=4000, help="test sets drawn for each row")
    parser.add_argument("--resamples", type=int, default=400, help="of the bootstrap")
    args = parser.parse_args()
    rows = [row(name, pages, args.times, args.resamples) for name in MODELS for pages in SIZES]
    lines = [
        "# How often 95 % intervals hold the true value",
        "",
        f"In percent of {args.times} test sets drawn for each row (standard error {100 * math.sqrt(0.05 * 0.95 / args.times):.1f}). "
        "Ours are the columns *jackknife on log CER* and *paired jackknife*.",
        "",
        "| model of errors | pages | jackknife on log CER | jackknife on CER | bootstrap of pages | paired jackknife | paired bootstrap |",
        "|---|---|---|---|---|---|---|",
        *("| " + " | ".join(cells) + " |" for cells in rows),
    ]
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
