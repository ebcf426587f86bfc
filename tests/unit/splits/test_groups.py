"""Splits by folder, image or a column: groups stay whole, shares come near, values are on all sides."""

from __future__ import annotations

import random
from itertools import pairwise, product
from pathlib import Path

import pytest

from helpers.sentences import sentences
from helpers.split_pages import Leaf, leaf, side_of
from htr_exp.core.errors import DatasetError
from htr_exp.splits.folds import k_fold
from htr_exp.splits.groups import Grouping, UnknownColumn, grouped
from htr_exp.splits.shares import along, spread
from htr_exp.splits.split import NAMES, draw, first_pages, given
from htr_exp.splits.tables import Metadata

FOLDERS = [
    leaf(f"{folder}/{number}.xml", 10 + number, image=f"/data/{folder}/{number}.jpg")
    for folder in "abcdefgh"
    for number in range(4)
]


def twin(name: str, of: Leaf, lines: int = 5) -> Leaf:
    """Another page of the same image's bytes."""
    return leaf(name, lines, image=f"/data/{name}.jpg", shows=of.image_digest)


def test_pages_are_grouped_by_their_folder_in_the_dataset() -> None:
    pages = [leaf("1.xml"), leaf("a/1.xml"), leaf("a/b/1.xml"), leaf("a/2.xml")]
    assert grouped(pages, "folder").of == {"1.xml": ".", "a/1.xml": "a", "a/b/1.xml": "a/b", "a/2.xml": "a"}


def test_pages_are_grouped_by_their_image_by_place_or_by_bytes() -> None:
    pages = [
        leaf("page/1.xml", image="/data/1.jpg"),
        leaf("alto/1.xml", image="/data/1.jpg"),
        leaf("page/2.xml", image="/data/2.jpg", shows="x"),
        leaf("page/3.xml", image="/data/3.jpg", shows="x"),
        leaf("page/4.xml", image="/data/4.jpg"),
    ]
    pages = [Leaf(**{**vars(page), "xml": Path("/data") / page.name}) for page in pages]
    assert grouped(pages, "image").of == {
        "page/1.xml": "1.jpg", "alto/1.xml": "1.jpg", "page/2.xml": "2.jpg", "page/3.xml": "2.jpg", "page/4.xml": "4.jpg",
    }  # fmt: skip


def test_a_column_that_is_not_there_answers_with_those_that_are() -> None:
    pages = [leaf("a.xml")]
    table = Metadata("pages.csv", ("document", "hand"), {"a.xml": {"document": "Odo", "hand": "A"}})
    with pytest.raises(UnknownColumn) as caught:
        grouped(pages, "documnet", table)
    assert str(caught.value) == (
        "it is none of page, folder, image and no column of pages.csv (did you mean document?); its columns are document, hand"
    )
    with pytest.raises(UnknownColumn, match=r"it is none of page, folder, image$"):
        grouped(pages, "hand")


def test_every_page_without_a_row_or_a_value_is_named() -> None:
    table = Metadata("pages.csv", ("hand",), {"a.xml": {"hand": "A"}, "b.xml": {"hand": ""}})
    with pytest.raises(DatasetError) as caught:
        grouped([leaf("a.xml"), leaf("b.xml"), leaf("c.xml")], "hand", table)
    assert sentences(caught.value) == [
        "pages.csv: b.xml has no value in column hand",
        "pages.csv: it has no row for c.xml",
    ]


@pytest.mark.parametrize("seed", range(10))
def test_a_folder_is_on_one_side(seed: int) -> None:
    by = grouped(FOLDERS, "folder")
    split = draw(FOLDERS, seed=seed, validation=0.2, test=0.2, by=by)
    side = side_of(split)
    assert len({(by.of[name], side[name]) for name in side}) == 8
    # of 32 pages 19.2, 6.4 and 6.4 are wanted
    assert [len(split.pages[name]) for name in NAMES] in ([20, 4, 8], [20, 8, 4])
    assert split.why[split.pages["test"][0]] == (
        f"test: folder {by.of[split.pages['test'][0]]}, drawn with split.seed={seed}"
    )


def test_folders_that_share_an_image_stay_on_one_side_and_that_is_said() -> None:
    pages = [*FOLDERS, twin("b/9.xml", FOLDERS[0])]
    for seed in range(10):
        split = draw(pages, seed=seed, validation=0.1, test=0.1, by=grouped(pages, "folder"))
        side = side_of(split)
        assert len({side[page.name] for page in pages if page.name[0] in "ab"}) == 1
        assert split.notes == ("folders a, b stay on one side: pages of theirs share an image",)
        assert split.why["b/9.xml"].endswith(f"drawn with split.seed={seed}, beside a/0.xml, of the same image")


def test_pages_of_one_image_are_said_to_stay_on_one_side() -> None:
    pages = [leaf(f"{number}.xml") for number in range(9)]
    split = draw([*pages, twin("x.xml", pages[3])], seed=0, validation=0.1, test=0.1)
    assert split.notes == ("pages that share an image stay on one side: 3.xml, x.xml",)


