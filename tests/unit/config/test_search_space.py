from __future__ import annotations

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from helpers.sentences import sentences
from htr_exp.config.schema import Search
from htr_exp.config.search_space import (
    MOST_CHECKED,
    Between,
    OneOf,
    Space,
    checked_points,
    is_in,
    refuse_intervals,
    space_of,
    words_of,
)
from htr_exp.core.errors import ConfigError

LRATE = "training.lrate=tag(log, interval(1e-4,1e-2))"


def space(*words: str, trials: int = 2) -> Space:
    return space_of(OverridesParser.create().parse_overrides(list(words)), Search("optuna", trials))


def refused(*words: str, trials: int = 2) -> list[str]:
    with pytest.raises(ConfigError) as error:
        space(*words, trials=trials)
    return sentences(error.value.problems)


def test_hydras_words_for_a_sweep_make_a_space() -> None:
    found = space(
        "seed=3",
        LRATE,
        "training.weight_decay=interval(0,1)",
        "training.epochs=interval(5,20)",
        "training.lag=range(2,11,4)",
        "training.augment=choice(true,false)",
        "model=tridis,none",
    )
    assert found == {
        "training.lrate": Between(1e-4, 1e-2, None, True),
        "training.weight_decay": Between(0.0, 1.0),
        "training.epochs": Between(5, 20, 1),
        "training.lag": Between(2, 10, 4),
        "training.augment": OneOf(("true", "false")),
        "model": OneOf(("tridis", "none")),
    }
    assert isinstance(found["training.epochs"].ends[0], int)


def test_what_is_typed_counts_more_than_what_a_file_said_before() -> None:
    assert list(space(LRATE, "training.epochs=1,2,3", "training.lrate=0.001", "training.lag=interval(1,50)")) == [
        "training.epochs",
        "training.lag",
    ]


def test_both_ends_and_all_words_are_checked_together() -> None:
    points = checked_points(space(LRATE, "training.augment=choice(true,false)"))
    assert [words_of(point) for point in points] == [
        ["training.lrate=0.0001", "training.augment=true"],
        ["training.lrate=0.0001", "training.augment=false"],
        ["training.lrate=0.01", "training.augment=true"],
        ["training.lrate=0.01", "training.augment=false"],
    ]


def test_too_many_combinations_are_checked_one_key_after_the_other() -> None:
    many = f"training.lag={','.join(map(str, range(1, MOST_CHECKED)))}"
    points = checked_points(space(LRATE, many))
    assert len(points) == MOST_CHECKED
    assert {point["training.lag"] for point in points} == set(map(str, range(1, MOST_CHECKED)))
    assert {point["training.lrate"] for point in points} == {1e-4, 1e-2}


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("seed=1,2,3", "the best of several seeds is the luckiest"),
        ("split.seed=1,2", "of the same task and pages"),
        ("dataset=a,b", "of the same task and pages"),
        ("training.augment=interval(0,1)", "its values are no numbers"),
        ("training.lrate=interval(2,1)", "the first end must be below the second"),
        ("training.epochs=interval(1.5,3)", "its values are whole numbers"),
        ("training.lrate=tag(log,interval(0,1))", "a logarithm needs ends above 0"),
        ("training.lrate=tag(slow,interval(0,1))", "the tag slow would change nothing"),
        ("training.lag=tag(log,choice(1,2,3))", "tag(log, ...) is for an interval"),
        ("training.lag=shuffle(range(1,9))", "leave out shuffle()"),
    ],
)
def test_what_cannot_be_searched_is_refused_by_name(word: str, said: str) -> None:
    (found,) = refused(word, LRATE.replace("lrate", "weight_decay"))
    assert found.startswith(word.replace("(log,", "(log,"))
    assert said in found


def test_all_that_is_wrong_is_said_at_once() -> None:
    assert len(refused("seed=1,2", "training.augment=interval(0,1)")) == 2


def test_nothing_to_search_and_no_more_points_than_trials_are_refused() -> None:
    assert "no word says what is searched over" in refused("seed=3")[0]
    assert (
        "there are no more than 6 points" in refused("training.lag=1,2,3", "training.augment=true,false", trials=6)[0]
    )
    assert space("training.lag=1,2,3", "training.augment=true,false", trials=5)


def test_a_sweep_has_no_intervals() -> None:
    with pytest.raises(ConfigError) as error:
        refuse_intervals(OverridesParser.create().parse_overrides([LRATE, "training.lag=range(1,3)"]))
    (said,) = sentences(error.value.problems)
    assert "add launch/search=optuna" in said
    assert "training.lrate=0.0001,0.01" in said
    refuse_intervals(OverridesParser.create().parse_overrides([LRATE, "training.lrate=0.1"]))


def test_a_point_of_a_record_must_be_one_of_the_space() -> None:
    known = space(LRATE, "training.lag=range(1,9)", "training.augment=choice(true,false)")
    point = {"training.lrate": 0.001, "training.lag": 3, "training.augment": "true"}
    assert is_in(known, point)
    for change in ({"training.lrate": 1.0}, {"training.lag": 2.5}, {"training.lag": True}, {"training.augment": "x"}):
        assert not is_in(known, point | change)
    assert not is_in(known, point | {"runtime.ketos": "/bin/sh"})
    assert not is_in(known, {"training.lrate": 0.001})
