"""Splits that are one of several: k folds, and each group left out in turn."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from helpers.split_pages import Leaf, leaf, made_up, side_of
from htr_exp.core.errors import DatasetError
from htr_exp.splits.folds import folds, k_fold, leave_out
from htr_exp.splits.groups import Grouping, grouped
from htr_exp.splits.split import NAMES, Split


def chapters(*shared: tuple[str, str]) -> list[Leaf]:
    """Four folders of three pages; each pair shares an image."""
    pages = {
        name: leaf(name, 10, image=f"/data/{name}.jpg")
        for name in (f"{folder}/{number}.xml" for folder in "abcd" for number in range(3))
    }
    for one, other in shared:
        pages[other] = leaf(other, 10, image=f"/data/{other}.jpg", shows=pages[one].image_digest)
    return list(pages.values())


def left_out(pages: list[Leaf], name: str, by: str = "folder", **changes: Any) -> Split:
    options: dict[str, Any] = {"seed": 0, "validation": 0.25, "by": grouped(pages, by)} | changes
    return leave_out(pages, left_out=name, **options)


def test_the_group_left_out_is_the_test_set_and_validation_is_a_group_of_the_others() -> None:
    pages = chapters()
    split = left_out(pages, "b")
    assert split.pages["test"] == ("b/0.xml", "b/1.xml", "b/2.xml")
    assert len({name[0] for name in split.pages["validation"]}) == 1
    assert [len(split.pages[side]) for side in NAMES] == [6, 3, 3]
    assert (split.unused, split.fold, split.notes) == ((), "folder b left out", ())
    assert split.why["b/0.xml"] == "test: folder b left out"
    (folder,) = {name[0] for name in split.pages["validation"]}
    assert split.why[f"{folder}/0.xml"] == f"validation: folder {folder}, drawn with split.seed=0"


def test_pages_that_share_an_image_with_the_group_left_out_are_not_used() -> None:
    pages = chapters(("b/0.xml", "c/2.xml"), ("b/1.xml", "d/1.xml"))
    split = left_out(pages, "b")
    assert split.pages["test"] == ("b/0.xml", "b/1.xml", "b/2.xml")
    assert split.unused == ("c/2.xml", "d/1.xml")
    assert split.why["c/2.xml"] == "unused: shares an image with test page b/0.xml"
    assert split.notes == (
        "split.fold=b: not used, since pages of test or validation share an image with them: c/2.xml, d/1.xml",
    )


def test_training_pages_that_share_an_image_with_validation_are_not_used() -> None:
    pages = chapters(("a/0.xml", "c/0.xml"), ("a/1.xml", "d/1.xml"), ("c/2.xml", "d/2.xml"))
    sides = set()
    for seed in range(10):
        split = left_out(pages, "b", seed=seed)
        (held,) = {name[0] for name in split.pages["validation"]}
        sides.add(held)
        for name in split.unused:
            assert split.why[name].startswith(f"unused: shares an image with validation page {held}/")
        assert len(split.unused) == 2
        assert len(split.pages["validation"]) == 3
    assert sides == {"a", "c", "d"}


def test_pages_much_like_the_group_left_out_are_not_used() -> None:
    pages = chapters()
    split = left_out(pages, "b", together=[{"b/0.xml", "c/2.xml"}])
    assert split.why["c/2.xml"] == "unused: is much like test page b/0.xml"
    assert split.unused == ("c/2.xml",)


def test_a_page_left_out_leaves_out_its_image() -> None:
    pages = chapters(("a/0.xml", "c/0.xml"), ("b/0.xml", "d/0.xml"))
    split = left_out(pages, "a/0.xml", by="page")
    assert split.pages["test"] == ("a/0.xml",)
    assert split.unused == ("c/0.xml",)
    side = side_of(split)
    assert side["b/0.xml"] == side["d/0.xml"]  # pages of one image stay together where nobody wants them apart
    by_image = left_out(pages, grouped(pages, "image").of["a/0.xml"], by="image")
    assert by_image.pages["test"] == ("a/0.xml", "c/0.xml")


def test_a_group_that_is_not_there_answers_with_those_that_are() -> None:
    with pytest.raises(DatasetError) as caught:
        left_out([leaf(f"{name}/1.xml") for name in ("odo", "urso", "gratian")], "gratien")
    assert str(caught.value) == (
        "split.fold=gratien: there is no such folder (did you mean gratian?); choose one of gratian, odo, urso, or all"
    )


def test_a_long_list_of_groups_is_cut() -> None:
    with pytest.raises(DatasetError, match=r"choose one of 000\.xml, .*, 011\.xml and 18 more, or all$"):
        left_out([leaf(f"{number:03d}.xml") for number in range(30)], "x", by="page")


def test_what_is_left_must_do_for_training_and_validation() -> None:
    pages = [leaf("a/1.xml"), leaf("b/2.xml", shows="bytes of a/1.xml"), leaf("c/3.xml")]
    with pytest.raises(
        DatasetError, match=r"^split.fold=a: beside this folder, and .* there is 1 folder: 2 are needed"
    ):
        left_out(pages, "a")
    pages = [leaf("a/1.xml"), leaf("b/2.xml"), leaf("c/3.xml", shows="bytes of b/2.xml")]
    with pytest.raises(DatasetError, match=r"^split.fold=a: .* nothing is left to train on$"):
        left_out(pages, "a")


def test_every_group_can_be_left_out() -> None:
    assert folds(grouped(chapters(), "folder")) == ["a", "b", "c", "d"]
    with pytest.raises(DatasetError, match="a hand is called `all`"):
        folds(Grouping("hand", {"1.xml": "all", "2.xml": "B"}))


@pytest.mark.parametrize("count", [2, 3, 5])
def test_every_page_is_tested_once_over_all_folds(count: int) -> None:
    pages = made_up(7, most=40)
    by = grouped(pages, "page")
    made = [k_fold(pages, fold=fold + 1, folds=count, seed=0, validation=0.1, by=by) for fold in range(count)]
    assert sorted(name for split in made for name in split.pages["test"]) == sorted(page.name for page in pages)
    tested = [len(split.pages["test"]) for split in made]
    assert max(tested) - min(tested) <= 2  # some pages share an image
    for fold, split in enumerate(made, start=1):
        assert split.fold == f"fold {fold} of {count}"
        assert split.unused == ()
        assert split.why[split.pages["test"][0]].startswith(f"test: fold {fold} of {count}, drawn with split.seed=0")
        assert split.why[split.pages["train"][0]].startswith("train: drawn with split.seed=0")


def test_the_seed_makes_other_folds() -> None:
    pages = [leaf(f"{number}.xml", 5 + number) for number in range(20)]
    by = grouped(pages, "page")
    assert len({k_fold(pages, fold=1, folds=5, seed=seed, validation=0.1, by=by).digest for seed in range(5)}) == 5


def test_folds_of_folders_join_those_that_share_an_image() -> None:
    pages = chapters(("a/0.xml", "d/0.xml"))
    by = grouped(pages, "folder")
    tested = [
        {name[0] for name in k_fold(pages, fold=fold, folds=3, seed=0, validation=0.1, by=by).pages["test"]}
        for fold in (1, 2, 3)
    ]
    assert sorted(map(sorted, tested)) == [["a", "d"], ["b"], ["c"]]
    with pytest.raises(DatasetError) as caught:
        k_fold(pages, fold=1, folds=4, seed=0, validation=0.1, by=by)
    assert str(caught.value) == (
        "split.folds=4: there are 3 folders with text, counted as one where they share images; each fold needs one\n"
        "  - folders a, d stay on one side: pages of theirs share an image"
    )


def test_a_fold_leaves_something_to_train_on_and_to_validate() -> None:
    pages = [leaf("a.xml"), leaf("b.xml"), leaf("c.xml")]
    made = partial(k_fold, pages, folds=2, seed=0, validation=0.1, by=grouped(pages, "page"))
    with pytest.raises(DatasetError, match=r"^split.fold=2: 1 of 3 pages is left for train and validation"):
        made(fold=2)
    assert made(fold=1).pages["test"] != ()


def test_folds_can_be_stratified() -> None:
    pages = [leaf(f"{number:02d}.xml", 8 + number % 5) for number in range(40)]
    of = Grouping("hand", {page.name: "AAAB"[number % 4] for number, page in enumerate(pages)})
    for fold in range(1, 6):
        split = k_fold(
            pages, fold=fold, folds=5, seed=0, validation=0.2, by=grouped(pages, "page"), stratify=of
        )  # fmt: skip
        assert [of.of[name] for name in split.pages["test"]].count("B") == 2
        assert split.notes == ()


@pytest.mark.parametrize("seed", range(5))
def test_validation_beside_a_group_left_out_can_be_stratified(seed: int) -> None:
    pages = [leaf(f"{number:02d}.xml") for number in range(41)]
    of = Grouping("hand", {page.name: "AAAB"[number % 4] for number, page in enumerate(pages)})
    split = left_out(pages, "00.xml", by="page", seed=seed, validation=0.2, stratify=of)
    assert [of.of[name] for name in split.pages["validation"]].count("B") == 2
