"""At which epochs a training was resumed after it was interrupted, and whether that can have changed its result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from htr_exp.runs.records import Resumptions, StartRecord


def resumptions(records: Sequence[StartRecord]) -> Resumptions:
    """Where the training of a run was resumed.

    Each start of kraken that followed an interruption counts; the planned starts of legs do not. A resumption is exact where it
    began at the start of a leg, on the same device with the same kraken and loaders: an uninterrupted training begins there,
    too, with the same seed.

    Args:
        records: of starts.jsonl.
    """
    starts = [start for start in records if "leg" in start]
    resumed = [start for start in starts[1:] if not start.get("new_leg")]
    return {
        "resumed_at": [start.get("epochs_before", 0) for start in resumed],
        "resumed_exactly": all(start.get("exact", False) for start in resumed) if resumed else None,
    }


def of_run(records: Sequence[StartRecord], results: Mapping[str, Any] | None) -> Resumptions:
    """The same, or what the sealed results say where the starts know of no more: whoever edits or deletes the starts does not undo them.

    Args:
        records: of starts.jsonl.
        results: of results.json, where there is one.
    """
    found = resumptions(records)
    sealed = (results or {}).get("resumed_at") or []
    if len(sealed) < len(found["resumed_at"]) or not sealed:
        return found
    return {"resumed_at": sealed, "resumed_exactly": (results or {}).get("resumed_exactly")}


def shown(row: Resumptions) -> str:
    """At which epochs a run was resumed, for people."""
    epochs = ", ".join(str(epoch) for epoch in row["resumed_at"])
    return epochs + " (exact)" * bool(row["resumed_exactly"])


INEXACT = (
    "resumed: an interruption changed the order of the lines and the random numbers of training, so that the scores differ a "
    "little from those of an uninterrupted run; with training.exact=true they do not"
)
"""What stands below scores of runs that were not resumed exactly."""
