from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest

from helpers.sentences import sentences
from helpers.split_pages import Leaf, leaf, made_up, side_of
from htr_exp.core.errors import DatasetError
from htr_exp.splits.folds import k_fold, leave_out
from htr_exp.splits.groups import Grouping, grouped
from htr_exp.splits.split import NAMES, draw, everything, first_pages, given
from htr_exp.splits.tables import read_list, read_table

SEEDS = range(25)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_page_is_on_one_side_once(seed: int) -> None:
    pages = made_up(seed)
    split = draw(pages, seed=seed, validation=0.1, test=0.1)
    assert sorted(name for side in NAMES for name in split.pages[side]) == sorted(page.name for page in pages)
    assert all(split.pages[side] for side in NAMES)
    assert set(split.why) == {page.name for page in pages}


@pytest.mark.parametrize("seed", SEEDS)
def test_pages_of_one_image_stay_together(seed: int) -> None:
    pages = made_up(seed, shared=0.5)
    try:
        side = side_of(draw(pages, seed=seed, validation=0.2, test=0.2))
    except DatasetError:
        return  # all of them show fewer than three images
    for one, other in combinations(pages, 2):
        if one.image == other.image or one.image_digest == other.image_digest:
            assert side[one.name] == side[other.name]


def test_an_image_is_shared_through_others() -> None:
    chain = [
        leaf("a.xml", image="/one.jpg", shows="one"),
        leaf("b.xml", image="/two.jpg", shows="one"),
        leaf("c.xml", image="/two.jpg", shows="three"),
        leaf("d.xml", image="/four.jpg", shows="three"),
    ]
    for seed in range(10):
        for order in (chain, chain[::-1], [chain[0], chain[3], chain[1], chain[2]]):
            side = side_of(draw([*order, leaf("x.xml"), leaf("y.xml")], seed=seed, validation=0.1, test=0.1))
            assert len({side[page.name] for page in chain}) == 1


@pytest.mark.parametrize("seed", SEEDS)
def test_order_names_and_places_do_not_change_the_split(seed: int) -> None:
    pages = made_up(seed)
    split = draw(pages, seed=seed, validation=0.1, test=0.1)
    shuffled = random.Random(seed).sample(pages, len(pages))
    assert draw(shuffled, seed=seed, validation=0.1, test=0.1) == split
    renamed = [
        Leaf(
            f"{page.name[::-1]}/{page.name}",
            Path("/moved") / page.image.name,
            page.image_digest,
            page.digest,
            page.lines,
        )
        for page in shuffled
    ]
    again = draw(renamed, seed=seed, validation=0.1, test=0.1)
    assert again.digest == split.digest
    assert {name.partition("/")[2]: side for name, side in side_of(again).items()} == side_of(split)


def test_the_seed_decides_the_split() -> None:
    pages = [leaf(f"{number}.xml") for number in range(20)]
    splits = [draw(pages, seed=seed, validation=0.1, test=0.1) for seed in (0, 0, 1, 2)]
    assert splits[0] == splits[1]
    assert len({split.digest for split in splits}) == 3


def test_another_transcription_makes_another_digest() -> None:
    pages = [leaf(f"{number}.xml") for number in range(3)]
    changed = [Leaf(page.name, page.image, page.image_digest, page.digest + "!", page.lines) for page in pages]
    assert (
        draw(pages, seed=0, validation=0.1, test=0.1).digest != draw(changed, seed=0, validation=0.1, test=0.1).digest
    )


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("validation", "test"), [(0.1, 0.1), (0.3, 0.2), (0.05, 0.0), (0.6, 0.3)])
def test_shares_are_as_near_as_whole_pages_allow(seed: int, validation: float, test: float) -> None:
    pages = made_up(seed, most=40, shared=0)
    split = draw(pages, seed=seed, validation=validation, test=test)
    sizes = {side: len(split.pages[side]) for side in NAMES}
    assert abs(sizes["test"] - test * len(pages)) <= (0.5 if test * len(pages) >= 1 or not test else 1)
    assert abs(sizes["test"] + sizes["validation"] - (test + validation) * len(pages)) <= (
        0.5 if min(test or 1, validation) * len(pages) >= 1 else 2
    )