def test_pages_that_are_given_as_alike_stay_together() -> None:
    pages = [leaf(f"{number}.xml") for number in range(9)]
    for seed in range(10):
        split = draw(pages, seed=seed, validation=0.3, test=0.3, together=[{"1.xml", "5.xml"}, {"5.xml", "7.xml"}])
        side = side_of(split)
        assert side["1.xml"] == side["5.xml"] == side["7.xml"]
        assert split.why["1.xml"].endswith("beside 5.xml, 7.xml, much like it")
        assert split.notes == ("pages that share an image or are much alike stay on one side: 1.xml, 5.xml, 7.xml",)


def test_too_few_pages_name_those_of_one_image() -> None:
    pages = [leaf("1.xml"), leaf("2.xml")]
    pages.append(twin("3.xml", pages[1]))
    with pytest.raises(DatasetError) as caught:
        draw(pages, seed=0, validation=0.1, test=0.1)
    assert sentences(caught.value)[1] == "pages that share an image stay on one side: 2.xml, 3.xml"
    with pytest.raises(DatasetError, match=r"stay on one side: 2\.xml, 3\.xml"):
        k_fold(pages, fold=1, folds=3, seed=0, validation=0.1, by=grouped(pages, "page"))


def test_too_few_groups_say_which_count_as_one() -> None:
    pages = [leaf("a/1.xml"), leaf("b/2.xml"), leaf("c/3.xml")]
    pages.append(twin("a/4.xml", pages[1]))
    with pytest.raises(DatasetError) as caught:
        draw(pages, seed=0, validation=0.1, test=0.1, by=grouped(pages, "folder"))
    assert sentences(caught.value)[:2] == [
        "2 folders with text, counted as one where they share images: 3 are needed, one each for validation, test and train",
        "folders a, b stay on one side: pages of theirs share an image",
    ]
    assert "split.test=0" in sentences(caught.value)[2]


def hands(count: int, hands: str = "AAAAAABBBC") -> tuple[list[Leaf], Grouping]:
    pages = [leaf(f"{number:03d}.xml", 10 + number % 7) for number in range(count)]
    return pages, Grouping("hand", {page.name: hands[number % len(hands)] for number, page in enumerate(pages)})


@pytest.mark.parametrize("seed", range(5))
def test_every_side_has_its_share_of_every_hand(seed: int) -> None:
    pages, of = hands(200)
    split = draw(pages, seed=seed, validation=0.1, test=0.2, stratify=of)
    assert split.notes == ()
    for hand in "ABC":
        mine = [side_of(split)[page.name] for page in pages if of.of[page.name] == hand]
        assert abs(mine.count("test") / len(mine) - 0.2) < 0.03
        assert abs(mine.count("validation") / len(mine) - 0.1) < 0.03


def test_stratified_draws_differ_by_seed_and_not_by_names() -> None:
    pages, of = hands(60)
    first = draw(pages, seed=0, validation=0.1, test=0.1, stratify=of)
    assert len({draw(pages, seed=seed, validation=0.1, test=0.1, stratify=of).digest for seed in range(5)}) == 5
    renamed = [Leaf(**{**vars(page), "name": f"x/{page.name[::-1]}"}) for page in random.Random(1).sample(pages, 60)]
    others = {"A": "zz", "B": "a", "C": "m"}
    relabelled = Grouping("hand", {f"x/{name[::-1]}": others[hand] for name, hand in of.of.items()})
    assert draw(renamed, seed=0, validation=0.1, test=0.1, stratify=relabelled).digest == first.digest


def test_a_value_too_rare_for_all_sides_is_named() -> None:
    pages, of = hands(40, "A" * 39 + "B")
    split = draw(pages, seed=0, validation=0.1, test=0.1, stratify=of)
    assert split.notes == ("split.stratify=hand: B (1 page) is not in validation and test: it is too rare",)


def test_many_rare_values_leave_the_shares_as_they_are_and_few_are_named() -> None:
    pages = [leaf(f"{number:02d}.xml") for number in range(30)]
    split = draw(pages, seed=0, validation=0.1, test=0.1, stratify=grouped(pages, "page"))
    assert [len(split.pages[side]) for side in NAMES] == [24, 3, 3]
    assert len(split.notes) == 6
    assert split.notes[-1] == "split.stratify=page: and 25 more values are not on all sides"


@pytest.mark.parametrize("seed", range(30))
def test_shares_with_values_are_nearly_the_best_there_are(seed: int) -> None:
    """Compared with every possible way of placing a few groups."""
    rng = random.Random(seed)
    groups = [{value: rng.randint(1, 30) for value in rng.sample("xyz", rng.randint(1, 2))} for _ in range(7)]
    shares = [0.5, 0.25, 0.25]
    totals = {value: sum(group.get(value, 0) for group in groups) for value in "xyz"}
    everything = sum(totals.values())
    used = sum(total > 0 for total in totals.values())

    def cost(placed: tuple[int, ...]) -> float:
        found = 0.0
        for side, share in enumerate(shares):
            mine = [group for group, of in zip(groups, placed) if of == side]
            lines = {value: sum(group.get(value, 0) for group in mine) for value in totals}
            found += sum((lines[value] - share * total) ** 2 / total for value, total in totals.items() if total)
            found += used * (sum(lines.values()) - share * everything) ** 2 / everything
        return found

    best = min(cost(placed) for placed in product(range(3), repeat=7) if len(set(placed)) == 3)
    placed = tuple(spread(groups, shares))
    assert set(placed) == {0, 1, 2}
    assert cost(placed) <= 1.1 * best + 0.5


