"""Where a search looks next: Optuna's samplers, asked with the trials that run folders tell of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import TrialState, create_trial

from htr_exp.config.schema import Search
from htr_exp.config.search_space import Between, OneOf, Point, Space
from htr_exp.core.files import digest_json


class Told(Protocol):
    """What a sampler is told of a trial that has ended."""

    @property
    def point(self) -> Point:
        """The values that were chosen for it."""

    @property
    def value(self) -> float | None:
        """What is minimised; None of a trial that failed."""


def ask(space: Space, search: Search, known: Sequence[Told], numbers: Sequence[int]) -> list[Point]:
    """The points of the next trials.

    The study is made anew of what run folders say, and the sampler is seeded for each trial: so the same words ask for
    the same points, however often a search was interrupted.

    Args:
        space: what may vary.
        search: which sampler, and its seed.
        known: the trials that have ended, by their numbers.
        numbers: of the trials to be asked for.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    distributions = {key: _distribution(values) for key, values in space.items()}
    study = optuna.create_study(direction="minimize")
    for trial in known:
        study.add_trial(
            create_trial(
                state=TrialState.FAIL if trial.value is None else TrialState.COMPLETE,
                value=trial.value,
                params=dict(trial.point),
                distributions=distributions,
            )
        )
    points: list[Point] = []
    for number in numbers:
        study.sampler = _sampler(search, number)
        points.append(study.ask(distributions).params)
    return points


def _distribution(values: OneOf | Between) -> BaseDistribution:
    if isinstance(values, OneOf):
        return CategoricalDistribution(values.words)
    if isinstance(values.low, int) and isinstance(values.high, int):
        return IntDistribution(values.low, values.high, log=values.log, step=values.step or 1)
    return FloatDistribution(values.low, values.high, log=values.log)


def _sampler(search: Search, number: int) -> BaseSampler:
    seed = int(digest_json([search.seed, number])[:8], 16)
    if search.sampler == "random":
        return RandomSampler(seed)
    return TPESampler(seed=seed, n_startup_trials=search.startup_trials or 0)
