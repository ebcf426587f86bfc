"""Clean copies: what they hold, what they say was changed, and what they leave alone."""

from __future__ import annotations

import csv
import hashlib
import os
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from helpers.clean_copies import odd_copies, real_copies
from helpers.kraken_reads import lines_in, really
from helpers.page_files import alto_line, alto_xml, page_line, page_xml, put, write_image
from helpers.real_data import only
from helpers.sentences import sentences
from htr_exp.core.errors import DatasetError
from htr_exp.core.task import SEGMENTATION
from htr_exp.groundtruth.clean_copy import LIST, Change, Fixed, write_copy
from htr_exp.groundtruth.examine import examine_folders, summary
from htr_exp.groundtruth.xml import read_page


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A dataset folder with one image."""
    write_image(tmp_path / "pages" / "1.jpg")
    return tmp_path / "pages"


def fixed(folder: Path, out: Path) -> Fixed:
    return write_copy([folder], examine_folders([folder]), out)


def changed(made: Fixed, change: str) -> list[Change]:
    return [one for one in made.changes if one.change == change]


def digests(folder: Path) -> dict[str, str]:
    """The digest of every file, with when it was last changed."""
    return {
        str(path.relative_to(folder)): f"{hashlib.sha256(path.read_bytes()).hexdigest()} {path.stat().st_mtime_ns}"
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_copy_has_what_can_be_used_and_nothing_else(folder: Path, tmp_path: Path) -> None:
    lines = [
        page_line(1, " in  principio\u200b erat\u00a0verbum "),
        page_line(2, "et verbum", id="l1"),
        page_line(3, "erat", id=None),
        page_line(4, "\u200b\u00ad"),
        page_line(5, baseline=None),
        page_line(6, coords="10,10 10,60 900,60 900,10"),
    ]
    put(folder, page_xml("".join(lines)))
    put(folder, page_xml(page_line(1), image="gone.jpg"), "2.xml")
    put(folder, "<mets/>", "METS.xml")
    before = digests(folder)
    made = fixed(folder, tmp_path / "out")
    assert digests(folder) == before
    copy = examine_folders([tmp_path / "out"])
    assert summary(copy.problems) == {}
    assert (made.pages, made.lines, made.characters, made.digest) == (1, 3, copy.characters, copy.digest)
    assert [(line.id, line.text) for line in copy.used()] == [
        ("l1", "in principio erat verbum"),
        ("l1_2", "et verbum"),
        ("line_3", "erat"),
    ]
    assert read_page(tmp_path / "out" / "1.xml").image_name == "1.jpg"
    assert (tmp_path / "out" / "1.jpg").read_bytes() == (folder / "1.jpg").read_bytes()
    assert not os.path.samefile(tmp_path / "out" / "1.jpg", folder / "1.jpg")
    assert sorted(os.listdir(tmp_path / "out")) == ["1.jpg", "1.xml", LIST]
    assert {(one.line, one.before, one.after) for one in changed(made, "id")} == {
        ("l1", "l1", "l1_2"),
        ("line_3", "", "line_3"),
    }
    assert {one.line for one in changed(made, "line left out")} == {"l4", "l5", "l6"}
    assert {one.file for one in changed(made, "file left out")} == {"2.xml", "METS.xml"}
    with open(tmp_path / "out" / LIST, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows == [
        {"file": one.file, "line": one.line, "change": one.change, "before": one.before, "after": one.after}
        for one in made.changes
    ]


def test_what_only_an_eye_can_judge_stays(folder: Path, tmp_path: Path) -> None:
    text = "a\u0303 \u00e3 q\uf1ac \ufffd"
    put(folder, page_xml(page_line(1, text), size=(999, 300)))
    made = fixed(folder, tmp_path / "out")
    assert made.changes == ()
    copy = examine_folders([tmp_path / "out"])
    assert [line.text for line in copy.used()] == [text]
    assert "size_mismatch" in summary(copy.problems)


def test_everything_else_that_changes_is_listed(folder: Path, tmp_path: Path) -> None:
    xml = page_xml(
        page_line(1, coords="10.4,10 10,60 200,60 200,10", baseline="10,50 10,50 200,50"), image="", size=(0, 0)
    )
    word = "<Word><Coords points='1,1 2.5,2'/><Glyph/></Word>"
    xml = xml.replace("</TextLine>", f"{word * 2}</TextLine>").replace(
        "<Page ", "<Metadata><Creator>me</Creator></Metadata><Page "
    )
    xml = xml.replace("2019-07-15", "2013-07-15")
    put(folder, "\ufeff" + xml.replace("<PcGts", "<!DOCTYPE PcGts><PcGts"))
    made = fixed(folder, tmp_path / "out")
    assert [(one.change, one.before, one.after) for one in made.changes] == [
        ("format", "page 2013-07-15", "page 2019-07-15"),
        ("byte order mark", "there", ""),
        ("DOCTYPE", "there", ""),
        ("not carried over", "Word 2, Metadata 1", ""),
        ("coordinates", "decimals (1 time)", "whole pixels"),
        ("coordinates", "a point twice in a row (1 time)", "once"),
        ("size", "none", "that of the image"),
        ("image", "", "1.jpg"),
    ]


TWO = page_line(1) + page_line(2)


@pytest.mark.parametrize(
    ("files", "kept"),
    [
        ({"0.xml": page_xml(page_line(1)), "2.xml": page_xml(TWO)}, "2.xml"),
        ({"0.xml": page_xml(page_line(1, None)), "2.xml": page_xml(page_line(1))}, "2.xml"),
        ({"0.xml": page_xml(TWO), "1.xml": alto_xml(alto_line(1) + alto_line(2))}, "1.xml"),
        ({"0.xml": alto_xml(alto_line(1)), "2.xml": page_xml(page_line(1))}, "2.xml"),
        ({"0.xml": page_xml(page_line(1)), "2.xml": page_xml(page_line(1))}, "0.xml"),
    ],
    ids=["most lines", "the first is empty", "the image's name", "PAGE before ALTO", "the first name"],
)
def test_of_several_files_of_an_image_one_is_kept(
    files: dict[str, str], kept: str, folder: Path, tmp_path: Path
) -> None:
    for name, xml in files.items():
        put(folder, xml, name)
    made = fixed(folder, tmp_path / "out")
    assert made.pages == 1
    assert (tmp_path / "out" / kept).is_file()
    assert {one.file for one in changed(made, "file left out")} == set(files) - {kept}
    assert summary(examine_folders([tmp_path / "out"]).errors) == {}


def test_the_structure_of_folders_stays_and_images_come_beside_their_page(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    for number, place in enumerate(("a/x", "a/y", "b")):
        write_image(folder / place / "1.jpg", shade=number)
    put(folder / "a", page_xml(page_line(1), image="x/1.jpg"), "1.xml")
    put(folder / "a", page_xml(page_line(1), image="y/1.jpg"), "2.xml")
    put(folder / "b", page_xml(page_line(1)), "1.xml")
    made = fixed(folder, tmp_path / "out")
    copy = examine_folders([tmp_path / "out"])
    assert [page.name for page in copy.pages] == ["a/1.xml", "a/2.xml", "b/1.xml"]
    assert {(one.file, one.before, one.after) for one in changed(made, "image")} == {
        ("a/1.xml", "x/1.jpg", "1.jpg"),
        ("a/2.xml", "y/1.jpg", "1-2.jpg"),
    }
    assert [page.image.read_bytes() for page in copy.pages] == [
        (folder / place / "1.jpg").read_bytes() for place in ("a/x", "a/y", "b")
    ]


def test_names_that_another_system_takes_for_one_are_told_apart(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    for number, name in enumerate(("é.jpg", "e\u0301.jpg", "É.jpg")):
        write_image(folder / name, shade=number)
        put(folder, page_xml(page_line(1), image=name), f"{name[:-4]}.xml")
    fixed(folder, tmp_path / "out")
    assert sorted(os.listdir(tmp_path / "out")) == sorted(
        ["e\u0301.jpg", "e\u0301.xml", "É-2.jpg", "É-2.xml", "é-3.jpg", "é-3.xml", LIST]
    )
    assert len(examine_folders([tmp_path / "out"]).pages) == 3


def test_several_folders_keep_their_names(folder: Path, tmp_path: Path) -> None:
    put(folder, page_xml(page_line(1)))
    more = tmp_path / "more" / "pages"
    write_image(more / "1.jpg", shade=9)
    put(more, page_xml(page_line(1)))
    write_copy([folder, more], examine_folders([folder, more]), tmp_path / "out")
    assert [page.name for page in examine_folders([tmp_path / "out"]).pages] == ["pages-2/1.xml", "pages/1.xml"]


def test_the_originals_are_never_in_danger(folder: Path, tmp_path: Path) -> None:
    put(folder, page_xml(page_line(1)))
    (tmp_path / "link").symlink_to(folder)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    before = digests(tmp_path)
    dataset = examine_folders([folder])
    for out, reason in (
        (folder, "in or around"),
        (folder / "out", "in or around"),
        (tmp_path, "in or around"),
        (tmp_path / "link", "in or around"),
        (tmp_path / "link" / "out", "in or around"),
        (tmp_path / "other" / ".." / "pages" / "out", "in or around"),
        (tmp_path / "full", "has files in it"),
        (tmp_path / "full" / "file", "is a file"),
    ):
        with pytest.raises(DatasetError, match=reason):
            write_copy([folder], dataset, out)
    assert digests(tmp_path) == before
    (tmp_path / "empty").mkdir()
    assert write_copy([folder], dataset, tmp_path / "empty").pages == 1


@contextmanager
def small_disk(size: int) -> Iterator[None]:
    """Let no file grow beyond some bytes: the system refuses, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    put(folder, page_xml(page_line(1)))
    dataset = examine_folders([folder])
    before = sorted(os.listdir(tmp_path))
    with small_disk(500), pytest.raises(DatasetError, match="nothing was left there"):
        write_copy([folder], dataset, tmp_path / "out")
    assert sorted(os.listdir(tmp_path)) == before


