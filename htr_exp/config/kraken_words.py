"""Values that users of kraken's command line are used to type: what they really do, and what to write here instead."""

from __future__ import annotations

from collections.abc import Sequence

VALUES = {
    "training.quit": {
        "dumb": "kraken 4.3.13's `--quit dumb` never ends without -N, and drops a number behind it in silence, as a file that is not there; "
        "with -N it trains all of these epochs (whole ones, not iterations of one: 2000 would leave 10 GB of models, had Slurm not ended them "
        "at its time limit); write training.quit=fixed training.epochs=NUMBER"
    },
    "training.resize": {"both": "an old word for new", "add": "an old word for union"},
}
"""Words of kraken that are not ours, by the key that they are given to."""


def of_value(key: str, value: object) -> str | None:
    """What a value that a key does not take means in kraken, and what to write; None if it means nothing there."""
    first, *behind = str(value).split() or [""]
    meant = VALUES.get(key, {}).get(first)
    return f"{meant}{patience(behind)}" if meant and key == "training.quit" else meant


def patience(behind: Sequence[str]) -> str:
    """What a user who writes a number after `dumb` probably wants."""
    if not behind or not behind[0].isdigit():
        return ""
    return f"; to stop {behind[0]} epochs after the best, training.quit=early training.lag={behind[0]}"
