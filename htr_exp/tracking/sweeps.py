"""What a tracking store shows of a sweep: what its runs differ in, and which is the best of them by now."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from htr_exp.core.task import Task, task_of
from htr_exp.core.text import counted
from htr_exp.runs.ownership import copies_among
from htr_exp.runs.records import Figures
from htr_exp.runs.rows import settings_of
from htr_exp.runs.run_dir import BrokenRunError, RunDir
from htr_exp.runs.selection import runs_in
from htr_exp.runs.sweep_points import Settings, described, differing, in_order, short

_KEY = re.compile(r"-([0-9a-f]{4})[0-9a-f]{4}((?:-\d+)?)$")
"""The end of a run folder's name; its first characters and its number are enough beside what the run differs in."""

MOST_VALUES = 8
"""Values of a setting that are shown."""


@dataclass(frozen=True)
class Member:
    """A run of a sweep.

    Attributes:
        run: its folder.
        settings: of its experiment, with the names of its dataset and its base model.
    """

    run: RunDir
    settings: Settings


@dataclass(frozen=True)
class Sweep:
    """The runs that were started together."""

    id: str
    given: str | None  # the name that the record has for it
    members: tuple[Member, ...]
    searched: frozenset[str] = (
        frozenset()
    )  # the settings that a search chooses: its first run differs from no other yet

    @property
    def varied(self) -> list[str]:
        """The settings in which the runs differ."""
        known = {key for member in self.members for key in member.settings}
        return in_order({*differing([member.settings for member in self.members]), *self.searched & known})

    @property
    def name(self) -> str:
        """What people call it: `sweep lrate, seed · 2154`."""
        if self.given:
            return self.given
        said = ", ".join(short(key, self.varied) for key in self.varied)
        return f"sweep {said} · {self.id[:4]}" if said else f"sweep {self.id}"

    def name_of(self, run: RunDir) -> str | None:
        """What a run of it is called: `lrate=0.003 seed=1 · 8343`; None where nothing tells it from the others."""
        mine = next((member.settings for member in self.members if member.run.path == run.path), None)
        words = described(mine, self.varied) if mine is not None else ""
        if not words:
            return None
        key = _KEY.search(run.name)
        return f"{words} · {key[1]}{key[2]}" if key else f"{words} · {run.name}"

    @property
    def values(self) -> str:
        """The settings that vary with their values, in one line."""
        return "; ".join(f"{key}: {', '.join(self._values(key))}" for key in self.varied)

    def _values(self, key: str) -> list[str]:
        found: dict[str, Any] = {str(member.settings.get(key)): member.settings.get(key) for member in self.members}

        def order(said: str) -> tuple[float, str]:
            return (float(found[said]) if isinstance(found[said], int | float) else 0.0, said)

        shown = sorted(found, key=order)
        return shown if len(shown) <= MOST_VALUES else [*shown[: MOST_VALUES - 1], "...", shown[-1]]

    def best(self) -> tuple[RunDir, Mapping[str, Any], str] | None:
        """The best run, its results, and the side of the split that says so: validation, or test where there is no other.

        A run of which a sealed file was changed is none.
        """
        scored = [(member.run, member.run.final_result()) for member in self.members]
        found = [(run, results) for run, results in scored if results and not run.broken_seals()]
        for side in ("validation", "test"):
            ranked = [
                (task.gain(0.0, value), run.name, run, results)
                for run, results in found
                if (task := task_of(run.facts()["run"]["task"])) and (value := _score(results, side, task)) is not None
            ]
            if ranked:
                _, _, run, results = min(ranked, key=lambda one: (-one[0], one[1]))
                return run, results, side
        return None

    @property
    def ended(self) -> int:
        """How many of its runs have ended."""
        return sum(member.run.state().state.is_ended for member in self.members)

    @property
    def last_end(self) -> str | None:
        """When the last of its runs ended; None while one has not."""
        states = [member.run.state() for member in self.members]
        return max((one.since for one in states), default=None) if all(one.state.is_ended for one in states) else None

    @property
    def progress(self) -> str:
        """How many of its runs have ended, in words."""
        return f"{self.ended} of {counted(len(self.members), 'run')} ended"


def _score(results: Mapping[str, Any], side: str, task: Task) -> float | None:
    scores: Mapping[str, Figures | None] = results.get(side) or {}
    value = (scores.get("best") or {}).get(task.score)
    return float(value) if isinstance(value, int | float) else None


@dataclass
class Sweeps:
    """The sweeps of workspaces, each looked for once: of a run alone nobody can say what it differs in."""

    _found: dict[Path, dict[str, Sweep]] = field(default_factory=dict)

    def of(self, run: RunDir) -> Sweep | None:
        """The sweep that a run was last started in, with what all of its runs hold now; None where there is none."""
        last = next((member for member in reversed(run.memberships) if member.get("sweep")), None)
        if last is None:
            return None
        sweep, folder = str(last["sweep"]), run.path.parent
        if folder not in self._found:
            self._found[folder] = _sweeps_in(folder)
        return self._found[folder].get(sweep) or Sweep(sweep, last.get("name"), ())


def _sweeps_in(folder: Path) -> dict[str, Sweep]:
    members: dict[str, list[Member]] = {}
    given: dict[str, str | None] = {}
    searched: dict[str, set[str]] = {}
    runs = runs_in(folder)
    copies = copies_among(runs)  # which have no record in a store, either
    for run in (run for run in runs if run.path not in copies):
        memberships = run.memberships
        of_run = {str(one["sweep"]): one.get("name") for one in memberships if one.get("sweep")}
        for one in memberships:
            searched.setdefault(str(one["sweep"]), set()).update(one.get("point") or ())
        if of_run and (settings := _settings(run)) is not None:
            for sweep, name in of_run.items():
                given[sweep] = given.get(sweep) or name
                members.setdefault(sweep, []).append(Member(run, settings))
    return {
        sweep: Sweep(sweep, given[sweep], tuple(_in_order(of)), frozenset(searched[sweep]))
        for sweep, of in members.items()
    }


def _in_order(members: Sequence[Member]) -> list[Member]:
    return sorted(members, key=lambda member: member.run.name)


def _settings(run: RunDir) -> Settings | None:
    """The settings of a run; None where they cannot be read."""
    try:
        facts = run.facts()
        model = facts["model"]
        named = {"dataset": facts["dataset"]["name"], "model": model["name"] if model else None}
        own = {key: value for key, value in settings_of(run).items() if key not in ("dataset.name", "model.name")}
    except (BrokenRunError, KeyError, TypeError, AttributeError):
        return None
    return own | named
