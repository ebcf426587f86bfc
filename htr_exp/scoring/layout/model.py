"""What is compared: the layout of a page as transcribed and as a model found it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from htr_exp.groundtruth.model import Line, Region

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]
Booleans = NDArray[np.bool_]

UNTYPED = "default"
"""The type of what states none, as kraken names it (`kraken.lib.dataset.utils._get_type`, 7.1.1)."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The lines and regions of one page; the order of the lines is the reading order."""

    lines: tuple[Line, ...]
    regions: tuple[Region, ...]


@dataclass(frozen=True, slots=True)
class PagePair:
    """One page: its ground truth, and what a model found on it."""

    page: str
    reference: Layout
    hypothesis: Layout


def kind(thing: Line | Region) -> str:
    """The type by which a line or region is compared."""
    return thing.type or UNTYPED


def ranges(starts: NDArray[Any], counts: NDArray[Any]) -> Integers:
    """The numbers `start, start + 1, ...`, so many of each, one after the other."""
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    numbers: Integers = np.arange(total) + np.repeat(starts - (ends - counts), counts)
    return numbers
