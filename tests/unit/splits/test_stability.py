"""What a split survives, in a thousand made-up sets of pages each: corrections move no page, a new page at most one over a boundary."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest

from helpers.split_pages import Leaf, leaf, side_of
from htr_exp.splits.folds import k_fold
from htr_exp.splits.groups import Grouping, grouped
from htr_exp.splits.split import Split, draw, first_pages

pytestmark = pytest.mark.seconds

SETS = 1000


def page_set(number: int) -> list[Leaf]:
    """3 to 30 pages with 1 to 60 lines."""
    rng = random.Random(number)
    return [
        leaf(f"{page:02d}.xml", rng.randint(1, 60), shows=f"{number}: {page}") for page in range(rng.randint(3, 30))
    ]


def drawn(pages: Sequence[Leaf], number: int, seed: int = 0) -> Split:
    """A split with the shares of a set's number."""
    rng = random.Random(-number)
    validation, test = rng.choice([0.05, 0.1, 0.15, 0.3]), rng.choice([0.1, 0.1, 0.2, 0.25, 0.0])
    return draw(pages, seed=seed, validation=validation, test=test)


def moves(before: Split, after: Split, order: Sequence[str] = ("test", "validation", "train")) -> Counter[int]:
    """How many pages have crossed each boundary between sides that lie beside each other."""
    old, new = side_of(before), side_of(after)
    crossed: Counter[int] = Counter()
    for name, side in old.items():
        first, last = sorted((order.index(side), order.index(new[name])))
        crossed.update(range(first, last))
    return crossed


def test_a_new_page_moves_at_most_one_page_over_each_boundary() -> None:
    moved = 0
    for number in range(SETS):
        pages = page_set(number)
        before = drawn(pages, number, number)
        more = [*pages, leaf("new.xml", 1 + number % 60, shows=f"{number}: new")]
        crossed = moves(before, drawn(more, number, number))
        assert max(crossed.values(), default=0) <= 1
        moved += sum(crossed.values())
    assert moved > SETS / 10  # or nothing was tried


def test_a_page_taken_away_moves_at_most_one_page_over_each_boundary() -> None:
    for number in range(0, SETS, 4):
        pages = [*page_set(number), leaf("x.xml", shows=f"{number}: x")]
        gone = random.Random(number).randrange(len(pages))
        fewer = pages[:gone] + pages[gone + 1 :]
        crossed = moves(drawn(fewer, number, 0), drawn(pages, number, 0))
        assert max(crossed.values(), default=0) <= 1


def test_a_second_page_of_an_image_goes_to_its_side_and_moves_hardly_more() -> None:
    for number in range(0, SETS, 4):
        pages = page_set(number)
        twin = random.Random(number).choice(pages)
        more = [*pages, leaf("new.xml", shows=twin.image_digest)]
        before, after = drawn(pages, number, 0), drawn(more, number, 0)
        assert (
            max(moves(before, after).values(), default=0) <= 2
        )  # two pages may have become too many for what a side lacks
        assert side_of(after)["new.xml"] == side_of(after)[twin.name]


def fold_of(pages: list[Leaf], folds: int) -> list[set[str]]:
    by = grouped(pages, "page")
    made = [k_fold(pages, fold=fold + 1, folds=folds, seed=0, validation=0.1, by=by) for fold in range(folds)]
    return [set(split.pages["test"]) for split in made]


def test_a_new_page_moves_at_most_one_page_into_or_out_of_a_fold() -> None:
    for number in range(0, SETS, 20):
        pages = page_set(number)
        folds = min(2 + number // 20 % 4, len(pages) // 2)
        if folds < 2:
            continue
        more = [*pages, leaf("new.xml", shows=f"{number}: new")]

        old, new = fold_of(pages, folds), fold_of(more, folds)
        for fold in range(folds - 1):
            before, after = set().union(*old[: fold + 1]), set().union(*new[: fold + 1])
            assert len(before - after) + len(after - before - {"new.xml"}) <= 1


def letter(page: Leaf, rng: random.Random) -> Leaf:
    return replace(page, digest=f"{page.digest} {rng.random()}")


def lines(page: Leaf, rng: random.Random) -> Leaf:
    return replace(letter(page, rng), lines=[0] * max(1, len(page.lines) + rng.choice([-2, -1, 1, 2])))


def made(kind: str, pages: list[Leaf], seed: int) -> Split:
    hand = Grouping("hand", {page.name: "ABCABCABD"[place % 9] for place, page in enumerate(pages)})
    folder = Grouping("folder", {page.name: str(place * 5 // len(pages)) for place, page in enumerate(pages)})
    by = folder if kind == "folder" and len(pages) >= 10 else None
    split = draw(pages, seed=seed, validation=0.1, test=0.1, by=by, stratify=hand if kind == "strata" else None)
    return first_pages(split, pages, count=1, order_seed=seed, stratify=hand) if kind == "train_pages" else split


@pytest.mark.parametrize("kind", ["page", "folder", "strata", "train_pages"])
def test_a_correction_moves_no_page(kind: str) -> None:
    """One letter; the whole set in another normal form; lines added or removed in one page or in all."""
    corrections = [(letter, False), (letter, True), (lines, False), (lines, True)]
    for number in range(0, SETS, 1 if kind == "page" else 20):
        rng, pages = random.Random(number), page_set(number)
        correct, whole = corrections[number // 20 % 4 if kind != "page" else number % 4]
        at = rng.randrange(len(pages))
        corrected = [correct(page, rng) if whole or place == at else page for place, page in enumerate(pages)]
        before, after = made(kind, pages, number), made(kind, corrected, number)
        assert after.pages == before.pages
        assert after.digest != before.digest or kind == "train_pages"
