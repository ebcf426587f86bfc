"""Line pairs as a dataset: which image has which text, what is wrong with them, and that nothing is lost unsaid."""

from __future__ import annotations

import codecs
import os
from pathlib import Path

import pytest

from helpers.page_files import page_line, page_xml, put, put_pair, write_image
from htr_exp.core.task import SEGMENTATION
from htr_exp.groundtruth.clean_copy import write_copy
from htr_exp.groundtruth.examine import LINE_PAIRS, XML, examine_folders, summary
from htr_exp.groundtruth.model import Dataset
from htr_exp.groundtruth.pair_pages import by_folder


def read(folder: Path, **options: object) -> Dataset:
    return examine_folders([folder], **options)  # type: ignore[arg-type]


def found(dataset: Dataset) -> dict[str, dict[str, str]]:
    """The texts by page and line."""
    return {page.name: {line.id: line.text for line in page.lines} for page in dataset.pages}


def test_pairs_are_put_on_the_pages_that_their_names_tell(tmp_path: Path) -> None:
    for image, text in (("p1_l10.png", "ten"), ("p1_l2.png", "two"), ("p2_l1.png", "one")):
        put_pair(tmp_path, image, text)
    dataset = read(tmp_path)
    assert not dataset.problems
    assert found(dataset) == {"p1": {"p1_l2.png": "two", "p1_l10.png": "ten"}, "p2": {"p2_l1.png": "one"}}
    assert list(found(dataset)["p1"]) == ["p1_l2.png", "p1_l10.png"]  # in the order of their numbers
    assert dataset.read == {"pages": 2, "lines": 3}
    (line,) = dataset.pages[1].lines
    assert (line.width, line.height) == (124.0, 30.0)  # the picture's
    assert dataset.of_line_pairs


def test_a_dot_a_capital_and_a_plain_txt_are_no_hindrance(tmp_path: Path) -> None:
    put_pair(tmp_path, "book/0001/010001.bin.png", "ocropus")
    put_pair(tmp_path, "book/0001/010002.PNG", "capitals", ".GT.TXT")
    put_pair(tmp_path, "p7_l1.tif", "plain", ".txt")
    put(tmp_path, "of all before the last dot", "ms.7_p1_l1.gt.txt")
    write_image(tmp_path / "ms.7_p1_l1.png")
    put(tmp_path, "no pair: nothing is said of it", "LICENSE")
    dataset = read(tmp_path)
    assert {one for page in found(dataset).values() for one in page.values()} == {
        "ocropus", "capitals", "plain", "of all before the last dot"}  # fmt: skip
    assert sorted(found(dataset)) == ["book/0001", "ms.7_p1", "p7"]
    assert not dataset.errors + dataset.dropped


def test_gt_txt_goes_before_txt_and_the_other_is_told(tmp_path: Path) -> None:
    put_pair(tmp_path, "p1_l1.png", "read by a program", ".txt")
    put_pair(tmp_path, "p1_l1.png", "true")
    dataset = read(tmp_path)
    assert found(dataset) == {"p1": {"p1_l1.png": "true"}}
    (problem,) = dataset.problems
    assert (problem.code, problem.files) == ("text_beside_gt_txt", ("p1_l1.txt",))


def test_partners_that_are_missing_are_counted(tmp_path: Path) -> None:
    put_pair(tmp_path, "p1_l1.png", "a line")
    write_image(tmp_path / "p1_l2.png")
    put(tmp_path, "alone", "p1_l3.gt.txt")
    put(tmp_path, "how to use it", "README.txt")
    dataset = read(tmp_path)
    assert {problem.code: problem.file for problem in dataset.dropped} == {
        "image_without_text": "p1_l2.png", "text_without_image": "p1_l3.gt.txt"}  # fmt: skip
    put_pair(tmp_path, "p1_l4.png", "another", ".txt")
    assert [problem.file for problem in read(tmp_path).dropped] == ["p1_l2.png", "README.txt", "p1_l3.gt.txt"]


def test_a_text_of_several_images_is_refused_until_one_is_chosen(tmp_path: Path) -> None:
    for image in ("p1_l1.png", "p1_l1.nrm.png"):
        put_pair(tmp_path, image, "a line")
    (problem,) = [one for one in read(tmp_path).errors if one.code == "text_of_several_images"]
    assert "p1_l1.nrm.png, p1_l1.png" in problem.message
    assert "dataset.exclude='*.nrm.png'" in problem.message
    dataset = read(tmp_path, exclude=["*.nrm.png"])
    assert not dataset.problems
    assert (found(dataset), dataset.excluded) == ({"p1": {"p1_l1.png": "a line"}}, ())
    assert found(read(tmp_path, pattern="*.nrm.png")) == {"p1": {"p1_l1.nrm.png": "a line"}}


def test_texts_of_pairs_that_are_left_aside_are_not_alone(tmp_path: Path) -> None:
    put_pair(tmp_path, "p1_l1.png", "a line")
    put_pair(tmp_path, "p2_l1.tif", "another")
    put(tmp_path, "", "._p1_l1.png")
    dataset = read(tmp_path, exclude=["p2*.tif"])
    assert summary(dataset.problems) == {"hidden_file": 1}
    assert (list(found(dataset)), dataset.excluded) == (["p1"], ("p2_l1.tif",))
    assert list(found(read(tmp_path, pattern="*.tif"))) == ["p2"]
    assert summary(read(tmp_path, pattern="*.tif").problems) == {"hidden_file": 1}


