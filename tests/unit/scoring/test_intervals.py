"""Intervals and tests over pages: against scipy, against enumeration, and where there is too little to say anything."""

from __future__ import annotations

import itertools
import math

import pytest

from htr_exp.scoring.intervals import (
    Count,
    by_unit,
    holm,
    of_difference,
    of_rate,
    sign_flips,
    student,
    units,
)
from htr_exp.scoring.lines import LinePair, score
from htr_exp.scoring.score_intervals import bounds, counts

EQUAL = [Count(errors, 1000) for errors in (80, 95, 61, 120, 73)]
BETTER = [Count(errors, 1000) for errors in (70, 90, 66, 101, 60)]


@pytest.mark.parametrize(
    ("freedom", "level", "t"),
    [(1, 0.95, 12.70620), (2, 0.95, 4.302653), (4, 0.95, 2.776445), (29, 0.95, 2.045230), (7, 0.6, 0.896030), (999, 0.95, 1.962341)],
)  # fmt: skip
def test_student_is_that_of_the_tables(freedom: int, level: float, t: float) -> None:
    assert student(freedom, level) == pytest.approx(t, abs=5e-6)


def test_on_pages_of_one_size_the_difference_is_the_paired_t_test() -> None:
    stats = pytest.importorskip("scipy.stats")
    found = of_difference(EQUAL, BETTER)
    assert found is not None
    rates = [[one.errors / one.units for one in side] for side in (EQUAL, BETTER)]
    expected = stats.ttest_rel(rates[1], rates[0])
    between = expected.confidence_interval(0.95)
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.interval.low, found.interval.high) == pytest.approx((between.low, between.high))
    assert found.value == pytest.approx((387 - 429) / 5000)


def test_pages_of_other_sizes_weigh_by_their_size() -> None:
    """By hand: what is left without each page in turn, half an error added."""
    found = of_rate([Count(5, 100), Count(10, 100), Count(10, 200)])
    assert found is not None
    without = [math.log(20.5 / 300), math.log(15.5 / 300), math.log(15.5 / 200)]
    mean = sum(without) / 3
    error = math.sqrt(2 / 3 * sum((one - mean) ** 2 for one in without))
    reach = 4.302653 * error
    assert found.low == pytest.approx(25.5 / 400 * math.exp(-reach), rel=1e-5)
    assert found.high == pytest.approx(25.5 / 400 * math.exp(reach), rel=1e-5)


def test_a_rate_of_nothing_wrong_has_an_interval_that_begins_there() -> None:
    found = of_rate([Count(0, 100), Count(0, 150), Count(0, 50)])
    assert found is not None
    assert 0 == found.low < found.high


def test_an_interval_holds_its_rate_where_pages_are_all_alike() -> None:
    found = of_rate([Count(5, 100)] * 4)
    assert found is not None
    assert found.low <= 0.05 <= found.high


def test_two_pages_that_differ_say_next_to_nothing_and_no_more_than_all() -> None:
    found = of_rate([Count(40, 300), Count(70, 260)])
    assert found is not None
    assert found.low < 0.01
    assert found.high == 1
    invented = of_rate([Count(400, 300), Count(700, 260)])
    assert invented is not None
    assert invented.high == 1100 / 560


@pytest.mark.parametrize("pages", [[], [Count(3, 100)], [Count(3, 100), Count(0, 0)]])
def test_one_page_has_no_interval(pages: list[Count]) -> None:
    assert of_rate(pages) is None
    assert of_difference(pages, pages) is None


def test_models_that_read_alike_do_not_differ() -> None:
    found = of_difference(EQUAL, EQUAL)
    assert found is not None
    assert (found.value, found.interval.low, found.interval.high, found.p, found.sign_p) == (0, 0, 0, 1, 1)


def test_models_that_read_other_lines_are_not_compared() -> None:
    with pytest.raises(ValueError, match="did not read the same references"):
        of_difference(EQUAL, [*EQUAL[1:], Count(1, 999)])


def test_what_is_detectable_is_found_in_four_of_five_cases() -> None:
    found = of_difference(EQUAL, BETTER)
    assert found is not None
    reach = (found.interval.high - found.interval.low) / 2
    assert found.detectable / reach == pytest.approx((2.776445 + 0.940965) / 2.776445, rel=1e-5)


@pytest.mark.parametrize("pages", [2, 3, 5, 9])
def test_signs_of_few_pages_never_give_a_small_p(pages: int) -> None:
    assert sign_flips([*range(1, pages + 1)]) == 2 / 2**pages


def test_signs_are_all_tried() -> None:
    differences = [4, -2, 7, 1, -3]
    sums = [sum(s * d for s, d in zip(signs, differences)) for signs in itertools.product((-1, 1), repeat=5)]
    assert sign_flips(differences) == sum(abs(one) >= 7 for one in sums) / 32


def test_pages_without_a_difference_decide_nothing() -> None:
    assert sign_flips([0, 0, 0]) == 1
    assert sign_flips([5, 0, 0, -1]) == sign_flips([5, -1])


def test_signs_of_many_pages_are_drawn_the_same_each_time() -> None:
    stats = pytest.importorskip("scipy.stats")
    differences = [(7 * number) % 11 - 4 for number in range(40)]
    expected = 2 * stats.norm.sf(abs(sum(differences)) / math.sqrt(sum(d * d for d in differences)))
    assert sign_flips(differences) == sign_flips(differences) == pytest.approx(expected, abs=0.02)


def test_holm_is_that_of_his_paper() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_the_groups_of_the_split_are_the_units() -> None:
    assert units({"a/1": "a", "a/2": "a", "b/1": "b"}) == {"a/1": "a", "a/2": "a", "b/1": "b"}
    assert units({"1": None, "2": None}) == {"1": "1", "2": "2"}
    assert by_unit([("b", Count(1, 10)), ("a", Count(2, 20)), ("b", Count(3, 30))]) == [Count(2, 20), Count(4, 40)]


def test_within_one_group_pages_are_the_units() -> None:
    assert units({"a/1": "a", "a/2": "a"}) == {"a/1": "a/1", "a/2": "a/2"}


def test_each_rate_of_a_score_has_its_bounds() -> None:
    pairs = [LinePair(page, "1", "in principio erat", read) for page, read in (("1", "in prjncipio erat"), ("2", "in principio erat"), ("3", "im principlo era"))]  # fmt: skip
    found = score(pairs)
    unit_of = units(dict.fromkeys(("1", "2", "3")))
    said = bounds(found, unit_of)
    assert said.keys() == {
        "units",
        *(f"{rate}_{end}" for rate in ("cer", "cer_raw", "cer_nospace", "wer") for end in ("low", "high")),
    }
    assert said["units"] == 3
    for rate in ("cer", "cer_raw", "wer"):
        assert 0 < said[f"{rate}_low"] < getattr(found, rate) < said[f"{rate}_high"]
    assert counts(found, "wer", unit_of) == [Count(1, 3), Count(0, 3), Count(3, 3)]
    alone = bounds(score(pairs[:1]), {"1": "1"})
    assert (alone["units"], alone["cer_low"], alone["cer_high"]) == (1, None, None)