def test_the_transcription_moves_no_page() -> None:
    """One corrected letter, another normal form, a line more: the same pages are on the same sides."""
    pages = made_up(1, most=60)
    hand = Grouping("hand", {page.name: "AAB"[number % 3] for number, page in enumerate(pages)})
    rng = random.Random(1)
    corrected = [
        replace(page, digest=page.digest + "!", lines=[0] * rng.randint(1, 60)) if rng.random() < 0.5 else page
        for page in pages
    ]
    for make in (
        lambda some: draw(some, seed=0, validation=0.1, test=0.1),
        lambda some: draw(some, seed=0, validation=0.1, test=0.1, by=hand, stratify=None),
        lambda some: draw(some, seed=0, validation=0.1, test=0.1, stratify=hand),
        lambda some: k_fold(some, fold=2, folds=3, seed=0, validation=0.1, by=grouped(some, "page")),
        lambda some: k_fold(some, fold=2, folds=3, seed=0, validation=0.1, by=grouped(some, "page"), stratify=hand),
        lambda some: leave_out(some, left_out="A", seed=0, validation=0.1, by=hand),
        lambda some: first_pages(
            draw(some, seed=0, validation=0.1, test=0.1), some, count=4, order_seed=0, stratify=hand
        ),
    ):
        try:
            before = make(pages)
        except DatasetError:
            continue
        assert make(corrected).pages == before.pages
        assert make(corrected).digest != before.digest


def test_a_share_of_nearly_all_leaves_a_page_to_train_on() -> None:
    split = draw([leaf(f"{number}.xml") for number in range(4)], seed=0, validation=0.95, test=0)
    assert [len(split.pages[side]) for side in NAMES] == [1, 3, 0]


def test_three_pages_are_one_each() -> None:
    split = draw([leaf("a.xml"), leaf("b.xml", 90), leaf("c.xml")], seed=0, validation=0.1, test=0.1)
    assert [len(split.pages[side]) for side in NAMES] == [1, 1, 1]


def test_too_few_pages_are_told_how_to_go_without_a_test_set() -> None:
    with pytest.raises(DatasetError) as caught:
        draw([leaf("a.xml"), leaf("b.xml")], seed=0, validation=0.1, test=0.1)
    assert "2 pages with text and different images: 3 are needed" in sentences(caught.value)[0]
    assert "split.test=0 goes without a test set" in sentences(caught.value)[1]
    assert draw([leaf("a.xml"), leaf("b.xml")], seed=0, validation=0.1, test=0).pages["test"] == ()


def test_one_image_cannot_be_split_at_all() -> None:
    one_image = [leaf("a.xml", shows="same"), leaf("b.xml", shows="same")]
    for test in (0.1, 0.0):
        with pytest.raises(DatasetError) as caught:
            draw(one_image, seed=0, validation=0.1, test=test)
        assert sentences(caught.value)[0].startswith("1 page with text and different images")
        assert sentences(caught.value)[1] == "pages that share an image stay on one side: a.xml, b.xml"
        assert len(sentences(caught.value)) == 2


def test_evaluation_puts_everything_on_the_test_side() -> None:
    pages = [leaf("b.xml"), leaf("a.xml")]
    assert everything(pages).pages == {"train": (), "validation": (), "test": ("a.xml", "b.xml")}


BOOK = [leaf("odo/1r.xml"), leaf("odo/1v.xml"), leaf("urso/1r.xml"), leaf("urso/2v.xml"), leaf("urso/ſ 3.xml")]


@pytest.mark.parametrize(
    "name", ["urso/2v.xml", "2v.xml", "urso/2v", "2v", "2v.jpg"], ids=["path", "file", "path stem", "stem", "image"]
)
def test_a_page_may_be_named_in_short(name: str) -> None:
    split = given(BOOK, {"train": ["odo/1r"], "validation": ["odo/1v"], "test": [name]}, "lists")
    assert split.pages["test"] == ("urso/2v.xml",)
    assert split.why["urso/2v.xml"] == "test: given by lists"


def test_pages_in_no_list_are_not_used() -> None:
    split = given(BOOK, {"train": ["odo/1r"], "validation": ["odo/1v"]}, "lists")
    assert split.pages == {"train": ("odo/1r.xml",), "validation": ("odo/1v.xml",), "test": ()}
    assert split.unused == ("urso/1r.xml", "urso/2v.xml", "urso/ſ 3.xml")
    assert split.why["urso/2v.xml"] == "unused: lists puts it on no side"


