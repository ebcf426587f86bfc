from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from htr_exp.scoring.pages import PageText, bag_distance, score_pages


def scored(reference: Sequence[str], hypothesis: Sequence[str]) -> dict[str, Any]:
    return score_pages([PageText("p", reference, hypothesis)])


@pytest.mark.parametrize(
    ("reference", "hypothesis", "distance"),
    [
        ("a b c", "a b c", 0),
        ("a b c", "c a b", 0),
        ("a b c", "a b", 1),
        ("a b", "a b c", 1),
        ("a b c", "a b d", 1),  # one to change, not one to add and one to take away
        ("a a b", "a b b", 1),
        ("a a a", "a", 2),
        ("", "a b", 2),
        ("a b", "", 2),
        ("", "", 0),
        ("a b c d", "e f", 4),
    ],
)
def test_bags_of_words_differ_by_the_fewest_changes(reference: str, hypothesis: str, distance: int) -> None:
    assert bag_distance(reference.split(), hypothesis.split()) == distance
    assert bag_distance(hypothesis.split(), reference.split()) == distance


LINES = ["in principio erat", "verbum et verbum", "erat apud deum"]


def test_a_page_read_rightly_has_no_errors() -> None:
    found = scored(LINES, LINES)
    assert [found[key] for key in ("page_cer", "page_wer", "bag_wer", "errors", "word_errors", "bag_errors")] == [0] * 6
    assert (found["words"], found["pages"]) == (9, 1)
    assert found["characters"] == len(" ".join(LINES))


def test_lines_in_another_order_cost_the_page_and_not_the_bag() -> None:
    found = scored(LINES, LINES[::-1])
    assert found["bag_wer"] == 0
    # reversed: erat apud deum | verbum et verbum | in principio erat: 3 + 3 words at the ends are others
    assert found["page_wer"] == pytest.approx(6 / 9)
    assert found["page_cer"] > 0


def test_a_missing_line_costs_its_words_and_its_characters() -> None:
    found = scored(LINES, LINES[:2])
    assert found["page_wer"] == found["bag_wer"] == pytest.approx(3 / 9)
    assert found["page_cer"] == pytest.approx(len(" erat apud deum") / len(" ".join(LINES)))


def test_merged_and_split_lines_cost_nothing_where_their_words_are_whole() -> None:
    assert scored(LINES, [" ".join(LINES[:2]), LINES[2]])["page_cer"] == 0
    assert scored(LINES, " ".join(LINES).split())["page_wer"] == 0


def test_a_line_that_is_split_within_a_word_costs_that_word() -> None:
    found = scored(["principio erat"], ["princi", "pio erat"])
    assert (found["errors"], found["word_errors"], found["bag_errors"]) == (1, 2, 2)


def test_an_invented_line_can_cost_more_than_all_there_is() -> None:
    found = scored(["a"], ["a", "b", "c", "d"])
    assert (found["page_wer"], found["bag_wer"]) == (3.0, 3.0)


def test_pages_are_compared_one_by_one_and_summed() -> None:
    found = score_pages([PageText("1", ["a b"], ["c d"]), PageText("2", ["c d"], ["a b"])])
    assert (found["bag_errors"], found["words"], found["bag_wer"], found["pages"]) == (4, 4, 1.0, 2)
    uneven = score_pages([PageText("1", ["a"] * 9, ["a"] * 9), PageText("2", ["b"], ["c"])])
    assert uneven["page_wer"] == pytest.approx(0.1)  # over all words, not the mean of 0 and 1


def test_pages_without_lines_count_what_was_invented() -> None:
    found = score_pages([PageText("1", [], ["a b"]), PageText("2", ["c d"], [])])
    assert (found["word_errors"], found["bag_errors"], found["words"]) == (4, 4, 2)
    nothing = score_pages([PageText("1", [], [])])
    assert (nothing["page_cer"], nothing["page_wer"], nothing["bag_wer"]) == (0, 0, 0)


def test_blanks_and_unicode_forms_are_as_in_the_scores_of_lines() -> None:
    assert scored(["e\u0301t  a", " b"], ["\u00e9t a b "])["page_cer"] == 0
    assert scored(["", "a", ""], ["a"])["page_cer"] == 0
