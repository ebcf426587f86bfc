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