@pytest.mark.parametrize(
    ("content", "code", "severity", "text"),
    [
        (b"", "line_without_text", "dropped", None),
        (b" \n\n", "line_without_text", "dropped", None),
        (b"one\ntwo\n", "text_of_several_lines", "dropped", None),
        (b"one\rtwo", "text_of_several_lines", "dropped", None),
        (b"x" * 70_000, "text_of_several_lines", "dropped", None),
        (b"a\x07b\n", "text_with_control", "dropped", None),
        ("caf\u00e9\n".encode("cp1252"), "text_unreadable", "error", None),
        (codecs.BOM_UTF8 + "\u00e9t\u00e9\r\n".encode(), "byte_order_mark", "warning", "\u00e9t\u00e9"),
        ("\u00e9t\u00e9\n".encode("utf-16"), "text_in_utf_16", "warning", "\u00e9t\u00e9"),
        (codecs.BOM_UTF16_BE + "\u00e9t\u00e9".encode("utf-16-be"), "text_in_utf_16", "warning", "\u00e9t\u00e9"),
        (b"\n a line \n\n", "text_with_outer_space", "warning", " a line "),
    ],
)
def test_texts_as_they_come(content: bytes, code: str, severity: str, text: str | None, tmp_path: Path) -> None:
    put_pair(tmp_path, "p1_l1.png", content)
    put_pair(tmp_path, "p1_l2.png", "sound")
    dataset = read(tmp_path)
    (problem,) = dataset.problems
    assert (problem.code, problem.severity) == (code, severity)
    assert found(dataset)["p1"].get("p1_l1.png") == text
    assert dataset.read["lines"] == 2


def test_a_picture_that_is_none_and_a_text_that_cannot_be_opened(tmp_path: Path) -> None:
    put_pair(tmp_path, "p1_l1.png", "a line").write_bytes(b"no picture")
    put_pair(tmp_path, "p1_l2.png", "a line")
    (tmp_path / "p1_l2.gt.txt").unlink()
    os.mkfifo(tmp_path / "p1_l2.gt.txt")  # would be waited for
    assert summary(read(tmp_path).errors) == {"image_unreadable": 1, "text_unreadable": 1}


def test_names_that_tell_no_page_are_refused_with_the_words_to_type(tmp_path: Path) -> None:
    for number in range(3):
        put_pair(tmp_path / "lines", f"{number:06d}.png", f"line {number}")
    (problem,) = read(tmp_path).errors
    assert problem.code == "page_of_line_unknown"
    assert len(problem.files) == 3
    assert "dataset.page_of_line=COLUMN" in problem.message
    assert "dataset.page_of_line=folder" in problem.message
    assert list(found(read(tmp_path, pages_of=by_folder))) == ["lines"]
    assert list(found(read(tmp_path / "lines", pages_of=by_folder))) == ["lines"]


def test_one_page_in_two_folders_is_told(tmp_path: Path) -> None:
    for shade, folder in enumerate(("train", "test")):
        put_pair(tmp_path / folder, "p1_l1.png", folder, shade=shade)
    (problem,) = read(tmp_path).problems
    assert (problem.code, problem.severity) == ("page_in_several_folders", "warning")
    assert problem.files == ("test/p1", "train/p1")


def test_xml_beside_pairs(tmp_path: Path) -> None:
    write_image(tmp_path / "p.png")
    put(tmp_path, page_xml(page_line(), "p.png"), "p.xml")
    for number in range(5):
        put_pair(tmp_path / "lines", f"p9_l{number}.png", "a line")
    for options in ({}, {"format": XML}):
        dataset = read(tmp_path, **options)
        assert not dataset.of_line_pairs
        (problem,) = dataset.dropped
        assert (problem.code, len(problem.files)) == ("line_pairs", 5)
        assert "dataset.format=line_pairs" in problem.message
    dataset = read(tmp_path, format=LINE_PAIRS)
    assert list(found(dataset)) == ["lines/p9"]
    (problem,) = dataset.problems
    assert (problem.code, problem.files) == ("xml_beside_pairs", ("p.xml",))
    assert "dataset.format=xml" in problem.message


def test_a_folder_without_pairs_says_so(tmp_path: Path) -> None:
    write_image(tmp_path / "p.png")
    (problem,) = read(tmp_path, format=LINE_PAIRS).errors
    assert (problem.code, "it holds no line pair" in problem.message) == ("no_pages", True)


def test_segmentation_refuses_pairs(tmp_path: Path) -> None:
    put_pair(tmp_path, "p1_l1.png", "a line")
    (problem,) = read(tmp_path, task=SEGMENTATION).errors
    assert problem.code == "no_layout"
    assert "PAGE or ALTO" in problem.message


def test_what_is_learnt_decides_the_digest_and_not_where_it_is(tmp_path: Path) -> None:
    put_pair(tmp_path / "a", "p1_l1.png", "a line")
    (tmp_path / "a").rename(tmp_path / "b")
    (first,) = read(tmp_path / "b").pages
    put(tmp_path / "b", "a line\n\n", "p1_l1.gt.txt")
    (same,) = read(tmp_path / "b").pages
    assert (same.digest, same.image_digest) == (first.digest, first.image_digest)
    assert same.xml_digest != first.xml_digest
    put(tmp_path / "b", "another\n", "p1_l1.gt.txt")
    (other,) = read(tmp_path / "b").pages
    assert (other.digest != first.digest, other.image_digest) == (True, first.image_digest)
    write_image(tmp_path / "b" / "p1_l1.png", 7)
    assert read(tmp_path / "b").pages[0].image_digest != first.image_digest


def test_there_is_no_clean_copy_of_pairs(tmp_path: Path) -> None:
    put_pair(tmp_path / "gt", "p1_l1.png", "a line")
    with pytest.raises(Exception, match="line pairs have no clean copy"):
        write_copy([tmp_path / "gt"], read(tmp_path / "gt"), tmp_path / "copy")
