"""Files, images and names of a dataset folder, and what is remembered of them."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Literal
from unicodedata import normalize

import pytest
from PIL import Image

from helpers.page_files import BOX, alto_line, alto_xml, codes, page_line, page_xml, put, write_image
from htr_exp.cli.check.result import kinds
from htr_exp.core import file_cache
from htr_exp.core.task import SEGMENTATION, TASKS, Task
from htr_exp.groundtruth import page_scan, scan
from htr_exp.groundtruth.examine import XML, examine_folders, summary
from htr_exp.groundtruth.xml import read_page


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A dataset folder with one page, 1.xml and 1.jpg."""
    write_image(tmp_path / "gt" / "1.jpg")
    put(tmp_path / "gt", page_xml(page_line()))
    return tmp_path / "gt"


def add_page(folder: Path, name: str, shade: int, text: str = "x") -> None:
    write_image(folder / f"{name}.jpg", shade)
    put(folder, page_xml(page_line(1, text), f"{Path(name).name}.jpg"), f"{name}.xml")


# Which files


def test_pages_are_found_in_all_folders_by_code_point(folder: Path) -> None:
    for shade, name in enumerate(("b/10", "b/2", "a-b/1", "Z", "é")):
        add_page(folder, name, shade)
    names = [page.name for page in examine_folders([folder]).pages]
    assert names == ["1.xml", "Z.xml", "a-b/1.xml", "b/10.xml", "b/2.xml", "é.xml"]


def test_pattern_and_exclude_match_the_path_or_the_bare_name(folder: Path) -> None:
    add_page(folder, "sub/2", 1)
    add_page(folder, "sub/3.mufi", 2)
    add_page(folder, "[4]", 3)
    assert [page.name for page in examine_folders([folder], pattern="sub/*.xml").pages] == [
        "sub/2.xml",
        "sub/3.mufi.xml",
    ]
    kept = examine_folders([folder], exclude=["*.mufi.xml", "[4].xml", "sub/2.*"])
    assert [page.name for page in kept.pages] == ["1.xml"]


def test_hidden_files_are_dropped_and_named(folder: Path) -> None:
    put(folder, "junk", "._1.xml")
    put(folder, "junk", "sub/.DS_Store")
    put(folder, "junk", ".ipynb_checkpoints/1.xml")
    put(folder, "junk", ".gitignore")
    dataset = examine_folders([folder])
    assert [problem.file for problem in dataset.problems] == ["._1.xml", ".ipynb_checkpoints/1.xml", "sub/.DS_Store"]
    assert {problem.code for problem in dataset.problems} == {"hidden_file"}


def test_a_folder_that_links_back_is_read_once(folder: Path) -> None:
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    assert len(examine_folders([folder, folder]).pages) == 1


