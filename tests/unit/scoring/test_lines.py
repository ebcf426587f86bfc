from __future__ import annotations

import random
import unicodedata

import pytest
import regex

from htr_exp.scoring.differences import aligned
from htr_exp.scoring.folding import Folding
from htr_exp.scoring.lines import Codes, LinePair, Score, normalise, score

# Letters, abbreviations and joiners of every kind UAX #29 knows, so that random texts meet all its rules; none that
# stands otherwise in display order, which test_text_order.py is about.
PIECES = [
    *"abcdeqpnu  \t ",
    *("é", "e\u0301", "q\u0303", "p\u0304", "\u1e69", "s\u0307\u0323", "\u0363", "\u1dd1"),
    *("ꝑ", "ꝓ", "⁊", "\ue665", "\u00a0"),
    *("한", "\u1112\u1161\u11ab", "\u0915\u094d\u0937", "\U0001f469\U0001f3fd", "\U0001f1eb\U0001f1f7", "\U000110bd"),
]


def texts(count: int, seed: int) -> list[str]:
    source = random.Random(seed)
    return ["".join(source.choices(PIECES, k=source.randrange(30))) for _ in range(count)]


def one(reference: str, hypothesis: str | None) -> Score:
    return score([LinePair("page", "line", reference, hypothesis)])


def plain_distance(left: list[str], right: list[str]) -> int:
    """The textbook dynamic programme, to check the fast one against."""
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        diagonal, row[0] = row[0], i
        for j, b in enumerate(right, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (a != b))
    return row[-1]


def blanks(text: str) -> str:
    return regex.sub(r"\s", " ", text).strip()


def clusters(text: str) -> list[str]:
    return regex.findall(r"\X", " ".join(unicodedata.normalize("NFC", text).split()))


def test_equal_texts_have_no_errors() -> None:
    for text in texts(200, seed=1):
        result = one(text, text)
        assert (result.errors, result.errors_raw, result.word_errors) == (0, 0, 0)
        assert (result.cer, result.cer_raw, result.wer) == (0.0, 0.0, 0.0)


def test_counts_are_those_of_the_definitions_written_out() -> None:
    for reference, hypothesis in zip(texts(400, seed=2), texts(400, seed=3), strict=True):
        result = one(reference, hypothesis)
        assert result.errors == plain_distance(clusters(reference), clusters(hypothesis))
        assert result.characters == len(clusters(reference))
        assert result.errors_raw == plain_distance(list(blanks(reference)), list(blanks(hypothesis)))
        assert result.characters_raw == len(blanks(reference))
        assert result.word_errors == plain_distance(normalise(reference).split(), normalise(hypothesis).split())
        assert result.words == len(normalise(reference).split())


def test_edits_are_the_same_both_ways() -> None:
    for left, right in zip(texts(200, seed=4), texts(200, seed=5), strict=True):
        forth, back = one(left, right), one(right, left)
        assert forth.errors == back.errors
        assert forth.errors_raw == back.errors_raw
        assert forth.word_errors == back.word_errors


def test_composed_and_decomposed_spelling_differ_only_for_cer_raw() -> None:
    for left, right in zip(texts(200, seed=6), texts(200, seed=7), strict=True):
        result = one(unicodedata.normalize("NFD", left), unicodedata.normalize("NFC", right))
        assert result.errors == one(left, right).errors
        assert result.word_errors == one(left, right).word_errors
    accented = one("café", "cafe\u0301")
    assert (accented.cer, accented.wer) == (0.0, 0.0)
    assert accented.errors_raw == 2


def test_an_abbreviated_letter_is_one_character() -> None:
    result = one("q\u0303 p\u0304", "q p\u0304")
    assert (result.errors, result.characters) == (1, 3)
    assert (result.errors_raw, result.characters_raw) == (1, 5)


def test_a_second_blank_counts_for_cer_raw_alone() -> None:
    result = one("in  principio erat", "in principio erat")
    assert (result.errors, result.word_errors) == (0, 0)
    assert result.errors_raw == 1


def test_every_white_space_is_a_blank_and_none_is_at_the_ends() -> None:
    result = one("\tin principio\u00a0erat ", "in\u2003principio erat\n")
    assert (result.errors, result.word_errors, result.errors_raw) == (0, 0, 0)
    assert result.characters_raw == len("in principio erat")


def test_rates_are_over_all_lines_and_not_means_of_lines() -> None:
    result = score([LinePair("p", "1", "a", "b"), LinePair("p", "2", "abc def gh", "abc def gh")])
    assert result.cer == pytest.approx(1 / 11)
    assert result.wer == pytest.approx(1 / 4)


def test_missing_prediction_counts_as_empty() -> None:
    assert one("abc de", None) == one("abc de", "")
    assert one("abc de", None).cer == 1.0


@pytest.mark.parametrize(("hypothesis", "expected"), [("", 0.0), (None, 0.0), ("a", 1.0), ("long reading", 1.0)])
def test_empty_reference_is_a_number(hypothesis: str | None, expected: float) -> None:
    result = one("", hypothesis)
    assert (result.cer, result.cer_raw, result.wer) == (expected, expected, expected)


def test_no_lines_at_all_score_zero() -> None:
    result = score([])
    assert (result.cer, result.lines, result.pages, result.per_page) == (0.0, 0, 0, ())


def test_empty_reference_among_others_counts_its_insertions() -> None:
    result = score([LinePair("p", "1", "", "xx"), LinePair("p", "2", "abcd", "abcd")])
    assert (result.errors, result.characters, result.cer) == (2, 4, 0.5)


