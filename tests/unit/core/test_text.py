from __future__ import annotations

import pytest

from htr_exp.core import text


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0 pages"), (1, "1 page"), (2, "2 pages")], ids=["none", "one", "several"]
)
def test_a_noun_follows_its_number(number: int, said: str) -> None:
    assert text.counted(number, "page") == said


def test_a_number_with_a_fraction_is_more_than_one() -> None:
    assert text.counted(1.5, "hour") == "1.5 hours"


def test_a_noun_may_have_a_plural_of_its_own() -> None:
    assert text.counted(1, "copy", "copies") == "1 copy"
    assert text.counted(2, "copy", "copies") == "2 copies"


@pytest.mark.parametrize(
    ("names", "said"), [("", ""), ("a", "a"), ("ab", "a, b"), ("abc", "a, b and 1 more"), ("abcd", "a, b and 2 more")]
)
def test_a_long_list_ends_with_how_many_are_left(names: str, said: str) -> None:
    assert text.first_of(list(names), 2) == said


@pytest.mark.parametrize(("names", "said"), [("", ""), ("a", "a"), ("ab", "a and b"), ("abc", "a, b and c")])
def test_names_are_joined_as_in_a_sentence(names: str, said: str) -> None:
    assert text.joined(list(names)) == said


@pytest.mark.parametrize(("count", "said"), [(999, "999 bytes"), (1500, "1.5 kB"), (2e10, "20 GB")])
def test_sizes_are_told_as_disks_are_sold(count: float, said: str) -> None:
    assert text.size(count) == said


@pytest.mark.parametrize(("count", "said"), [(0, "0 bytes"), (9.94e6, "9.9 MB"), (10e6, "10 MB"), (1.5e12, "1.5 TB")])
def test_small_numbers_of_a_unit_have_one_decimal(count: float, said: str) -> None:
    assert text.size(count) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.4, "0 s"), (89, "89 s"), (90, "2 min"), (5399, "90 min"), (5400, "1.5 h"), (360_000, "100.0 h")],
)
def test_times_are_told_in_the_unit_that_fits(seconds: float, said: str) -> None:
    assert text.duration(seconds) == said


def test_shares_are_told_in_percent_with_two_decimals() -> None:
    assert [text.percent(share) for share in (0.123456, 0.0, 1.0, None)] == ["12.35 %", "0.00 %", "100.00 %", "-"]
