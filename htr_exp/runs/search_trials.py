"""The trials of a search as run folders tell of them: there is no other record of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from htr_exp.core.run_state import RunState
from htr_exp.runs import status
from htr_exp.runs.rows import RunRow, rows_of, to_minimise
from htr_exp.runs.run_dir import RunDir
from htr_exp.runs.selection import runs_in


@dataclass(frozen=True)
class Trial:
    """A trial of a search.

    Attributes:
        number: from 1.
        point: the values that were chosen for it.
        run: that it is.
        row: of the run, as it is now.
    """

    number: int
    point: Mapping[str, Any]
    run: RunDir
    row: RunRow

    @property
    def value(self) -> float | None:
        """What the search minimises, by the validation pages; None where the run is not done, or its results were changed."""
        return to_minimise(self.row) if self.row["state"] is RunState.DONE and self.row["seals"] == "ok" else None


def trials_of(folder: Path, search: str) -> list[Trial]:
    """The trials of a search in the order of their numbers.

    Args:
        folder: of the workspace's runs.
        search: its identity.
    """
    found: dict[int, tuple[Mapping[str, Any], RunDir]] = {}
    for run in runs_in(folder):
        for member in run.memberships:
            if member["sweep"] == search and isinstance(number := member.get("trial"), int):
                found[number] = (member.get("point") or {}, run)
    numbers = sorted(found)
    runs = [found[number][1] for number in numbers]
    rows = rows_of(runs, status.look(runs)[0])
    return [Trial(number, *found[number], row) for number, row in zip(numbers, rows)]


def best_of(trials: list[Trial]) -> Trial | None:
    """The trial with the best validation score, the first of equals."""
    scored = [trial for trial in trials if trial.value is not None]
    return min(scored, key=lambda trial: (trial.value or 0.0, trial.number), default=None)
