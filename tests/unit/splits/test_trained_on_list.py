"""Lists of what a foreign model was trained on."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from helpers.guarded_pages import table
from htr_exp.core.errors import DatasetError
from htr_exp.splits.fingerprints import Fingerprint
from htr_exp.splits.trained_on_list import read_trained_on, same_names


@pytest.mark.parametrize("delimiter", ["\t", ",", ";"])
def test_a_list_of_training_data_is_read(tmp_path: Path, delimiter: str) -> None:
    rows = [["train", "a.xml", "A" * 64], ["val", "b.xml", "b" * 64], ["test", "c.xml", "c" * 64], ["", "d.xml", ""]]
    path = table(tmp_path / "list.csv", ["side", "xml", "image_sha256"], *rows, delimiter=delimiter)
    found = read_trained_on(path, "model.trained_on")
    assert [(page.role, page.name, page.image_digest) for page in found] == [
        ("train", "a.xml", "a" * 64),
        ("validation", "b.xml", "b" * 64),
        ("train", "d.xml", None),
    ]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([["folio"], ["a.xml"]], "no column xml, page, image, xml_sha256 or image_sha256; its columns are folio"),
        ([["xml_sha256"], ["abc"]], ":2: xml_sha256=abc: it is no SHA-256"),
        ([["xml_sha256"]], "names no page"),
        ([], "its columns are none"),
    ],
)
def test_a_list_that_says_nothing_is_refused(tmp_path: Path, rows: list[list[str]], said: str) -> None:
    with pytest.raises(DatasetError) as refused:
        read_trained_on(table(tmp_path / "list.tsv", *rows), "model.trained_on")
    assert said in str(refused.value)


def test_rows_are_called_by_the_line_of_the_file_and_blank_ones_passed_over(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(" page ,xml_sha256\n,\n\na.xml\n b.xml ,\n")
    found = read_trained_on(tmp_path / "list.csv", "model.trained_on")
    assert [(page.name, page.source) for page in found] == [("a.xml", "list.csv:4"), ("b.xml", "list.csv:5")]


def test_a_list_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        DatasetError, match=r"model.trained_on=.*list.tsv: the table of pages cannot be read: No such file"
    ):
        read_trained_on(tmp_path / "list.tsv", "model.trained_on")


def test_an_image_beside_the_list_is_looked_at(tmp_path: Path) -> None:
    drawn = Image.new("L", (300, 200), 255)
    drawn.paste(0, (20, 20, 150, 90))
    drawn.save(tmp_path / "a.png")
    path = table(tmp_path / "list.tsv", ["image"], ["a.png"], ["gone.png"])
    assert [page.look is None for page in read_trained_on(path, "model.trained_on")] == [False, True]


def listed(*names: str) -> Fingerprint:
    return Fingerprint("train", names[0], f"of {names[0]}", listed=True, names=names)


@pytest.mark.parametrize(
    ("names", "pages", "same"),
    [
        (["data/ms/f1.xml"], ["f1.xml"], [("f1.xml", 0)]),
        (["data/ms/F1.jpg"], ["here/f1.xml"], [("here/f1.xml", 0)]),
        (["f1.xml"], ["f11.xml", "f1.a.xml"], []),
        (["a/1.xml", "b/1.xml"], ["x/b/1.xml"], [("x/b/1.xml", 1)]),
        (["1.xml"], ["a/1.xml", "b/1.xml"], []),
        (["a\\1.xml"], ["a/1.xml", "b/1.xml"], [("a/1.xml", 0)]),
        ([""], ["1.xml"], []),
    ],
)
def test_names_are_compared_without_folder_and_suffix_unless_several_share_one(
    names: list[str], pages: list[str], same: list[tuple[str, int]]
) -> None:
    of_list = [listed(name) for name in names]
    found = same_names(of_list, {page: (page, f"/images/{page}".replace(".xml", ".jpg")) for page in pages})
    assert found == [(page, of_list[place]) for page, place in same]
