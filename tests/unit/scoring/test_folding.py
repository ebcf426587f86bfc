"""What conventions write differently is made the same, by a table that everybody can read and change."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from typing import Any, cast

import pytest
from omegaconf import OmegaConf

from htr_exp.config.defaults import shipped
from htr_exp.config.folding_rules import folding_problems
from htr_exp.config.schema import RecognitionScores
from htr_exp.scoring.folding import Folding
from htr_exp.scoring.lines import LinePair, normalise, score

DEFAULT = cast("RecognitionScores", shipped().scores)
SHIPPED = Folding(DEFAULT.folding, case=DEFAULT.folding_case, punctuation=DEFAULT.folding_punctuation)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("vnus", "unus"),
        ("Iohannes", "johannes"),
        ("ſuſcipit", "suscipit"),
        ("ꝑ ꝓ ⁊ ꝯ ꝰ", "per pro et con us"),
        ("uerbum, et. deus", "uerbum et deus"),
        ("a · b", "a b"),
        ("q\u0304", "q\u0303"),
        ("ā", "ã"),
        ("d\u0305ñs", "d\u0303ñs"),
        ("ṽ", "ũ"),
        ("Æneas ęcclesia", "aeneas aecclesia"),
        ("prin¬ cipio⸗", "prin cipio"),
    ],
)
def test_the_shipped_table_makes_conventions_the_same(one: str, other: str) -> None:
    assert SHIPPED(normalise(one)) == SHIPPED(normalise(other))
    pair = LinePair("p", "l", one, other)
    assert (score([pair], folding=SHIPPED).cer_folded, score([pair]).errors > 0) == (0.0, True)


@pytest.mark.parametrize(("one", "other"), [("ã", "a"), ("uinum", "unum"), ("a b", "ab"), ("cẽ", "cen"), ("m", "n")])
def test_what_a_reader_can_mistake_stays_different(one: str, other: str) -> None:
    assert SHIPPED(one) != SHIPPED(other)


def test_a_folded_text_is_normalised_and_folding_it_again_changes_nothing() -> None:
    for text in ("Ꝗ ꝗ; ẜ, ũ ę. ", "  ¶ A", "שָׁלוֹם, עולם", "\u0301a", "", "...", "İ ı ß ẞ", "⁊ꝑ" * 1000):
        folded = SHIPPED(normalise(text))
        assert folded == SHIPPED(folded) == " ".join(unicodedata.normalize("NFC", folded).split())


def test_the_longest_row_is_taken_and_no_replacement_is_replaced() -> None:
    folding = Folding(["a b", "b c", "ab x", "q\u0303 que", "q k"], case=False, punctuation=False)
    assert folding("ab a b q̃q A, ") == "x b c quek A,"


def test_case_and_punctuation_can_be_kept() -> None:
    assert Folding(["V U"], case=False, punctuation=False)("Vv, Ab.") == "Uv, Ab."
    assert Folding(["V U"], case=True, punctuation=False)("Vv, Ab.") == "uu, ab."
    assert Folding([". ;"], case=False, punctuation=True)("Ab. c,") == "Ab; c"  # what a row names is not left out
    assert Folding([], case=False, punctuation=False)("Ab.") == "Ab."


def test_characters_that_search_patterns_know_are_characters() -> None:
    assert Folding(["^ a", "] b", "- c", "\\ d", "** e"], case=False, punctuation=False)("^]-\\**x") == "abcdex"


def test_both_sides_of_right_to_left_text_are_folded() -> None:
    folding = Folding(["\u05d0 \u05d1"], case=True, punctuation=True)
    pair = LinePair("p", "l", "\u05d0\u05d2.", "\u05d2\u05d1")  # what was read is in display order
    assert (score([pair], folding=folding).errors_folded, score([pair]).errors) == (0, 2)


def problems(folding: list[str] | None, **more: Any) -> list[str]:
    scores = replace(DEFAULT, folding=folding, **more)
    return [problem.what for problem in folding_problems(scores, DEFAULT)]


def test_the_shipped_table_has_no_problem() -> None:
    assert list(folding_problems(DEFAULT, DEFAULT)) == []


def test_every_row_that_cannot_be_used_is_named() -> None:
    said = problems(["v u", "", "a b c", "v w", "V u", "x", "x"])
    assert said == [
        "scores.folding: '' is no row of it",
        "scores.folding: 'a b c' is no row of it",
        "scores.folding: 'v u' and 'v w' say two things of v",
        "scores.folding: 'v u' and 'V u' say two things of v",
    ]
    assert problems(["v u", "V u"], folding_case=False) == []
    assert len(problems(["ã a", "a\u0303 b"])) == 1  # one letter in two spellings


def test_a_key_without_effect_is_refused() -> None:
    assert problems(None) == []
    assert problems(None, folding_case=False) == ["scores.folding_case changes nothing with scores.folding=null"]


def test_an_experiment_of_before_there_was_a_table_has_none() -> None:
    older: Any = OmegaConf.merge(OmegaConf.structured(RecognitionScores), {"pad": 16, "text_direction": None})
    assert older.folding is None
