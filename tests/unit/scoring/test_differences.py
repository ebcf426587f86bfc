"""What was read beside what is written, character by character."""

from __future__ import annotations

import random

import pytest

from htr_exp.scoring.differences import Step, aligned, confusions, errors
from htr_exp.scoring.lines import Codes, counts, normalise

CASES = [
    ("", "", []),
    ("abc", "abc", [("a", "a"), ("b", "b"), ("c", "c")]),
    ("abc", "", [("a", ""), ("b", ""), ("c", "")]),
    ("", "xy", [("", "x"), ("", "y")]),
    ("abc", "axc", [("a", "a"), ("b", "x"), ("c", "c")]),
    ("abc", "ac", [("a", "a"), ("b", ""), ("c", "c")]),
    ("ac", "abc", [("a", "a"), ("", "b"), ("c", "c")]),
    ("q\u0303 a", "q a", [("q\u0303", "q"), (" ", " "), ("a", "a")]),  # a mark belongs to its letter
    ("\U0001f1e9\U0001f1ea x", "x", [("\U0001f1e9\U0001f1ea", ""), (" ", ""), ("x", "x")]),
    ("\u05d0\u05d1", "\u05d0\u05d2", [("\u05d0", "\u05d0"), ("\u05d1", "\u05d2")]),
]


@pytest.mark.parametrize(("expected", "read", "steps"), CASES)
def test_both_texts_stand_side_by_side(expected: str, read: str, steps: list[tuple[str, str]]) -> None:
    assert list(aligned(expected, read, Codes())) == [Step(*step) for step in steps]


def test_there_are_as_many_errors_as_the_score_counts_and_nothing_is_lost() -> None:
    source = random.Random(3)
    codes = Codes()
    for _ in range(500):
        expected, read = (
            normalise("".join(source.choice("ab ꝑq̃c̄\u0304\u05d0\u05d1") for _ in range(source.randrange(14))))
            for _ in range(2)
        )
        steps = aligned(expected, read, codes)
        assert errors(steps) == counts(expected, read, codes)[0]
        assert "".join(step.expected for step in steps) == expected
        assert "".join(step.read for step in steps) == read


def test_confusions_are_counted_over_all_lines() -> None:
    codes = Codes()
    lines = [aligned("uinum", "ninnm", codes), aligned("uia", "nia", codes), aligned("a", "ab", codes)]
    assert confusions(lines) == {Step("u", "n"): 3, Step("", "b"): 1}
