from __future__ import annotations

import random
import unicodedata
from collections.abc import Iterator

import pytest
import regex

from htr_exp.scoring.lines import LinePair, Score, score
from htr_exp.scoring.pages import PageText, score_pages
from htr_exp.scoring.text_order import Release, display_order, logical_order, main_direction

RELEASES: tuple[Release, ...] = ("4.3", "7.1")

LETTERS = [
    *"abcdeqn", "e\u0301", "q\u0303", *"אבגדהום", "ב\u05bc\u05b8", "ש\u05c1\u05b0", "ו\u05b9", *"ابجدم", "ب\u064e\u0651",
    *"ܐܒܓܕ", "ܒ\u0308", "ܓ\u0730", *"0123", *"٠١٢",
]  # fmt: skip
SIGNS = [*" .,:;-+/%()[]{}<>«»\"'!?", "־", "׳", "\u00a0", "⹕", "⹖"]
MARKS = ["\u05b0", "\u05b9", "\u064b", "\u0308", "\u0301", "\u0730"]
CONTROLS = [
    "\u200e", "\u200f", "\u061c", "\u202a", "\u202b", "\u202c", "\u202d", "\u202e", "\u2066", "\u2067", "\u2068", "\u2069",
    "\u200b", "\u200c", "\u200d", "\u00ad",
]  # fmt: skip
ANYTHING = [*LETTERS, *LETTERS, *SIGNS, *MARKS, *CONTROLS]

WORDS = {
    "Latin": ["in", "principio", "e\u0301rat", "q\u0303", "⁊"],
    "Hebrew": ["בראשית", "בָּרָא", "אֱלֹהִים", "ה׳", "ויאמר־אל"],
    "Arabic": ["بسم", "اللَّه", "الرَّحمٰن"],
    "Syriac": ["ܒܪܫܝܬ", "ܡܠܟ̈ܐ", "ܐܝܬܘܗܝ"],
    "numbers": ["12", "3.5", "1,200", "٢٥"],
}


def texts(pieces: list[str], count: int, seed: int) -> list[str]:
    source = random.Random(seed)
    return ["".join(source.choices(pieces, k=source.randrange(30))) for _ in range(count)]


def lines(scripts: str, count: int, seed: int) -> Iterator[str]:
    """Lines of words of these scripts, some in brackets or with a sign behind them."""
    source = random.Random(seed)
    words = [word for script in scripts.split() for word in WORDS[script]]
    for _ in range(count):
        chosen = source.choices(words, k=source.randrange(1, 9))
        yield " ".join(source.choice(["{}", "{}", "{}", "({})", "{}.", "{},"]).format(word) for word in chosen)


def one(reference: str, hypothesis: str | None, release: Release = "7.1") -> Score:
    return score([LinePair("page", "line", reference, hypothesis)], release)


def clusters(text: str) -> list[str]:
    return regex.findall(r"\X", unicodedata.normalize("NFC", " ".join(text.split())))


@pytest.mark.parametrize("release", RELEASES)
def test_a_perfect_prediction_has_no_errors_in_any_mixture_of_directions(release: Release) -> None:
    for reference in texts(ANYTHING, 2000, seed=1):
        result = one(reference, display_order(reference, release), release)
        assert (result.errors, result.errors_raw, result.word_errors) == (0, 0, 0), ascii(reference)


@pytest.mark.parametrize("release", RELEASES)
def test_edits_are_the_same_both_ways(release: Release) -> None:
    for left, right in zip(texts(ANYTHING, 1000, seed=2), texts(ANYTHING, 1000, seed=3), strict=True):
        forth = one(left, display_order(right, release), release)
        back = one(right, display_order(left, release), release)
        assert (forth.errors, forth.errors_raw, forth.word_errors) == (back.errors, back.errors_raw, back.word_errors)


def test_texts_from_left_to_right_are_left_as_they_are() -> None:
    left_to_right = [
        piece for piece in [*LETTERS, *SIGNS, "\u0308", "\ue665", "ꝑ", "\t"] if display_order(piece, "7.1") == piece
    ]
    pieces = [piece for piece in left_to_right if unicodedata.bidirectional(piece[0]) not in ("R", "AL", "AN")]
    assert "q\u0303" in pieces
    for text in texts(pieces, 3000, seed=4):
        assert display_order(text, "4.3") == display_order(text, "7.1") == logical_order(text) == text


