"""Numbers as people read them."""

from __future__ import annotations


def percent(share: float | None) -> str:
    """Return a share as percent with two decimals, or a dash."""
    return "-" if share is None else f"{100 * share:.2f} %"


def duration(seconds: float) -> str:
    """Return a time in the unit that fits."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