@pytest.mark.parametrize("name", ["1.xml", "1.jpg"])
def test_a_file_that_changes_meanwhile_leaves_nothing(name: str, folder: Path, tmp_path: Path) -> None:
    put(folder, page_xml(page_line(1)))
    dataset = examine_folders([folder])
    with open(folder / name, "ab") as file:
        file.write(b"\n")
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(DatasetError, match="has changed since it was read"):
        write_copy([folder], dataset, tmp_path / "out")
    assert sorted(os.listdir(tmp_path)) == before


def test_of_nothing_there_is_no_copy(folder: Path, tmp_path: Path) -> None:
    put(folder, page_xml(page_line(1), image="gone.jpg"))
    with pytest.raises(DatasetError, match="nothing can be written") as caught:
        fixed(folder, tmp_path / "out")
    assert sentences(caught.value) == [
        "images that are not there (1): put the image beside the XML, under the name that it gives, or export the pages together with their images"
    ]
    assert not (tmp_path / "out").exists()


def test_a_copy_for_segmentation_keeps_lines_without_text(folder: Path, tmp_path: Path) -> None:
    put(folder, page_xml(page_line(1, None) + page_line(2, coords=None)))
    dataset = examine_folders([folder], task=SEGMENTATION)
    assert write_copy([folder], dataset, tmp_path / "out").lines == 2


@pytest.mark.kraken
def test_kraken_reads_every_copy_as_we_count_it(tmp_path: Path) -> None:
    copies = odd_copies(tmp_path)
    answers = really(Path(sys.executable), list(copies))
    assert [lines for lines, _, _ in answers] == list(copies.values())


@pytest.mark.slow
@pytest.mark.kraken
def test_kraken_reads_real_copies_as_we_count_them(real_data: Path, tmp_path: Path) -> None:
    for out, numbers in real_copies(real_data, tmp_path).items():
        assert lines_in(Path(sys.executable), out) == numbers


def test_without_images_there_is_no_copy(real_data: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="nothing can be written"):
        fixed(only(real_data, "dirty/07-*"), tmp_path / "out")