def test_what_is_typed_comes_back_where_a_line_has_one_direction() -> None:
    for scripts in (
        "Latin",
        "Hebrew numbers",
        "Arabic numbers",
        "Syriac numbers",
        "Hebrew Arabic Syriac numbers",
    ):
        for typed in lines(scripts, 300, seed=5):
            assert logical_order(display_order(typed, "7.1")) == typed, ascii(typed)


def test_no_mark_is_cut_from_its_letter() -> None:
    for typed in lines("Latin Hebrew Arabic Syriac numbers", 2000, seed=6):
        back = logical_order(display_order(typed, "7.1"))
        assert sorted(clusters(back)) == sorted(clusters(typed)), ascii(typed)


def test_pointed_letters_count_as_one_character() -> None:
    pointed = "בָּרָא"
    assert display_order(pointed, "7.1") == pointed[::-1]
    result = one(pointed, pointed[::-1].replace("\u05bc", ""))
    assert (result.errors, result.characters) == (1, 3)
    assert (result.errors_raw, result.characters_raw) == (1, 6)


def test_a_word_within_words_of_the_other_direction_is_read_in_its_place() -> None:
    assert logical_order(display_order("אבג abc דהו", "7.1")) == "אבג abc דהו"
    assert logical_order(display_order("in principio בראשית שלום erat", "7.1")) == "in principio בראשית שלום erat"
    assert logical_order(display_order("ויקרא (פרק 12) וידבר.", "7.1")) == "ויקרא (פרק 12) וידבר."


def test_one_wrong_letter_is_one_error_wherever_it_stands() -> None:
    typed = "וידבר אל משה (12) abc לאמר"
    displayed = display_order(typed, "7.1")
    for place, character in enumerate(displayed):
        if unicodedata.category(character) == "Lo":
            result = one(typed, displayed[:place] + "ק" + displayed[place + 1 :])
            assert (result.errors, result.errors_raw) == (1, 1)


def test_a_text_of_which_one_half_is_right_to_left() -> None:
    for typed in ("in principio בראשית ברא", "בראשית ברא in principio"):
        displayed = display_order(typed, "7.1")
        assert one(typed, displayed).cer == 0
        assert one(typed, displayed.replace("principio", "principo")).errors == 1
        assert one(typed, typed).cer_raw > 0  # logical order is not what a model writes


@pytest.mark.parametrize("control", CONTROLS[3:])
def test_invisible_controls_count_nowhere_but_what_a_model_writes_counts_raw(control: str) -> None:
    assert one(f"אב{control}ג", "גבא").cer == one(f"אב{control}ג", "גבא").cer_raw == 0
    result = one("אבג", f"ג{control}בא")
    assert (result.errors, result.errors_raw) == (0, 1)


def test_brackets_are_as_the_release_has_them() -> None:
    """4.3.13's algorithm is older than pairs of brackets."""
    typed = "א(b)ג"
    assert display_order("(אב)", "7.1") == display_order("(אב)", "4.3") == "(בא)"
    paired = "a (ב) 1[ג"
    assert one(typed, display_order(typed, "4.3"), "4.3").cer == 0
    assert one(paired, display_order(paired, "7.1"), "7.1").cer == 0
    assert display_order("אב⹕ג⹖", "7.1") == "⹕ג⹖בא"


@pytest.mark.parametrize("empty", ["", " ", "\u200f", "\u2067\u2069", "\u05b0"])
def test_a_line_with_nothing_visible_is_scored(empty: str) -> None:
    for release in RELEASES:
        assert one(empty, display_order(empty, release), release).cer == 0
        assert one(empty, None, release).lines == 1


@pytest.mark.parametrize("release", RELEASES)
def test_whole_pages_are_scored_as_their_lines_are(release: Release) -> None:
    typed = [*lines("Hebrew Latin numbers", 40, seed=7), *texts(ANYTHING, 40, seed=8)]
    found = score_pages([PageText("p", typed, [display_order(line, release) for line in typed])], release)
    assert (found["page_cer"], found["page_wer"], found["bag_wer"]) == (0, 0, 0)


@pytest.mark.parametrize(
    ("typed", "direction"),
    [
        (["בראשית", "in principio"], "horizontal-lr"),
        (["בראשית 12", "ברא (in principio) אלהים", "in principio"], "horizontal-rl"),
        (["بسم", "", "", "12", "الله"], "horizontal-rl"),
        (["", ""], "horizontal-lr"),
        ([], "horizontal-lr"),
    ],
)
def test_the_direction_of_a_page_is_that_of_most_lines(typed: list[str], direction: str) -> None:
    assert main_direction(typed) == direction