def test_as_many_groups_as_sides_are_one_each() -> None:
    assert sorted(spread([{"": 1}, {"": 100}, {"": 1}], [0.98, 0.01, 0.01])) == [0, 1, 2]
    assert sorted(spread([{"": 10}] * 3, [0.98, 0.01, 0.01])) == [0, 1, 2]


def test_a_ranking_is_cut_at_the_shares() -> None:
    assert along([1] * 10, [0.2, 0.1, 0.7]) == [0, 0, 1, *[2] * 7]
    assert along([1] * 3, [0.1, 0.1, 0.8]) == [0, 1, 2]
    assert along([1] * 4, [0.95, 0.05]) == [0, 0, 0, 1]
    assert along([1] * 15, [0.1, 0.1, 0.8]).count(1) == 2  # what rounding took from the first side goes to the second
    assert along([1] * 7, [1 / 3] * 3) == [0, 0, 1, 1, 1, 2, 2]


def test_a_group_too_large_for_a_side_is_passed_over() -> None:
    assert along([40, 1, 3, 2, 14], [0.1, 0.1, 0.8]) == [2, 0, 0, 0, 1]
    assert along([40, 30, 30], [0.1, 0.1, 0.8]) == [2, 0, 1]  # each side gets one, however far it is from its share


def test_sides_that_need_no_group_may_get_none() -> None:
    assert along([1], [0.1, 0.1, 0.8], every=False) == [2]
    assert along([1, 1], [0.0, 1.0, 0.0], every=False) == [1, 1]
    assert along([], [0.1, 0.9], every=False) == []


def test_training_pages_for_a_learning_curve_are_nested_and_the_rest_stays() -> None:
    pages = [leaf(f"{number:02d}.xml", 5 + number) for number in range(20)]
    whole = draw(pages, seed=3, validation=0.1, test=0.1)
    sizes = [1, 2, 4, 8, len(whole.pages["train"])]
    curve = [first_pages(whole, pages, count=count, order_seed=3) for count in sizes]
    for smaller, larger in pairwise(curve):
        assert set(smaller.pages["train"]) < set(larger.pages["train"])
    for split, count in zip(curve, sizes):
        assert len(split.pages["train"]) == count
        assert all(split.pages[side] == whole.pages[side] for side in ("validation", "test"))
        assert set(split.unused) == set(whole.pages["train"]) - set(split.pages["train"])
        expected = f"unused: split.train_pages={count} takes {count} of {sizes[-1]} pages to train on"
        assert [split.why[name] for name in split.unused] == [expected] * (sizes[-1] - count)
    assert curve[-1] == whole
    assert len({split.digest for split in curve}) == 5


def test_more_training_pages_than_there_are_are_refused() -> None:
    pages = [leaf(f"{number}.xml") for number in range(5)]
    split = given(pages, {"train": ["0", "1"], "validation": ["2"]}, "lists")
    with pytest.raises(DatasetError, match=r"^split.train_pages=3: the split has 2 pages to train on$"):
        first_pages(split, pages, count=3, order_seed=0)
    assert first_pages(split, pages, count=1, order_seed=0).unused != ()


@pytest.mark.parametrize("order_seed", range(20))
def test_a_learning_curve_has_every_hand_as_soon_as_it_can(order_seed: int) -> None:
    pages, of = hands(120, "AAAAAAABBCDEFGHA")
    whole = draw(pages, seed=0, validation=0.1, test=0.1)
    known = {of.of[name] for name in whole.pages["train"]}
    assert len(known) == 8
    before: set[str] = set()
    for count in (1, 2, 4, 8, 16, 32, len(whole.pages["train"])):
        split = first_pages(whole, pages, count=count, order_seed=order_seed, stratify=of)
        train = set(split.pages["train"])
        assert before < train
        assert len({of.of[name] for name in train}) == min(count, 8)
        before = train
    half = first_pages(whole, pages, count=48, order_seed=order_seed, stratify=of)
    for hand in known:
        several, some = (sum(of.of[name] == hand for name in split.pages["train"]) for split in (whole, half))
        assert abs(some - several / 2) <= 1


def test_the_order_of_training_pages_varies_against_a_fixed_test_set() -> None:
    pages, of = hands(60)
    whole = draw(pages, seed=0, validation=0.1, test=0.1)
    for stratify in (None, of):
        orders = [first_pages(whole, pages, count=8, order_seed=seed, stratify=stratify) for seed in (0, 0, 1, 2)]
        assert orders[0] == orders[1]
        assert len({split.pages["train"] for split in orders}) == 3
        assert len({(split.pages["validation"], split.pages["test"]) for split in orders}) == 1