def test_pages_of_several_folders_carry_their_folders_name(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "gt"
    add_page(other, "1", 7)
    names = [page.name for page in examine_folders([folder, other]).pages]
    assert names == ["gt/1.xml", "gt-2/1.xml"]


@pytest.mark.parametrize("task", TASKS.values())
def test_a_folder_without_pages_is_an_error(tmp_path: Path, task: Task) -> None:
    (tmp_path / "1.png").write_bytes(b"")
    (tmp_path / "1.gt.txt").write_text("line")
    (problem,) = examine_folders([tmp_path], task=task, format=XML).errors
    assert problem.code == "no_pages"
    assert "dataset.format=line_pairs" in problem.message
    (problem,) = examine_folders([tmp_path / "absent"], task=task).errors
    assert problem.code == "no_pages"


# Which image


def test_missing_image_is_an_error_and_a_likely_one_is_named(folder: Path) -> None:
    put(folder, page_xml(page_line(), "absent.jpg"))
    (problem,) = examine_folders([folder]).errors
    assert problem.code == "image_missing"
    assert "1.jpg has the XML's name" in problem.message


@pytest.mark.parametrize("name", ["../../../../../../etc/passwd", "/etc/passwd", "sub/../../2.jpg"])
def test_image_outside_the_dataset_is_refused(folder: Path, name: str) -> None:
    write_image(folder.parent / "2.jpg")
    put(folder, page_xml(page_line(), name))
    assert summary(examine_folders([folder]).errors) == {"image_outside": 1}


def test_absolute_path_inside_the_dataset_is_taken(folder: Path) -> None:
    put(folder, page_xml(page_line(), str(folder / "1.jpg")))
    assert codes(folder) == {}


@pytest.mark.parametrize(
    "name",
    ["/home/elsewhere/1.jpg", "C:\\scans\\1.jpg", "images/1.jpg", "images\\1.jpg", "../../1.jpg", "..\\scans\\1.jpg"],
)
def test_image_beside_the_page_is_taken_whatever_path_it_names(folder: Path, name: str) -> None:
    put(folder, page_xml(page_line(), name))
    assert codes(folder) == {"image_elsewhere": 1}


def test_image_of_the_parent_folder_is_taken_inside_the_dataset_only(folder: Path) -> None:
    (folder / "1.xml").unlink()
    put(folder, page_xml(page_line()), "page/1.xml")
    assert codes(folder) == {"image_elsewhere": 1}
    assert summary(examine_folders([folder / "page"]).errors) == {"image_missing": 1}


def test_alto_without_image_name_takes_the_image_of_its_own_name(folder: Path) -> None:
    put(folder, alto_xml(alto_line(), image=None))
    assert codes(folder) == {"image_by_stem": 1, "kraken_reads_otherwise": 1}


def test_image_claimed_by_two_pages_is_an_error_that_says_how_to_choose(folder: Path) -> None:
    put(folder, page_xml(page_line() + page_line(2)), "1.mufi.xml")
    dataset = examine_folders([folder])
    (problem,) = dataset.errors
    assert problem.code == "image_claimed_twice"
    for part in ("1.mufi.xml", "1.xml", "dataset.pattern", "dataset.exclude='*.mufi.xml'"):
        assert part in problem.message
    assert ([page.name for page in dataset.pages], dataset.lines) == (["1.mufi.xml"], 2)
    assert codes(folder, exclude=["*.mufi.xml"]) == {}


@pytest.mark.parametrize("content", [b"", b"no image", b"\xff\xd8\xff"])
def test_image_without_a_header_is_unreadable(folder: Path, content: bytes) -> None:
    (folder / "1.jpg").write_bytes(content)
    assert summary(examine_folders([folder]).errors) == {"image_unreadable": 1}


def test_folder_in_place_of_an_image_is_no_image(folder: Path) -> None:
    (folder / "1.jpg").unlink()
    (folder / "1.jpg").mkdir()
    assert summary(examine_folders([folder]).errors) == {"image_unreadable": 1}


@pytest.mark.parametrize("kind", ["jpg", "png"])
def test_image_cut_short_is_told(folder: Path, kind: str) -> None:
    image = write_image(folder / f"1.{kind}")
    put(folder, page_xml(page_line(), f"1.{kind}"))
    assert "image_truncated" not in codes(folder)
    image.write_bytes(image.read_bytes()[:-20])
    assert codes(folder)["image_truncated"] == 1


def test_colour_mode_that_kraken_cannot_write_is_an_error(folder: Path) -> None:
    Image.new("CMYK", (400, 300)).save(folder / "1.jpg")
    (problem,) = examine_folders([folder]).errors
    assert (problem.code, "CMYK" in problem.message) == ("image_unreadable", True)


def test_image_turned_by_exif_is_measured_as_kraken_7_sees_it(folder: Path) -> None:
    image = Image.new("L", (300, 400))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(folder / "1.jpg", exif=exif)
    dataset = examine_folders([folder])
    assert (dataset.pages[0].width, dataset.pages[0].height) == (400, 300)
    assert summary(dataset.problems) == {"image_rotated": 1}


def test_doubts_about_images_are_warnings(folder: Path) -> None:
    shutil.copy(folder / "1.jpg", folder / "2.jpg")
    write_image(folder / "3.jpg", 3)
    put(folder, page_xml(page_line(), "2.jpg", size=(400, 299)), "2.xml")
    dataset = examine_folders([folder])
    assert summary(dataset.problems) == {"image_twice": 1, "image_without_xml": 1, "size_mismatch": 1}
    assert not dataset.errors


@pytest.mark.parametrize("name", ["a b", "[1]", "ligne\nfin", "'\"&<>", "%20", "$HOME", "-f", "ꝑ"])
def test_unusual_names_work(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    write_image(folder / f"{name}.jpg")
    spelt = name.replace("\n", "&#10;").replace('"', "&quot;") if "&" not in name else "'&quot;&amp;&lt;&gt;"
    xml = page_xml(page_line(), "IMAGE").replace("IMAGE", f"{spelt}.jpg")
    put(folder, xml, f"{name}.xml")
    dataset = examine_folders([folder])
    assert summary(dataset.problems) == {"file_name_unusual": 1}
    assert dataset.pages[0].name == f"{name}.xml"


def test_a_kind_about_many_files_counts_them_all(tmp_path: Path) -> None:
    for number in range(12):
        add_page(tmp_path / "gt", f"fol {number}", number)
    (kind,) = kinds(examine_folders([tmp_path / "gt"]).problems)
    assert (kind.code, kind.extent) == ("file_name_unusual", "24 files")


@pytest.mark.parametrize(("written", "on_disk"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_image_is_found_under_either_normal_form(
    tmp_path: Path, written: Literal["NFC", "NFD"], on_disk: Literal["NFC", "NFD"]
) -> None:
    write_image(tmp_path / normalize(on_disk, "folió.jpg"))
    put(tmp_path, page_xml(page_line(), normalize(written, "folió.jpg")))
    assert codes(tmp_path) == {"file_name_unusual": 1}


def test_a_name_that_is_not_utf8_can_be_printed(folder: Path) -> None:
    try:
        (folder / os.fsdecode(b"\xe9.xml")).write_text("<mets/>")
    except OSError:
        pytest.skip("this file system stores UTF-8 names only")
    problems = examine_folders([folder]).problems
    assert [problem.code for problem in problems] == ["not_ground_truth", "file_name_unusual"]
    assert json.dumps([problem.to_json() for problem in problems], ensure_ascii=False).encode()
    assert list(problems[0].to_json())[:5] == ["code", "severity", "file", "line", "message"]


def test_a_line_end_in_a_name_does_not_break_a_message(folder: Path) -> None:
    put(
        folder, page_xml(page_line(), "x\ny.jpg".replace("\n", "&#10;").replace("&", "&")).replace("&amp;#10;", "&#10;")
    )
    (problem,) = examine_folders([folder]).errors
    assert "\n" not in problem.message


# Identity


def test_digest_of_a_page_depends_on_what_is_learnt_and_on_nothing_else(folder: Path, tmp_path: Path) -> None:
    digest = examine_folders([folder]).pages[0].digest
    moved = tmp_path / "moved"
    write_image(moved / "deep" / "other.jpg")
    alto = alto_xml(alto_line(), "other.jpg").replace("><", ">\n  <")
    put(moved, alto, "deep/other.xml")
    assert examine_folders([moved]).pages[0].digest == digest
    for old, new in (("liber", "libre"), ("10 50 100", "10 50 101"), ("10 60", "10 61"), ('"l1"', '"l2"')):
        put(moved, alto.replace(old, new), "deep/other.xml")
        assert examine_folders([moved]).pages[0].digest != digest
    put(moved, alto, "deep/other.xml")
    write_image(moved / "deep" / "other.jpg", 3)
    assert examine_folders([moved]).pages[0].digest != digest


def test_digest_of_a_dataset_ignores_names_folders_and_order(folder: Path, tmp_path: Path) -> None:
    put(folder, page_xml(page_line(), None))
    write_image(folder / "2.jpg", 5)
    put(folder, page_xml(page_line(1, "second"), None), "2.xml")
    other = tmp_path / "turned"
    write_image(other / "b" / "1.jpg", 5)
    put(other, page_xml(page_line(1, "second"), None), "b/1.xml")
    write_image(other / "2.jpg")
    put(other, page_xml(page_line(), None), "2.xml")
    assert examine_folders([folder]).digest == examine_folders([other]).digest
    assert examine_folders([folder]).digest != examine_folders([folder], task=SEGMENTATION).digest


@pytest.mark.parametrize("change", ["text", "image", "one page less", "blank in the XML"])
def test_digest_of_a_dataset_changes_with_its_files(folder: Path, change: str) -> None:
    add_page(folder, "2", 5)
    before = examine_folders([folder]).digest
    if change == "text":
        put(folder, page_xml(page_line(1, "another text")))
    elif change == "image":
        write_image(folder / "1.jpg", 3)
    elif change == "one page less":
        (folder / "2.xml").unlink()
    else:
        put(folder, page_xml(page_line()) + "\n")
    assert examine_folders([folder]).digest != before


def test_segmentation_is_identified_by_regions_and_not_by_text(folder: Path) -> None:
    before = examine_folders([folder], task=SEGMENTATION).pages[0].digest
    put(folder, page_xml(page_line(1, "another text")))
    assert examine_folders([folder], task=SEGMENTATION).pages[0].digest == before
    put(folder, page_xml(page_line()).replace("300,200", "301,200"))
    assert examine_folders([folder], task=SEGMENTATION).pages[0].digest != before


# What is remembered


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are opened from now on, files just written counting as old."""
    names: list[str] = []
    for module, function in ((scan, "look_into"), (scan, "look_at")):
        look = getattr(module, function)

        def counted(path: str, look=look, **options):
            names.append(Path(path).name)
            return look(path, **options)

        monkeypatch.setattr(module, function, counted)
    monkeypatch.setattr(file_cache, "TICK_NS", -60_000_000_000)
    return names


def test_unchanged_files_are_not_opened_again(folder: Path, tmp_path: Path, looked: list[str]) -> None:
    add_page(folder, "2", 5)
    put(folder, page_xml(page_line(1, None) + page_line(2, " a\u00ad") + page_line(3, custom=None)))
    put(folder, "<mets/>", "METS.xml")
    (folder / "2.jpg").write_bytes(b"no image")
    first = examine_folders([folder], cache=tmp_path / "cache")
    assert sorted(looked) == ["1.jpg", "1.xml", "2.jpg", "2.xml", "METS.xml"]
    assert examine_folders([folder], cache=tmp_path / "cache") == first
    assert len(looked) == 5


def test_what_is_remembered_for_one_task_is_not_used_for_another(
    folder: Path, tmp_path: Path, looked: list[str]
) -> None:
    put(folder, page_xml(page_line(1, None)))
    assert examine_folders([folder], cache=tmp_path / "cache").lines == 0
    assert examine_folders([folder], cache=tmp_path / "cache", task=SEGMENTATION).lines == 1


@pytest.mark.parametrize("file", ["1.jpg", "1.xml"])
@pytest.mark.parametrize("change", ["content", "time", "inode", "size"])
def test_a_changed_file_is_noticed(folder: Path, tmp_path: Path, looked: list[str], file: str, change: str) -> None:
    examine_folders([folder], cache=tmp_path / "cache")
    changed = folder / file
    status = changed.stat()
    if change == "content":  # with its time set back, as some programs do
        changed.write_bytes(changed.read_bytes().replace(b"1", b"2"))
        os.utime(changed, ns=(status.st_atime_ns, status.st_mtime_ns))
    elif change == "time":
        os.utime(changed, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000))
    elif change == "size":
        changed.write_bytes(changed.read_bytes() + b"\n")
    else:
        shutil.copy2(changed, folder / "copy")
        os.replace(folder / "copy", changed)
    looked.clear()
    assert examine_folders([folder], cache=tmp_path / "cache") == examine_folders([folder])
    assert looked[0] == file


def test_a_file_written_a_moment_ago_is_not_remembered(folder: Path, tmp_path: Path) -> None:
    examine_folders([folder], cache=tmp_path / "cache")
    assert not list(tmp_path.glob("cache/*"))


@pytest.mark.parametrize("content", [b"", b"PK", b"[]"])
def test_a_corrupt_cache_is_no_cache(folder: Path, tmp_path: Path, looked: list[str], content: bytes) -> None:
    first = examine_folders([folder], cache=tmp_path / "cache")
    files = sorted((tmp_path / "cache").iterdir())
    assert [file.name[:4] for file in files] == ["imag", "xml-"]
    for file in files:
        file.write_bytes(content)
    assert examine_folders([folder], cache=tmp_path / "cache") == first
    assert len(looked) == 4
    assert examine_folders([folder], cache=tmp_path / "cache") == first
    assert len(looked) == 4


def test_a_cache_of_another_form_is_no_cache(folder: Path, tmp_path: Path, looked: list[str], monkeypatch) -> None:
    examine_folders([folder], cache=tmp_path / "cache")
    monkeypatch.setattr(page_scan, "FORM", page_scan.FORM + 1)
    examine_folders([folder], cache=tmp_path / "cache")
    assert looked == ["1.xml", "1.jpg", "1.xml"]


def test_bits_that_rot_in_the_cache_are_noticed(folder: Path, tmp_path: Path, looked: list[str]) -> None:
    first = examine_folders([folder], cache=tmp_path / "cache")
    for file in (tmp_path / "cache").iterdir():
        content = bytearray(file.read_bytes())
        content[60] ^= 255
        file.write_bytes(content)
    assert examine_folders([folder], cache=tmp_path / "cache") == first


def test_a_cache_that_cannot_be_written_is_no_cache(folder: Path, tmp_path: Path, looked: list[str]) -> None:
    (tmp_path / "cache").write_text("a file in its place")
    assert len(examine_folders([folder], cache=tmp_path / "cache").pages) == 1


def test_progress_counts_all_files(folder: Path) -> None:
    add_page(folder, "2", 5)
    calls: list[tuple[int, int]] = []
    examine_folders([folder], progress=lambda done, total: calls.append((done, total)))
    assert calls == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_region_box_of_an_unlisted_kind_is_kept(folder: Path) -> None:
    xml = page_xml(page_line()).replace(
        "</Page>", f'<GraphicRegion id="g"><Coords points="{BOX}"/></GraphicRegion></Page>'
    )
    put(folder, xml)
    assert [region.type for region in read_page(folder / "1.xml").regions] == ["MainZone", "graphic"]
