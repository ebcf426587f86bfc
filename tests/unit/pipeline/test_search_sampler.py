from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from htr_exp.config.schema import Search
from htr_exp.config.search_space import Between, OneOf, Point, Space, is_in
from htr_exp.pipeline.search_sampler import ask

SPACE: Space = {
    "training.lrate": Between(1e-4, 1e-2, None, True),
    "training.lag": Between(2, 10, 4),
    "training.augment": OneOf(("true", "false")),
}
TPE = Search("optuna", 20, 1, "tpe", 4, 1)


@dataclass(frozen=True)
class Told:
    """As much of a trial as a sampler is told."""

    number: int
    point: Point
    value: float | None


def trials(search: Search, count: int, at_a_time: int = 1) -> list[Told]:
    """Search where the best rate is 0.003, and none above 0.008 can be trained with."""
    known: list[Told] = []
    while len(known) < count:
        numbers = list(range(len(known) + 1, len(known) + 1 + at_a_time))
        for number, point in zip(numbers, ask(SPACE, search, known, numbers)):
            rate = point["training.lrate"]
            known.append(Told(number, point, None if rate > 0.008 else abs(rate - 0.003)))
    return known


def test_points_are_of_the_space_and_no_two_waves_are_alike() -> None:
    found = trials(TPE, 12, at_a_time=3)
    assert all(is_in(SPACE, one.point) for one in found)
    assert len({one.point["training.lrate"] for one in found}) == 12


@pytest.mark.parametrize("search", [TPE, replace(TPE, sampler="random", startup_trials=0)], ids=["tpe", "random"])
def test_the_same_seed_asks_for_the_same_points_however_often_it_is_interrupted(search: Search) -> None:
    found = trials(search, 8)
    assert trials(search, 8) == found
    (again,) = ask(SPACE, search, found[:7], [8])
    assert again == found[7].point
    assert trials(replace(search, seed=2), 1) != found[:1]


def test_tpe_learns_from_scores_and_random_does_not() -> None:
    def later(search: Search) -> list[Point]:
        return ask(SPACE, search, [replace(one, value=1.0 - (one.value or 0.5)) for one in known], [9, 10, 11])

    known = trials(TPE, 8)
    assert later(TPE) != ask(SPACE, TPE, known, [9, 10, 11])
    random = replace(TPE, sampler="random")
    assert later(random) == ask(SPACE, random, known, [9, 10, 11])
