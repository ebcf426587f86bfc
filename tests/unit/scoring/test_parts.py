"""The figures of parts of the pages: micro, with their own intervals, and none that say nothing new."""

from __future__ import annotations

from typing import Any

import pytest

from htr_exp.scoring.folding import Folding
from htr_exp.scoring.lines import LinePair, score
from htr_exp.scoring.parts import by_column

PAGES = {"a/1": ("abcd", "abcx"), "a/2": ("ab", "ab"), "b/1": ("abcdefgh", "abcd"), "b/2": ("ab", "x")}
HANDS = {"a/1": "Odo", "a/2": "Odo", "b/1": "Guy", "b/2": ""}


def found(**columns: dict[str, str]) -> dict[str, Any]:
    pairs = [LinePair(page, "1", *texts) for page, texts in PAGES.items()]
    folding = Folding([], case=True, punctuation=True)
    return by_column(score(pairs, folding=folding), columns, {page: page for page in PAGES})


def test_the_pages_of_a_value_are_scored_together() -> None:
    unknown, guy, odo = found(hand=HANDS)["hand"]
    assert [one["value"] for one in (unknown, guy, odo)] == ["", "Guy", "Odo"]
    assert (odo["errors"], odo["characters"], odo["pages"], odo["lines"], odo["units"]) == (1, 6, 2, 2, 2)
    assert odo["cer"] == odo["cer_folded"] == pytest.approx(1 / 6)
    assert odo["cer_low"] < odo["cer"] < odo["cer_high"]
    assert (guy["cer"], guy["deletions"], guy["cer_low"]) == (0.5, 4, None)  # one page has no interval
    assert (unknown["errors"], unknown["pages"]) == (2, 1)


def test_a_page_that_the_table_lacks_is_of_the_unknown_ones() -> None:
    values = found(hand={"a/1": "Odo", "a/2": "Odo"})["hand"]
    assert [(one["value"], one["pages"]) for one in values] == [("", 2), ("Odo", 2)]


def test_a_column_that_divides_nothing_and_one_of_single_pages_are_left_out() -> None:
    same, own = dict.fromkeys(PAGES, "XII"), {page: page for page in PAGES}
    assert found(century=same, signature=own, empty={}) == {}
