"""Pages that keep the sides of an earlier run: found again by image or name, new ones around them."""

from __future__ import annotations

import json
import random
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest

from helpers.sentences import sentences
from helpers.split_pages import Leaf, leaf, side_of
from htr_exp.core.errors import ConfigError, DatasetError
from htr_exp.splits.groups import Grouping, grouped
from htr_exp.splits.recorded import UNUSED, RecordedPage, RecordedSplit, moves, pin, recorded
from htr_exp.splits.split import NAMES, Split, draw, first_pages


def pages_of(count: int, folder: str = "") -> list[Leaf]:
    return [leaf(f"{folder}{number:02d}.xml", 5 + number % 9) for number in range(count)]


def record_of(split: Split, pages: list[Leaf]) -> RecordedSplit:
    images = {page.name: page.image_digest for page in pages}
    sides = split.pages | {UNUSED: split.unused}
    return RecordedSplit(
        "run A", tuple(RecordedPage(name, images[name], side) for side, names in sides.items() for name in names)
    )


def pinned(pages: list[Leaf], record: RecordedSplit, **changes: object) -> Split:
    options: dict[str, object] = {"seed": 0, "validation": 0.1, "test": 0.1, "by": grouped(pages, "page")}
    return pin(pages, record, **(options | changes))  # type: ignore[arg-type]


@pytest.mark.seconds
def test_new_pages_move_none_in_a_thousand_sets_and_shares_are_approached() -> None:
    for number in range(1000):
        rng = random.Random(number)
        old = [leaf(f"{page:02d}.xml", shows=f"{number}: {page}") for page in range(rng.randint(3, 30))]
        new = [leaf(f"n{page}.xml", shows=f"{number}: new {page}") for page in range(rng.choice([1, 1, 5, 40]))]
        before = draw(old, seed=number, validation=0.1, test=0.1)
        after = pinned([*old, *new], record_of(before, old), seed=number)
        assert {name: side for name, side in side_of(after).items() if name[0] != "n"} == side_of(before)
        total = len(old) + len(new)
        for side in ("test", "validation"):
            assert abs(len(after.pages[side]) - max(len(before.pages[side]), 0.1 * total)) <= 1


def test_corrections_renaming_and_another_encoding_are_the_same_page() -> None:
    old = pages_of(12)
    before = draw(old, seed=0, validation=0.2, test=0.2)
    changed = [
        replace(page, digest="corrected", lines=[0] * 99) if number % 3 == 0
        else replace(page, name=f"renamed/{page.name}") if number % 3 == 1
        else replace(page, image_digest=f"encoded again {number}")
        for number, page in enumerate(old)
    ]  # fmt: skip
    after = pinned(changed, record_of(before, old))
    assert {Path(name).name: side for name, side in side_of(after).items()} == side_of(before)
    assert after.notes == ()
    assert after.why["00.xml"] == f"{side_of(before)['00.xml']}: as in run A"


def test_names_are_the_same_in_every_normal_form() -> None:
    old = [leaf(f"é{number}.xml") for number in range(5)]
    before = draw(old, seed=0, validation=0.2, test=0.2)
    now = [replace(page, name=unicodedata.normalize("NFD", page.name), image_digest="x" + page.name) for page in old]
    after = pinned(now, record_of(before, old))
    assert {unicodedata.normalize("NFC", name): side for name, side in side_of(after).items()} == side_of(before)


def test_the_image_counts_more_than_the_name() -> None:
    old = pages_of(6)
    before = draw(old, seed=0, validation=0.2, test=0.2)
    test, train = before.pages["test"][0], before.pages["train"][0]
    swapped = [replace(page, name={test: train, train: test}.get(page.name, page.name)) for page in old]
    after = side_of(pinned(swapped, record_of(before, old)))
    assert (after[train], after[test]) == ("test", "train")


