"""A search over values: asks for points, trains them as ordinary runs, and tells their validation scores, until there are enough."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from htr_exp.cli import search_table, start
from htr_exp.cli.composition import remember_site, repeat_site
from htr_exp.cli.start import StartRequest
from htr_exp.config.compose import Composed
from htr_exp.config.schema import Search as Settings
from htr_exp.config.search_space import Point, Space, checked_points, is_in
from htr_exp.core import console, terminal
from htr_exp.core.errors import ConfigError
from htr_exp.core.files import digest_json
from htr_exp.core.lock import Locked, locked
from htr_exp.core.own_command import own_command
from htr_exp.core.problem import Problem
from htr_exp.core.run_state import RunState
from htr_exp.pipeline import search_sampler
from htr_exp.pipeline.plan import Plan
from htr_exp.pipeline.sources import Sources
from htr_exp.runs.run_dir import RunDir
from htr_exp.runs.search_trials import Trial, best_of, trials_of

MOST_FAILED = 3
"""So many trials are tried where none has a score yet."""


@dataclass
class SearchUnderWay:
    """A search that this process does.

    Attributes:
        space: what may vary.
        compose: makes experiments of points.
        sources: what all plans read; data that is changed meanwhile makes another search.
        ends: the plans of its ends, which were checked.
        asked: for by the command line.
        told: the warnings that were shown.
    """

    space: Space
    compose: Callable[[Sequence[Point]], list[Composed]]
    sources: Sources
    ends: list[Plan]
    asked: StartRequest
    told: list[str] = field(default_factory=list)

    @property
    def request(self) -> StartRequest:
        """What the command line asks for, by the search's name."""
        return replace(self.asked, sweep=self.id)

    @property
    def settings(self) -> Settings:
        """How points are chosen."""
        return self.ends[0].experiment.launch.search

    @property
    def id(self) -> str:
        """What it is known by: all that decides its trials, but not how many there are."""
        settings = self.settings
        chosen = [settings.sampler, settings.startup_trials, settings.seed]
        space = {key: repr(values) for key, values in self.space.items()}
        return digest_json([sorted(plan.key for plan in self.ends), space, chosen])[:8]

    @property
    def folder(self) -> Path:
        """Of the runs."""
        return self.ends[0].places.runs

    def trials(self) -> list[Trial]:
        """The trials that there are; a record that is not of this space is none."""
        return [trial for trial in trials_of(self.folder, self.id) if is_in(self.space, trial.point)]


def run(space: Space, compose: Callable[[Sequence[Point]], list[Composed]], request: StartRequest, *, dry: bool) -> int:
    """Do a search, or what is left of it; returns the exit code.

    Args:
        space: what may vary.
        compose: makes experiments of points.
        request: what the command line asks for.
        dry: show what it would be, and start nothing.

    Raises:
        ConfigError: with all problems of all ends of the space, or another process does this search.
    """
    ends = compose(checked_points(space))
    repeat_site(ends[0].site)
    if dry:
        if not request.json:
            search_table.show_space(console.console(), space, ends[0].experiment.launch.search)
        start.dry_run(ends, request)
        return 0
    sources = start.sources_of(request, fetch=True)
    plans = [plan for of_point in start.planned(ends, request, sources) for plan in of_point]
    search = SearchUnderWay(space, compose, sources, plans, request)
    remember_site(ends[0].site, request.verb)
    search.folder.mkdir(parents=True, exist_ok=True)
    try:
        with locked(search.folder / f".search-{search.id}.lock"):
            return _searched(search)
    except Locked as other:
        owner = other.owner
        what = f"search {search.id}: process {owner.pid} on {owner.host} does it already"
        remedy = (
            f"wait for its end: `{own_command(f'status {search.id} --watch')}`; or end it there: `kill {owner.pid}`"
        )
        raise ConfigError("the search cannot run:", [Problem(what, remedy)]) from None


def _searched(search: SearchUnderWay) -> int:
    out = None if search.request.json else console.console()
    if out is not None:
        search_table.show_beginning(out, search.id, search.space, search.ends[0].experiment, search.trials())
    stopped: str | None = None
    tried: set[int] = set()
    try:
        while stopped is None and (wave := _next(search, tried)):
            stopped = _train(search, wave)
            tried |= wave.keys()
            trials = search.trials()
            if out is not None:
                search_table.show_wave(out, trials, wave, search.settings)
            if best_of(trials) is None and len(tried) >= MOST_FAILED:
                break  # what keeps them all from a score is no matter of values
    except KeyboardInterrupt:
        search_table.say_unfinished(search.id)
        raise
    trials = search.trials()
    if out is None:
        terminal.say_json([start.brief(one.row) | {"trial": one.number, "point": dict(one.point)} for one in trials])
    else:
        search_table.show_end(out, search.id, search.space, trials, search.request.words)
        if stopped is not None:
            search_table.say_unfinished(search.id)
    failed = best_of(trials) is None or any(one.row["state"] is RunState.FAILED for one in trials)
    return start.code_of(stopped) or int(failed)


def _next(search: SearchUnderWay, tried: set[int]) -> dict[int, Point]:
    """The trials that come next, by their numbers: those that an earlier command left, then new ones."""
    settings, known = search.settings, search.trials()
    left = {one.number: one.point for one in known if one.value is None and one.number not in tried}
    if left:
        return dict(list(left.items())[: settings.at_a_time])
    numbers = {one.number for one in known}
    new = [number for number in range(1, (settings.trials or 0) + 1) if number not in numbers][: settings.at_a_time]
    return dict(zip(new, search_sampler.ask(search.space, settings, known, new))) if new else {}


def _train(search: SearchUnderWay, wave: dict[int, Point]) -> str | None:
    """Train some trials; returns the word with which that was stopped, or None."""
    request = search.request
    by_point = start.plans_of(search.compose(list(wave.values())), request, search.sources)
    plans = [plan for of_point in by_point for plan in of_point]
    new = [warning for plan in plans for warning in plan.warnings if warning not in search.told]
    search.told += new
    if not request.json:
        console.show_warnings(console.console(stderr=True), new)
    ready = start.written(plans, request)
    called: dict[RunDir, str] = {}
    for one, (number, point) in zip(ready, wave.items()):
        one.run.join_sweep(search.id, request.words, trial=number, point=dict(point))
        called[one.run] = search_table.called(number, point, search.settings)
    return start.work(ready, request, called)[0]