def test_errors_beyond_the_reference_exceed_one() -> None:
    assert one("a", "bcde").cer == 4.0


def test_pages_are_scored_alone_and_sorted() -> None:
    result = score([LinePair("b", "1", "ab", "ab"), LinePair("a", "1", "ab", "xy"), LinePair("b", "2", "cd", "cx")])
    assert [(page, part.errors, part.characters, part.lines) for page, part in result.per_page] == [
        ("a", 2, 2, 1),
        ("b", 1, 4, 2),
    ]
    assert (result.pages, result.lines, result.errors) == (2, 3, 3)


RATES = "cer cer_raw cer_nospace wer"
COUNTS = "errors insertions deletions substitutions characters errors_raw characters_raw errors_nospace characters_nospace word_errors words"


def test_record_has_the_documented_keys_and_pages_only_when_asked() -> None:
    result = score([LinePair("a", "1", "ab cd", "ab cx")])
    assert list(result.to_json()) == f"{RATES} {COUNTS} lines pages".split()
    (page,) = result.to_json(per_page=True)["per_page"]
    assert list(page) == f"page {RATES} {COUNTS} lines".split()
    assert page == {"page": "a"} | {key: value for key, value in result.to_json().items() if key != "pages"}
    assert (page["cer"], page["wer"], page["cer_nospace"], page["substitutions"]) == (0.2, 0.5, 0.25, 1)


def test_a_record_has_the_rate_after_folding_where_there_is_a_table() -> None:
    folding = Folding(["v u"], case=True, punctuation=True)
    result = score(
        [LinePair("a", "1", "Vnus, duo", "unus dvo"), LinePair("b", "1", "a", "b")], folding=folding
    ).to_json(per_page=True)
    assert (result["errors_folded"], result["characters_folded"], result["cer_folded"]) == (1, 9, 1 / 9)
    assert [(page["cer_folded"], page["errors_folded"]) for page in result["per_page"]] == [(0, 0), (1, 1)]
    assert result["errors"] == 4
    assert "cer_folded" not in score([LinePair("a", "1", "v", "u")]).to_json()


def test_without_blanks_what_stands_between_words_does_not_count() -> None:
    for left, right in zip(texts(300, seed=13), texts(300, seed=14), strict=True):
        result = one(left, right)
        expected, read = ([cluster for cluster in clusters(text) if cluster != " "] for text in (left, right))
        assert result.errors_nospace == plain_distance(expected, read)
        assert result.characters_nospace == len(expected)
    divided = one("in principio", "inprin cipio")
    assert (divided.errors, divided.errors_nospace, divided.cer_nospace) == (2, 0, 0.0)


def test_all_rates_of_a_reference_of_blanks_or_punctuation_are_numbers() -> None:
    folding = Folding([], case=True, punctuation=True)
    for reference, read, expected in ((" ", "", 0.0), (" ", "a", 1.0), (".", ",", 0.0), (".", "a", 1.0)):
        assert score([LinePair("p", "l", reference, read)], folding=folding).cer_folded == expected
    assert [one(" ", read).cer_nospace for read in ("\t", None, "a b")] == [0.0, 0.0, 1.0]


def kinds(result: Score) -> tuple[int, int, int]:
    return result.insertions, result.deletions, result.substitutions


@pytest.mark.parametrize(
    ("reference", "hypothesis", "expected"),
    [
        ("abc", "abxc", (1, 0, 0)),
        ("abc", "ac", (0, 1, 0)),
        ("abc", "axc", (0, 0, 1)),
        ("q\u0303 a", "q a", (0, 0, 1)),  # the mark is a part of its letter
        ("", "xy", (2, 0, 0)),
        ("xy", "", (0, 2, 0)),
        ("xy", None, (0, 2, 0)),
        ("a  b", "a b", (0, 0, 0)),
        ("ab", "ba", (1, 1, 0)),  # two substitutions would be as few: `edits` says which is taken
        ("\u05d0\u05d1\u05d2", "\u05d2\u05d1", (0, 1, 0)),  # what was read is in display order
        ("in principio", "n prinncipia", (1, 1, 1)),
    ],
)
def test_errors_are_counted_by_kind(reference: str, hypothesis: str | None, expected: tuple[int, int, int]) -> None:
    assert kinds(one(reference, hypothesis)) == expected


def test_the_kinds_of_errors_are_all_errors_and_swap_with_the_sides() -> None:
    for left, right in zip(texts(400, seed=8), texts(400, seed=9), strict=True):
        forth, back = one(left, right), one(right, left)
        assert sum(kinds(forth)) == forth.errors
        assert forth.insertions - forth.deletions == len(clusters(right)) - len(clusters(left))
        assert sum(kinds(back)) == forth.errors


def test_the_kinds_of_errors_are_those_that_the_report_shows() -> None:
    codes = Codes()
    for left, right in zip(texts(200, seed=10), texts(200, seed=11), strict=True):
        steps = [step for step in aligned(normalise(left), normalise(right), codes) if step.is_error]
        more, less = sum(not step.expected for step in steps), sum(not step.read for step in steps)
        assert kinds(one(left, right)) == (more, less, len(steps) - more - less)


def test_a_line_of_thousands_of_characters_is_counted() -> None:
    source = random.Random(12)
    reference, read = ("".join(source.choices("abcde \u0303", k=2000)) for _ in range(2))
    result = one(reference, read)
    assert sum(kinds(result)) == result.errors == plain_distance(clusters(reference), clusters(read))