def test_pages_that_are_gone_are_named_with_what_to_do() -> None:
    old = pages_of(10)
    record = record_of(draw(old, seed=0, validation=0.1, test=0.2), old)
    gone = next(page.name for page in record.pages if page.side == "test")
    left = [page for page in old if page.name != gone]
    with pytest.raises(DatasetError) as caught:
        pinned(left, record)
    assert str(caught.value).startswith("run A: pages of its split are not in the ground truth")
    assert sentences(caught.value) == [f"{gone} (test); put them back, or go on without them: split.gone=leave_out"]
    split = pinned(left, record, without_gone=True)
    assert split.notes == (f"split.gone=leave_out: 1 page of run A not in the ground truth: {gone} (test)",)


def test_a_side_that_has_lost_all_pages_is_refused() -> None:
    record = RecordedSplit("run A", tuple(RecordedPage(f"{number}.xml", "", "test") for number in range(3)))
    with pytest.raises(DatasetError, match=r"^run A: no page is in train"):
        pinned([leaf(f"{number}.xml") for number in range(3)], record)


def test_unused_pages_stay_unused() -> None:
    old = pages_of(20)
    whole = draw(old, seed=0, validation=0.1, test=0.1)
    before = first_pages(whole, old, count=4, order_seed=0)
    after = pinned(old, record_of(before, old))
    assert (after.pages, after.unused) == (before.pages, before.unused)
    assert after.digest == before.digest


def test_a_new_page_goes_to_the_side_of_its_image_or_its_hand() -> None:
    old = pages_of(12)
    before = draw(old, seed=0, validation=0.2, test=0.2)
    for side in NAMES:
        of = next(page for page in old if page.name == before.pages[side][0])
        new = leaf("new.xml", shows=of.image_digest)
        after = pinned([*old, new], record_of(before, old))
        assert side_of(after)["new.xml"] == side
        assert after.why["new.xml"] == f"{side}: not in run A; it belongs to pages of {side}"
        assert after.notes[-1] == f"1 page not in run A: 1 in {side} (new.xml)"
        alike = pinned([*old, leaf("new.xml")], record_of(before, old), together=[{"new.xml", of.name}])
        assert side_of(alike)["new.xml"] == side
    hands = {page.name: side_of(before)[page.name] for page in old} | {"new.xml": "test"}
    assert (
        side_of(pinned([*old, leaf("new.xml")], record_of(before, old), by=Grouping("hand", hands)))["new.xml"]
        == "test"
    )


def test_a_new_page_that_belongs_to_two_sides_is_not_used() -> None:
    old = pages_of(12)
    before = draw(old, seed=0, validation=0.2, test=0.2)
    links = {"new.xml", before.pages["test"][0], before.pages["train"][0]}
    after = pinned([*old, leaf("new.xml")], record_of(before, old), together=[links])
    assert after.unused == ("new.xml",)
    assert after.why["new.xml"] == "unused: not in run A; it belongs to pages of train and test"


def test_what_has_moved_is_listed() -> None:
    old = pages_of(12)
    before = draw(old, seed=0, validation=0.2, test=0.2)
    assert moves(record_of(before, old), before, old) == []
    after = draw(old, seed=1, validation=0.2, test=0.2)
    then, now = side_of(before), side_of(after)
    assert moves(record_of(before, old), after, old) == [
        (name, then[name], now[name]) for name in sorted(then) if then[name] != now[name]
    ]


@pytest.mark.parametrize(
    "text", ["", "[1]", "{}", '{"train": [1]}', '{"train": 3}', '{"train": [{"image": "x"}]}', "pages"]
)
def test_a_file_that_is_no_split_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "split.json").write_text(text)
    with pytest.raises(ConfigError, match=r"^split\.run=.*split\.json.*(is not a split|names no page)"):
        recorded(str(tmp_path / "split.json"), tmp_path)


def test_a_file_is_a_split_and_an_unknown_run_says_which_there_are(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text(json.dumps({"train": [{"page": "a.xml"}], "test": [{"page": "b.xml", "image_digest": "1"}]}))  # fmt: skip
    found = recorded(str(tmp_path / "mine.json"), tmp_path)
    assert found.name == "mine.json"
    assert found.pages == (RecordedPage("a.xml", "", "train"), RecordedPage("b.xml", "1", "test"))
    with pytest.raises(ConfigError, match=r"^split\.run=nowhere: there is no such run in .*; it may also be a file"):
        recorded("nowhere", tmp_path)
