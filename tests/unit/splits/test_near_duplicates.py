"""Pages with nearly the same text or look, found among many."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import pytest
from rapidfuzz.distance import Levenshtein

from helpers.guarded_pages import SETTINGS
from helpers.made_up_texts import noisy, page
from htr_exp.splits import near_duplicates
from htr_exp.splits.near_duplicates import NearTexts, letters, near_images, near_texts, text_of
from htr_exp.splits.similar_pages import text_limits


def found(texts: Sequence[str], others: Sequence[str] = (), least: int = 120) -> list[NearTexts]:
    def compared(several: Sequence[str]) -> list[str]:
        return [text_of(map(letters, text.split("\n"))) for text in several]

    return list(near_texts(compared(texts), others=compared(others), **text_limits(SETTINGS) | {"least": least}))


def pairs(texts: Sequence[str], others: Sequence[str] = (), least: int = 120) -> set[tuple[int, int]]:
    return {(near.first, near.second) for near in found(texts, others, least)}


def test_letters_are_all_that_counts() -> None:
    composed = "Vñiuersis,  Jñ nomine\ndn̄i · ſancti ¬"
    assert letters(composed) == letters(unicodedata.normalize("NFD", composed)) == "uniuersisinnominednisancti"


def test_different_pages_are_not_near() -> None:
    assert not pairs([page(seed) for seed in range(30)])


@pytest.mark.parametrize("share", [0.0, 0.05, 0.10])
def test_a_page_transcribed_twice_is_found(share: float) -> None:
    texts = [page(seed) for seed in range(20)]
    assert pairs([*texts, noisy(texts[7], share)]) == {(7, 20)}


def test_a_copy_with_its_parts_in_another_order_is_found_by_its_shingles() -> None:
    text = page(1)
    (near,) = found([text, text[len(text) // 2 :] + text[: len(text) // 2]])
    assert (near.measure, near.share > 0.9) == ("containment", True)


def test_a_part_of_a_page_is_found() -> None:
    text = page(1, 120)
    assert pairs([text, page(2), text[: len(text) // 3]]) == {(0, 2)}


def test_a_noisy_copy_is_found_by_its_letters() -> None:
    (near,) = found([page(1), noisy(page(1), 0.1)])
    assert near.measure == "similarity"
    assert near.share > 0.8


def test_short_texts_are_not_compared() -> None:
    assert not pairs(["Incipit liber", "Incipit liber"])
    assert pairs(["Incipit liber primus", "Incipit liber primus"], least=10) == {(0, 1)}


def test_others_are_compared_with_the_texts_alone() -> None:
    texts, others = [page(1), page(2)], [page(2), page(3), page(3)]
    assert pairs(texts, others) == {(1, 2)}


@pytest.mark.parametrize("script", ["αβγδεζηθικλμνξοπρστυφχψω", "абвгдежзиклмнопрстуфхцчшщ", "אבגדהוזחטיכלמנסעפצקרשת"])
def test_any_script_is_compared(script: str) -> None:
    chosen = random.Random(1)
    texts = ["".join(chosen.choice(script) for _ in range(300)) for _ in range(5)]
    assert pairs([*texts, texts[2]]) == {(2, 5)}


def test_a_formula_on_every_page_makes_none_of_them_near() -> None:
    formula = " in nomine sancte et indiuidue trinitatis patris et filii et spiritus sancti amen notum sit omnibus"
    assert not pairs([formula + page(seed, 40) for seed in range(100)])


def counted(monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str) -> list[tuple[Any, ...]]:
    """The arguments of each call of a function from now on, which goes on doing what it does."""
    calls: list[tuple[Any, ...]] = []
    real = getattr(module, name)

    def noted(*given: Any, **options: Any) -> Any:
        calls.append(given)
        return real(*given, **options)

    monkeypatch.setattr(module, name, noted)
    return calls


@pytest.mark.seconds
def test_of_many_copies_only_neighbours_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were all pairs compared, these would be eight million."""
    compared = counted(monkeypatch, near_duplicates, "_containment")
    texts = [page(1)] * 4000
    chained = pairs(texts)
    assert chained == {(place, place + 1) for place in range(3999)}
    assert len(compared) == 3999


@pytest.mark.seconds
def test_copies_among_pages_of_repeated_lines_are_found() -> None:
    lines = [page(seed, 8) for seed in range(200)]
    chosen = random.Random(2)
    texts = ["".join(chosen.sample(lines, 12)) for _ in range(600)]
    texts[500] = noisy(texts[20], 0.08)
    assert (20, 500) in pairs(texts)


@pytest.mark.seconds
def test_a_copy_is_found_whose_every_shingle_is_on_many_pages() -> None:
    """Each half stands on 34 pages, no two pages but the copy have both halves in common."""
    begins = ["".join(random.Random(seed).choices("abcdefghiklm01234", k=90)) + "finis" for seed in range(34)]
    ends = ["incip" + "".join(random.Random(seed).choices("nopqrstxyz56789", k=90)) for seed in range(34)]
    texts = [begin + end for begin in begins for end in ends]
    assert pairs([*texts, texts[700]]) == {(700, 34 * 34)}


@pytest.mark.seconds
def test_a_huge_text_is_compared_without_an_alignment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Aligning two texts of a million letters would take minutes."""
    aligned = counted(monkeypatch, Levenshtein, "normalized_similarity")
    chosen = random.Random(3)
    huge = "".join(chosen.choice("abcdefghilmnopqrstu") for _ in range(400_000))
    assert not pairs([huge, noisy(huge, 0.1)])
    assert pairs([huge, huge[:200_000]]) == {(0, 1)}
    assert aligned == []
    assert not pairs([huge[:15_000], noisy(huge[:15_000], 0.4)])
    assert len(aligned) <= 1


def test_looks_are_near_up_to_so_many_bits() -> None:
    looks = [(0,), (0b111,), (0b1111 << 100,)]
    assert [(near.first, near.second, near.bits) for near in near_images(looks, bits=3)] == [(0, 1, 3)]
    assert [(near.first, near.second) for near in near_images(looks, bits=3, others=[(0b1,), (0b11,)])] == [
        (0, 1), (0, 3), (0, 4), (1, 3), (1, 4)
    ]  # fmt: skip


@pytest.mark.parametrize("which", [0, 1])
def test_another_view_of_either_image_makes_them_near(which: int) -> None:
    far = (1 << 400) - 1
    images: list[tuple[int, ...]] = [(0,), (far,), (far << 100,)]
    images[which] = (*images[which], images[1 - which][0] ^ 0b1)
    assert [(near.first, near.second, near.bits) for near in near_images(images, bits=3)] == [(0, 1, 1)]
