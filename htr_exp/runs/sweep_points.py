"""What tells the runs of a sweep apart: the settings in which they differ, and how people read them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from htr_exp.core.console import Text
from htr_exp.core.text import and_more, counted, first_of

Settings = Mapping[str, Any]
"""A configuration as dotted keys with plain values."""

LONGEST = 40
"""Characters of a value that are shown: it may be a list of files."""

FIGURES = 10
"""Characters of a number; one that a search chose has more, and is shown to four digits."""

MOST = 30
"""Points that a table shows."""

_NO_DIFFERENCE = (
    "site.",
    "launch.",
    "tracking.",
    "slurm.",
    "again",
    "name",
    "model.path",
    "model.file",
    "model.doi",
    "dataset.path",
    "dataset.transcription_convention",
    "model.transcription_convention",
    "predictions",
    "system",
    "segmentation_model.path",
    "segmentation_model.file",
    "segmentation_model.doi",
)
"""Where a run works, and what another key says, too."""


def differing(points: Sequence[Settings]) -> list[str]:
    """The keys in which points differ, as people read them, but those that say where a run works."""
    return [
        key
        for key in in_order({key for one in points for key in one})
        if not key.startswith(_NO_DIFFERENCE) and len({repr(one.get(key)) for one in points}) > 1
    ]


def in_order(keys: Iterable[str]) -> list[str]:
    """Keys as people read them: by the alphabet, and the seed last, which only repeats what the others say."""
    return sorted(keys, key=lambda key: (key == "seed", key))


def short(key: str, keys: Sequence[str]) -> str:
    """The last word of a setting's key, where no other ends with the same; what a group has chosen is called as it is typed."""
    group, _, last = key.rpartition(".")
    if last == "name":
        return group or key
    return last if [other.rpartition(".")[2] for other in keys].count(last) == 1 else key


def described(point: Settings, keys: Sequence[str]) -> str:
    """A point by the settings that vary: `lrate=0.003 seed=1`; empty where none does."""
    return " ".join(f"{short(key, keys)}={_value(point.get(key))}" for key in keys)


def _value(value: Any) -> str:
    if isinstance(value, float) and len(repr(value)) > FIGURES:
        return f"{value:.4g}"
    said = "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return said if len(said) <= LONGEST else f"{said[: LONGEST - 3]}..."


@dataclass(frozen=True)
class Point:
    """One run of a sweep.

    Attributes:
        run: the name of its folder.
        settings: of its experiment.
        state: how it stands before the sweep starts, such as `done`; empty where it only begins.
    """

    run: str
    settings: Settings
    state: str


def show_points(out: Console, points: Sequence[Point]) -> None:
    """Print the points of a sweep, each with its number and what is its own."""
    keys = differing([one.settings for one in points])
    table = Table(box=None, pad_edge=False)
    table.add_column("", justify="right")
    for name in ("differs in", "run", *["state"] * any(one.state for one in points)):
        table.add_column(name, overflow="fold")
    for number, one in enumerate(points[:MOST], 1):
        cells = (described(one.settings, keys), one.run, one.state)
        table.add_row(str(number), *map(Text, cells[: len(table.columns) - 1]))
    out.print(table)
    if len(points) > MOST:
        out.print(and_more(len(points) - MOST, "runs"))


def numbered(points: Sequence[Settings]) -> list[str]:
    """What each point of a sweep is called while it is worked on: `run 2 of 3, lrate=0.003`."""
    keys = differing(points)
    words = [described(one, keys) for one in points]
    return [f"run {number} of {len(points)}{f', {said}' if said else ''}" for number, said in enumerate(words, 1)]


def said_of(points: Sequence[Settings], sentences: Sequence[Sequence[str]]) -> list[str]:
    """Each sentence once; one that is said of some points alone begins with what sets them apart: `seed=1, seed=2: ...`.

    Args:
        points: of a sweep.
        sentences: what is said of each of them.
    """
    keys = differing(points)
    of: dict[str, list[str]] = {}
    for point, said in zip(points, sentences):
        for one in dict.fromkeys(said):
            of.setdefault(one, []).append(described(point, keys))
    return [f"{first_of(some, 3)}: {one}" if keys and len(some) < len(points) else one for one, some in of.items()]


def of_sweep(count: int, sweep: str) -> str:
    """The first words about a sweep."""
    return f"sweep {sweep}: {counted(count, 'run')}"
