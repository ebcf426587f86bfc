from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from htr_exp.core.console import console
from htr_exp.runs.configuration import flat
from htr_exp.runs.sweep_points import MOST, Point, described, differing, numbered, said_of, show_points

EVIL = "\x1b]0;x\x07\u202e\nerror: forged\x9b"


def test_points_differ_in_what_is_learnt_and_not_in_where() -> None:
    points = [
        flat({"training": {"lrate": rate, "lag": 5}, "seed": 1, "site": {"workspace": str(rate)}, "dataset": {"path": [rate]}})
        for rate in (0.1, 0.2)
    ]  # fmt: skip
    assert differing(points) == ["training.lrate"]
    assert numbered(points) == ["run 1 of 2, lrate=0.1", "run 2 of 2, lrate=0.2"]
    assert numbered(points[:1]) == ["run 1 of 1"]


def test_the_seed_is_read_last_as_in_the_names_that_mlflow_shows() -> None:
    points = [flat({"training": {"lrate": seed / 10}, "seed": seed, "split": {"seed": seed}}) for seed in (1, 2)]
    assert differing(points) == ["split.seed", "training.lrate", "seed"]
    assert numbered(points)[1] == "run 2 of 2, split.seed=2 lrate=0.2 seed=2"


def test_a_key_is_whole_where_another_ends_alike_and_values_are_written_as_on_the_command_line() -> None:
    keys = ["split.seed", "seed", "training.time_budget_min", "training.exact"]
    point = {"split.seed": 1, "seed": 2, "training.time_budget_min": None, "training.exact": True}
    assert described(point, keys) == "split.seed=1 seed=2 time_budget_min=null exact=true"
    choices = {"model.name": "tridis", "site.launch.name": "here"}
    assert described(choices, list(choices)) == "model=tridis site.launch=here"
    assert described({"a": "x" * 100}, ["a"]) == f"a={'x' * 37}..."


def test_what_is_said_of_some_points_alone_names_them() -> None:
    points = [{"seed": seed} for seed in (1, 2, 3)]
    assert said_of(points, [["all", "two", "two"], ["all"], ["all", "two"]]) == ["all", "seed=1, seed=3: two"]
    assert said_of(points[:1], [["one"]]) == ["one"]
    assert said_of([{"a": 1}, {"a": 1}], [["one"], []]) == ["one"]


@pytest.mark.parametrize("width", [40, 80])
def test_the_table_fits_and_no_name_steers_the_terminal(width: int) -> None:
    stream = io.StringIO()
    out = type(console())(file=stream, width=width, highlight=False, markup=False, emoji=False)
    assert isinstance(out, Console)
    points = [Point(f"run-{number}{EVIL}", {"seed": number, "name.of": EVIL * number}, EVIL) for number in range(1, 4)]
    show_points(out, points)
    said = stream.getvalue()
    assert max(map(len, said.splitlines())) <= width
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", said)
    assert not re.search("^error", said, re.MULTILINE)
    assert "seed=3" in said


def test_a_long_sweep_is_cut_short_with_its_number() -> None:
    stream = io.StringIO()
    show_points(Console(file=stream, width=80), [Point(f"r{number}", {"seed": number}, "") for number in range(100)])
    lines = stream.getvalue().splitlines()
    assert lines[-2].split() == [str(MOST), f"seed={MOST - 1}", f"r{MOST - 1}"]
    assert lines[-1] == f"and {100 - MOST} more runs"