def test_a_given_split_has_the_digest_of_the_same_split_drawn() -> None:
    pages = [leaf(f"{number}.xml") for number in range(9)]
    drawn = draw(pages, seed=3, validation=0.2, test=0.2)
    assert given(pages, {side: drawn.pages[side] for side in NAMES}, "lists").digest == drawn.digest


def test_everything_wrong_with_given_lists_is_said_at_once() -> None:
    lists: dict[str, Sequence[str]] = {"train": ["odo/1r", "1r", "nowhere"], "validation": ["odo/1r.xml"], "test": []}
    with pytest.raises(DatasetError) as caught:
        given(BOOK, lists, "lists")
    assert sentences(caught.value) == [
        "lists: train: 1r: it may be any of odo/1r.xml, urso/1r.xml",
        "lists: train: nowhere: there is no such page with text",
        "lists: odo/1r.xml is in train and in validation",
        "lists: no page is in validation",
        "lists: no page is in test",
    ]


@pytest.mark.parametrize(
    "content",
    [
        b"1r.xml\n\xc5\xbf 3.xml\n",
        b"\xef\xbb\xbf1r.xml\r\n\r\n  \xc5\xbf 3.xml \r\n",
        b"1r.xml\n\xc5\xbf 3.xml",
        "1r.xml\r\nſ 3.xml".encode("utf-16"),
        "1r.xml\nſ 3.xml".encode("utf-16-be"),
    ],
    ids=["plain", "BOM, CRLF and blanks", "no last line end", "UTF-16", "UTF-16 without BOM"],
)
def test_a_list_is_one_name_a_line(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(content)
    assert read_list(tmp_path / "list.txt") == ["1r.xml", "ſ 3.xml"]


def test_a_list_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"list\.txt: the list of pages cannot be read"):
        read_list(tmp_path / "list.txt")
    (tmp_path / "list.txt").write_bytes(b"\xff\xfe\x00")  # half of a letter in UTF-16
    with pytest.raises(DatasetError, match=r"list\.txt: the list of pages cannot be read"):
        read_list(tmp_path / "list.txt")


TABLE = [
    ("page", "split", "n"),
    ("1r.xml", "train", "1"),
    ("a, b; c.xml", "Validation", "2"),
    ("2v", "test", "3"),
    ("x", "", ""),
]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize(("start", "end"), [("", "\n"), ("\ufeff", "\r\n")], ids=["plain", "BOM and CRLF"])
def test_a_table_is_read_as_spreadsheets_write_it(delimiter: str, start: str, end: str, tmp_path: Path) -> None:
    rows = (delimiter.join(f'"{cell}"' if " " in cell else cell for cell in row) for row in TABLE)
    (tmp_path / "split.csv").write_text(start + end.join(rows) + end, encoding="utf-8", newline="")
    assert read_table(tmp_path / "split.csv", page_column="page", column="split") == {
        "train": ["1r.xml"], "validation": ["a, b; c.xml"], "test": ["2v"],
    }  # fmt: skip


def test_other_words_in_a_table_are_all_refused_with_their_rows(tmp_path: Path) -> None:
    (tmp_path / "split.csv").write_text("page,split\na,train\nb,dev\nc,val\nd,training\ne,tset\n")
    with pytest.raises(DatasetError) as caught:
        read_table(tmp_path / "split.csv", page_column="page", column="split")
    assert [problem.partition("split.csv")[2] for problem in sentences(caught.value)] == [
        ":5: split=training: write train, validation or test, or leave it empty",
        ":6: split=tset: write train, validation or test, or leave it empty",
    ]


@pytest.mark.parametrize(
    ("content", "columns"), [("page,part\na,train\n", "page, part"), ("page,part\n", "page, part"), ("", "")]
)
def test_a_table_without_the_column_is_told_which_it_has(content: str, columns: str, tmp_path: Path) -> None:
    (tmp_path / "split.csv").write_text(content)
    with pytest.raises(DatasetError, match=f"it has no column .*split; its columns are {columns}$"):
        read_table(tmp_path / "split.csv", page_column="page", column="split")


def test_a_table_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"split\.csv: the table of pages cannot be read"):
        read_table(tmp_path / "split.csv", page_column="page", column="split")
