"""The intervals of a score over its pages, or groups of pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from htr_exp.scoring.intervals import Count, by_unit, of_rate
from htr_exp.scoring.lines import RATES, Score


def counts(score: Score, rate: str, unit_of: Mapping[str, str]) -> list[Count]:
    """The counts of each unit, in code point order of their names.

    Args:
        score: with its pages.
        rate: a key of `lines.RATES`.
        unit_of: page -> unit (`intervals.units`).
    """
    errors, of = RATES[rate]
    return by_unit((unit_of[page], Count(getattr(one, errors), getattr(one, of))) for page, one in score.per_page)


def bounds(score: Score, unit_of: Mapping[str, str]) -> dict[str, Any]:
    """The intervals of a score as they stand in results.json: `cer_low`, `cer_high` and so on; None with one unit.

    Args:
        score: with its pages.
        unit_of: page -> unit (`intervals.units`).
    """
    found: dict[str, Any] = {"units": len({unit_of[page] for page, _ in score.per_page})}
    for rate in score.rates:
        interval = of_rate(counts(score, rate, unit_of))
        found |= {f"{rate}_low": interval and interval.low, f"{rate}_high": interval and interval.high}
    return found
