"""Whether the lines that were found are read in the right order."""

from __future__ import annotations

from bisect import bisect, insort
from collections.abc import Sequence


def order_agreement(places: Sequence[int]) -> float | None:
    """The share of pairs of lines that are read in the same order on both sides; None with fewer than two lines.

    It is 1 less the normalised Kendall tau distance, one of the two measures of Quirós and Vidal, Reading order detection
    on handwritten documents, 2022 (doi 10.1007/s00521-022-06948-5), taken over the lines that were found: 1 for the same
    order, 0 for the reverse, about a half for a random one.

    Args:
        places: for each line found, in the order of the ground truth, its place in the predicted order; all different.
    """
    pairs = len(places) * (len(places) - 1) // 2
    if not pairs:
        return None
    seen: list[int] = []
    agreeing = 0
    for place in places:
        agreeing += bisect(seen, place)
        insort(seen, place)
    return agreeing / pairs
