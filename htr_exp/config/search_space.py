"""What a search may vary, and between which values: Hydra's own words for a sweep, read as a space."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.types import Override, Transformer

from htr_exp.config.misread_words import kind_of
from htr_exp.config.schema import Search
from htr_exp.core.errors import ConfigError
from htr_exp.core.problem import Problem
from htr_exp.core.text import counted

VARIED = ("training", "model", "architecture")
"""The groups whose keys a search varies: whatever they are, all trials have the same validation pages."""

MOST_CHECKED = 64
"""Combinations of the ends of a space that are checked before the first trial."""

Point = Mapping[str, Any]
"""A value for each key that a search varies: a number, or a word as it is typed."""


@dataclass(frozen=True)
class OneOf:
    """The words that a key may take."""

    words: tuple[str, ...]

    @property
    def ends(self) -> tuple[str, ...]:
        """The values that are checked."""
        return self.words

    @property
    def count(self) -> int | None:
        """How many values there are."""
        return len(self.words)

    def holds(self, value: object) -> bool:
        """Whether a value is among them."""
        return value in self.words

    def __str__(self) -> str:
        return ", ".join(self.words)


@dataclass(frozen=True)
class Between:
    """The numbers that a key may take, both ends included.

    Attributes:
        low: the smallest.
        high: the largest.
        step: between two of them; None: any number.
        log: whether 0.001 to 0.01 is as far as 0.01 to 0.1.
    """

    low: int | float
    high: int | float
    step: int | None = None
    log: bool = False

    @property
    def ends(self) -> tuple[int | float, ...]:
        """The values that are checked."""
        return (self.low, self.high)

    @property
    def count(self) -> int | None:
        """How many values there are; None: as many as one likes."""
        return None if self.step is None else int(self.high - self.low) // self.step + 1

    def holds(self, value: object) -> bool:
        """Whether a value is among them."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return self.low <= value <= self.high and (isinstance(value, int) or isinstance(self.low, float))

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}{', logarithmic' if self.log else ''}"


Space = Mapping[str, OneOf | Between]
"""What each key that a search varies may be."""


def is_in(space: Space, point: Point) -> bool:
    """Whether a point that some record has is one of a space."""
    return point.keys() == space.keys() and all(values.holds(point[key]) for key, values in space.items())


def words_of(point: Point) -> list[str]:
    """A point as it is typed."""
    return [f"{key}={value}" for key, value in point.items()]


def checked_points(space: Space) -> list[Point]:
    """The points to be checked before a search begins: the ends of all keys together, or, where these are too many, one key after the other."""
    ends = {key: values.ends for key, values in space.items()}
    every: list[Point] = [
        dict(zip(ends, values)) for values in itertools.islice(itertools.product(*ends.values()), MOST_CHECKED + 1)
    ]
    if len(every) <= MOST_CHECKED:
        return every
    first = {key: values[0] for key, values in ends.items()}
    alone: list[Point] = [first | {key: value} for key, values in ends.items() for value in values]
    return [point for number, point in enumerate(alone) if point not in alone[:number]]


def refuse_intervals(overrides: Sequence[Override]) -> None:
    """Refuse what only a search can draw a value from.

    Raises:
        ConfigError: there is some.
    """
    last = {str(one.get_key_element()): one for one in overrides}  # what is typed counts more than a file
    if found := [one for one in last.values() if one.is_interval_sweep()]:
        raise ConfigError("the sweep cannot run:", [_no_values(one) for one in found])


def _no_values(override: Override) -> Problem:
    interval: Any = override.value()
    key = str(override.get_key_element())
    what = f"{override.input_line}: a sweep trains every value, and an interval has no end of them"
    remedy = (
        f"add launch/search=optuna, which chooses among them, or name values: {key}={interval.start:g},{interval.end:g}"
    )
    return Problem(what, remedy, key)


