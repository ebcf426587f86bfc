"""What holds of every split, whatever the pages: nothing on two sides, folds that partition, subsets that nest, no luck of names."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from helpers.split_pages import Leaf, side_of
from htr_exp.core.errors import DatasetError
from htr_exp.splits.folds import folds, k_fold, leave_out
from htr_exp.splits.groups import Grouping, grouped
from htr_exp.splits.split import NAMES, Split, draw, first_pages

pytestmark = pytest.mark.seconds

bounded = settings(max_examples=60, deadline=None, derandomize=True, database=None)


@st.composite
def page_sets(draw_value: st.DrawFn) -> list[Leaf]:
    """Up to 40 pages in up to 8 folders; some show the image of another, by place or by bytes, in any folder."""
    folders = draw_value(st.integers(3, 8))
    pages: list[Leaf] = []
    for number in range(draw_value(st.integers(6, 40))):
        folder = draw_value(st.integers(0, folders - 1))
        twin = draw_value(st.sampled_from([None] * 6 + ["place", "bytes"])) if pages else None
        of = draw_value(st.sampled_from(pages)) if twin else None
        pages.append(
            Leaf(
                name=f"f{folder}/{number:02d}.xml",
                image=of.image if of and twin == "place" else Path(f"/data/{number}.jpg"),
                image_digest=of.image_digest if of else f"bytes {number}",
                digest=f"digest {number}",
                lines=[0] * draw_value(st.integers(1, 60)),
                xml=Path(f"/data/f{folder}/{number:02d}.xml"),
            )
        )
    return pages


def sound(split: Split, pages: list[Leaf], by: Grouping) -> None:
    """Fail if a group or an image is on two sides, or a page in no list or two, or without its reason."""
    lists = split.pages | {"unused": split.unused}
    assert sorted(name for names in lists.values() for name in names) == sorted(page.name for page in pages)
    assert set(split.why) == {page.name for page in pages}
    assert all(split.why[name].startswith(f"{side}: ") for side, names in lists.items() for name in names)
    assert all(split.pages[side] for side in NAMES)
    side = side_of(split)
    for keys in (
        by.of,
        {page.name: str(page.image) for page in pages},
        {page.name: page.image_digest for page in pages},
    ):
        on: dict[str, set[str]] = {}
        for name, where in side.items():
            on.setdefault(keys[name], set()).add(where)
        assert all(len(sides) == 1 for sides in on.values())


def groupings(pages: list[Leaf]) -> dict[str, Grouping]:
    hands = {page.name: "ABCDE"[len(page.lines) % 5] for page in pages}
    return {by: grouped(pages, by) for by in ("page", "folder", "image")} | {"hand": Grouping("hand", hands)}


@bounded
@given(page_sets(), st.integers(0, 9), st.sampled_from(["page", "folder", "image", "hand"]), st.sampled_from([None, "folder", "hand"]))  # fmt: skip
def test_a_drawn_split_has_nothing_on_two_sides(pages: list[Leaf], seed: int, key: str, strata: str | None) -> None:
    known = groupings(pages)
    try:
        split = draw(pages, seed=seed, validation=0.2, test=0.2, by=known[key], stratify=known.get(strata or ""))
    except DatasetError:
        return event("too few groups")
    sound(split, pages, known[key])
    assert split.unused == ()
    return event("split")


@bounded
@given(page_sets(), st.integers(0, 9), st.sampled_from(["page", "folder", "hand"]), st.integers(2, 5), st.booleans())
def test_folds_partition_the_pages(pages: list[Leaf], seed: int, key: str, count: int, stratified: bool) -> None:
    known = groupings(pages)
    stratify = known["hand"] if stratified else None
    try:
        made = [
            k_fold(pages, fold=fold + 1, folds=count, seed=seed, validation=0.2, by=known[key], stratify=stratify)
            for fold in range(count)
        ]
    except DatasetError:
        return event("too few groups")
    for split in made:
        sound(split, pages, known[key])
        assert split.unused == ()
    assert sorted(name for split in made for name in split.pages["test"]) == sorted(page.name for page in pages)
    return event("split")


@bounded
@given(page_sets(), st.integers(0, 9), st.sampled_from(["page", "folder", "image", "hand"]))
def test_each_group_is_left_out_once_and_whole(pages: list[Leaf], seed: int, key: str) -> None:
    by = groupings(pages)[key]
    for name in folds(by):
        try:
            split = leave_out(pages, left_out=name, seed=seed, validation=0.2, by=by)
        except DatasetError:
            event("too few groups")
            continue
        sound(split, pages, by)
        assert set(split.pages["test"]) == {page for page, group in by.of.items() if group == name}
        held = {
            (page.image, page.image_digest) for page in pages if page.name in split.pages["test"] + split.pages["validation"]
        }  # fmt: skip
        for page in pages:
            if page.name in split.unused:
                assert any(page.image == image or page.image_digest == digest for image, digest in held)
        event("split")


@bounded
@given(page_sets(), st.integers(0, 9), st.sampled_from(["page", "folder", "hand"]))
def test_subsets_of_the_training_pages_are_nested(pages: list[Leaf], seed: int, key: str) -> None:
    try:
        whole = draw(pages, seed=seed, validation=0.2, test=0.2, by=groupings(pages)[key])
    except DatasetError:
        return
    before: set[str] = set()
    for count in range(1, len(whole.pages["train"]) + 1):
        split = first_pages(whole, pages, count=count, order_seed=seed)
        sound(split, pages, groupings(pages)[key])
        assert len(split.pages["train"]) == count
        assert before < set(split.pages["train"])
        assert [split.pages[side] for side in NAMES[1:]] == [whole.pages[side] for side in NAMES[1:]]
        before = set(split.pages["train"])


@pytest.mark.parametrize("kind", ["draw", "stratified", "k_fold", "leave_out", "train_pages"])
def test_order_names_and_places_decide_nothing(kind: str) -> None:
    @bounded
    @given(page_sets(), st.integers(0, 9), st.randoms(use_true_random=False))
    def of_pages(pages: list[Leaf], seed: int, rng: random.Random) -> None:
        folder_names = {f"f{number}": name for number, name in enumerate(rng.sample("stuvwxyz", 8))}

        def moved(page: Leaf) -> Leaf:
            folder, _, file = page.name.partition("/")
            name = f"{folder_names[folder]}/{file[::-1]}"
            return Leaf(name, Path("/moved") / page.image.name, page.image_digest, page.digest, page.lines, Path("/moved") / name)  # fmt: skip

        def made(some: list[Leaf], left_out: str) -> Split:
            by, hand = grouped(some, "folder"), groupings(some)["hand"]
            if kind == "k_fold":
                return k_fold(some, fold=2, folds=3, seed=seed, validation=0.2, by=by)
            if kind == "leave_out":
                return leave_out(some, left_out=left_out, seed=seed, validation=0.2, by=by)
            split = draw(
                some, seed=seed, validation=0.2, test=0.2, by=by, stratify=hand if kind == "stratified" else None
            )
            return first_pages(split, some, count=1, order_seed=seed) if kind == "train_pages" else split

        here = [moved(page) for page in rng.sample(pages, len(pages))]
        folder = pages[0].name.partition("/")[0]
        try:
            first = made(pages, folder)
        except DatasetError:
            return
        assert made(here, folder_names[folder]).digest == first.digest

    of_pages()