def space_of(overrides: Sequence[Override], search: Search) -> Space:
    """The space of a search.

    Args:
        overrides: the words, those of an experiment's file first, as Hydra reads them.
        search: what is searched with.

    Raises:
        ConfigError: with all that cannot be searched.
    """
    space: dict[str, OneOf | Between] = {}
    problems: list[Problem] = []
    for override in overrides:
        key = str(override.get_key_element())
        space.pop(key, None)  # what is typed counts more than a file
        if not override.is_sweep_override():
            continue
        problems += (found := [*_key_problems(key, override), *_value_problems(key, override)])
        if not found:
            space[key] = _values(key, override)
    if not problems:
        problems = list(_size_problems(space, search))
    if problems:
        raise ConfigError("the search cannot run:", problems)
    return space


def _values(key: str, override: Override) -> OneOf | Between:
    value: Any = override.value()
    if override.is_interval_sweep():
        low, high = value.start, value.end
        if kind_of(key) is int:
            return Between(int(low), int(high), None if "log" in value.tags else 1, "log" in value.tags)
        return Between(float(low), float(high), None, "log" in value.tags)
    found: list[Any] = list(override.sweep_iterator(Transformer.encode))
    if override.is_range_sweep() and len(found) > 1 and all(isinstance(one, int) for one in found):
        return Between(min(found), max(found), abs(found[1] - found[0]))
    return OneOf(tuple(dict.fromkeys(_word(one) for one in found)))


def _word(value: Any) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _key_problems(key: str, override: Override) -> Iterator[Problem]:
    """Why a key is not searched over."""
    if key == "seed":
        what = f"{override.input_line}: the best of several seeds is the luckiest, not a better model"
        yield Problem(
            what, "write seed=NUMBER, and repeat the best point with other seeds: `train -m ... seed=1,2,3`", key
        )
    elif key.partition(".")[0] not in VARIED:
        what = f"{override.input_line}: a search compares trials by the validation score, of the same task and pages"
        yield Problem(what, f"choose one value; a search varies {', '.join(VARIED)}", key)


def _value_problems(key: str, override: Override) -> Iterator[Problem]:
    """Why values are not searched among."""
    value: Any = override.value()
    typed = override.input_line
    if getattr(value, "shuffle", False):
        yield Problem(f"{typed}: a search puts values into an order of its own", "leave out shuffle()", key)
    if others := sorted(getattr(value, "tags", set()) - {"log"}):
        yield Problem(f"{typed}: the tag {others[0]} would change nothing", "leave it out; there is tag(log, ...)", key)
    if not override.is_interval_sweep():
        if "log" in getattr(value, "tags", set()):
            yield Problem(
                f"{typed}: tag(log, ...) is for an interval", f"write {key}='tag(log, interval(LOW,HIGH))'", key
            )
        return
    if kind_of(key) not in (int, float):
        yield Problem(f"{typed}: its values are no numbers", f"write {key}=A,B", key)
    elif not value.start < value.end:
        yield Problem(f"{typed}: the first end must be below the second", where=key)
    elif kind_of(key) is int and (value.start != int(value.start) or value.end != int(value.end)):
        yield Problem(f"{typed}: its values are whole numbers", "write whole ends", key)
    elif "log" in value.tags and value.start <= 0:
        yield Problem(f"{typed}: a logarithm needs ends above 0", where=key)


def _size_problems(space: Space, search: Search) -> Iterator[Problem]:
    """Why there is nothing to choose."""
    if not space:
        what = "launch/search=optuna: no word says what is searched over"
        yield Problem(what, "write for example training.lrate='tag(log, interval(1e-4,1e-2))'", "launch/search")
        return
    counts = [values.count for values in space.values()]
    points = 1
    for count in counts:
        if count is None:
            return
        points *= count
    if search.trials is not None and points <= search.trials:
        what = f"launch/search=optuna: there are no more than {counted(points, 'point')}, and launch.search.trials={search.trials}"
        yield Problem(what, "leave it out: the sweep trains every point", "launch/search")
