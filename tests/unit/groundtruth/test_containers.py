"""Datasets given as a zip, a METS file or a IIIF manifest."""

from __future__ import annotations

import json
import os
import stat
import zipfile
from pathlib import Path
from typing import Any

import pytest

from helpers.page_files import alto_line, alto_xml, page_line, page_xml, put, write_image
from htr_exp.core.errors import DatasetError
from htr_exp.groundtruth import archives
from htr_exp.groundtruth.containers import opened
from htr_exp.groundtruth.examine import examine_folders, summary


def pages(path: Path, cache: Path) -> list[str]:
    """The pages that are used of a dataset that was given as this path."""
    found = opened([path], cache)
    dataset = examine_folders(found.folders, only=found.only)
    assert summary(dataset.errors) == {}
    return [page.name for page in dataset.pages]


def refusal(path: Path, cache: Path) -> str:
    with pytest.raises(DatasetError) as refused:
        opened([path], cache)
    (problem,) = refused.value.problems
    assert not [found for found in cache.rglob("*") if found.is_file()]
    return str(problem)


# A zip


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """A zip as eScriptorium exports it."""
    image = write_image(tmp_path / "made" / "a.png")
    put(tmp_path / "made", page_xml(page_line(), "a.png"), "a.xml")
    with zipfile.ZipFile(tmp_path / "export_doc1_page.zip", "w") as archive:
        archive.write(image, "a.png")
        archive.write(tmp_path / "made" / "a.xml", "a.xml")
        archive.writestr("__MACOSX/._a.xml", "junk")
        archive.writestr("empty/", "")
    return tmp_path / "export_doc1_page.zip"


def test_zip_as_exported_is_a_dataset_under_its_own_name(export: Path, tmp_path: Path) -> None:
    assert pages(export, tmp_path / "cache") == ["a.xml"]
    (folder,) = opened([export], tmp_path / "cache").folders
    assert folder.name == "export_doc1_page"
    assert sorted(found.name for found in folder.iterdir()) == ["a.png", "a.xml"]


def test_zip_in_a_folder_without_pages_is_named_as_what_to_give(export: Path, tmp_path: Path) -> None:
    (tmp_path / "downloads").mkdir()
    export.rename(tmp_path / "downloads" / export.name)
    (problem,) = examine_folders([tmp_path / "downloads"]).errors
    assert problem.code == "no_pages"
    assert "name export_doc1_page.zip itself" in problem.message


def test_zip_is_unpacked_once_by_its_digest_whatever_its_date_and_again_when_it_changes(
    export: Path, tmp_path: Path
) -> None:
    first = opened([export], tmp_path / "cache")
    (first.folders[0] / "a.xml").stat()
    os.utime(export, (1, 1))
    assert opened([export], tmp_path / "cache") == first
    with zipfile.ZipFile(export, "a") as archive:
        archive.writestr("b.xml", page_xml(page_line(), "b.png"))
    again = opened([export], tmp_path / "cache")
    assert again.folders != first.folders
    assert sorted(found.name for found in again.folders[0].iterdir()) == ["a.png", "a.xml", "b.xml"]


def test_zip_made_by_windows_has_folders(tmp_path: Path) -> None:
    image = write_image(tmp_path / "a.png")
    with zipfile.ZipFile(tmp_path / "x.ZIP", "w") as archive:
        for name, content in (("doc\\a.png", image.read_bytes()), ("doc\\page\\a.xml", page_xml(page_line(), "a.png"))):
            entry = zipfile.ZipInfo("x")
            entry.filename = name
            archive.writestr(entry, content)
    assert pages(tmp_path / "x.ZIP", tmp_path / "cache") == ["doc/page/a.xml"]


@pytest.mark.parametrize("said", [True, False])
def test_zip_of_macos_has_its_names_in_utf8_whether_it_says_so_or_not(said: bool, tmp_path: Path) -> None:
    image = write_image(tmp_path / "a.png")
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.write(image, "folió.png")
        archive.writestr("folió.xml", page_xml(page_line(), "folió.png"))
    content = (tmp_path / "x.zip").read_bytes()
    for mark, place in () if said else ((b"PK\x03\x04", 7), (b"PK\x01\x02", 9)):  # the bit that says so
        parts = content.split(mark)
        content = mark.join([parts[0], *(part[: place - 4] + b"\0" + part[place - 3 :] for part in parts[1:])])
    (tmp_path / "x.zip").write_bytes(content)
    assert pages(tmp_path / "x.zip", tmp_path / "cache") == ["folió.xml"]


def entry(name: str, mode: int = 0) -> zipfile.ZipInfo:
    found = zipfile.ZipInfo("x")
    found.filename = name
    found.external_attr = mode << 16
    return found


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (entry("../outside.xml"), "outside its folder"),
        (entry("a/../../outside.xml"), "outside its folder"),
        (entry("..\\outside.xml"), "outside its folder"),
        (entry("/tmp/outside.xml"), "outside its folder"),
        (entry("C:\\outside.xml"), "outside its folder"),
        (entry("link", stat.S_IFLNK | 0o777), "is a link"),
        (entry("pipe", stat.S_IFIFO | 0o666), "special file"),
        (entry("./a.xml"), "two of its files"),
    ],
)
def test_zip_that_means_harm_is_refused_whole(harm: zipfile.ZipInfo, said: str, export: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(export, "a") as archive:
        archive.writestr(harm, "/etc/passwd")
    assert said in refusal(export, tmp_path / "cache")
    assert not list(tmp_path.rglob("outside.xml"))


def test_zip_that_unpacks_to_far_more_than_its_size_is_refused(
    export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "MOST_BYTES", 1000)
    with zipfile.ZipFile(export, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.xml", b"\0" * 50_000_000)
    assert "may be an attack" in refusal(export, tmp_path / "cache")


def test_zip_of_too_many_files_is_refused(export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MOST_ENTRIES", 3)
    assert "more than 3" in refusal(export, tmp_path / "cache")


@pytest.mark.parametrize("damage", ["cut", "encrypted", "no zip", "flipped"])
def test_zip_that_cannot_be_unpacked_says_why_and_leaves_nothing(damage: str, export: Path, tmp_path: Path) -> None:
    content = bytearray(export.read_bytes())
    if damage == "cut":
        content = content[: len(content) // 2]
    elif damage == "no zip":
        content = bytearray(b"nothing")
    elif damage == "encrypted":
        content[content.index(b"PK\x01\x02") + 8] |= 1
    else:
        content[60] ^= 0xFF
    export.write_bytes(content)
    assert str(export) in refusal(export, tmp_path / "cache")


def test_any_other_file_is_refused_with_what_can_be_named(tmp_path: Path) -> None:
    for name, content in (
        ("1.xml", page_xml(page_line())),
        ("a.tar.gz", "\x1f\x8b"),
        ("x.json", "{}"),
        ("y.json", "["),
    ):
        put(tmp_path, content, name)
        assert "a zip of such a folder, a METS file" in refusal(tmp_path / name, tmp_path / "cache")


# METS

METS = """<?xml version="1.0"?><{p}mets {declared}><{p}fileSec><{p}fileGrp USE="GT">{files}</{p}fileGrp></{p}fileSec></{p}mets>"""


def mets(*hrefs: str, prefix: str = "mets:", year: str = "http://www.loc.gov/METS/") -> str:
    name = prefix.rstrip(":")
    declared = f'xmlns{":" if name else ""}{name}="{year}" xmlns:xlink="http://www.w3.org/1999/xlink"'
    files = "".join(
        f'<{prefix}file ID="f{number}"><{prefix}FLocat LOCTYPE="URL" xlink:href="{href}"/></{prefix}file>'
        for number, href in enumerate(hrefs)
    )
    return METS.format(p=prefix, declared=declared, files=files)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """An OCR-D workspace: two pages, each twice, by ground truth and by a program."""
    folder = tmp_path / "ws"
    for number in (0, 1):
        write_image(folder / "OCR-D-IMG" / f"IMG {number}.png", number)
        for group in ("OCR-D-GT-PAGE", "OCR-D-OCR"):
            put(folder, page_xml(page_line(), f"OCR-D-IMG/IMG {number}.png"), f"{group}/PAGE_{number}.xml")
    return folder


@pytest.mark.parametrize("prefix", ["mets:", ""])
@pytest.mark.parametrize("start", ["", "./", "file://{folder}/", "OCR-D-GT-PAGE/../"])
def test_ocrd_workspace_by_its_mets_file_has_the_pages_that_this_lists(
    prefix: str, start: str, workspace: Path, tmp_path: Path
) -> None:
    listed = [f"{start.format(folder=workspace)}OCR-D-GT-PAGE/PAGE_{number}.xml" for number in (0, 1)]
    put(workspace, mets("OCR-D-IMG/IMG%200.png", *listed, "http://example.org/x.xml", prefix=prefix), "mets.xml")
    assert pages(workspace / "mets.xml", tmp_path) == ["OCR-D-GT-PAGE/PAGE_0.xml", "OCR-D-GT-PAGE/PAGE_1.xml"]


def test_pages_that_a_mets_file_lists_and_that_are_not_there_are_told(workspace: Path, tmp_path: Path) -> None:
    listed = [f"OCR-D-GT-PAGE/PAGE_{number}.xml" for number in (0, 7)]
    put(workspace, mets("OCR-D-IMG/IMG%207.png", *listed, "http://example.org/x.xml", "../x.xml"), "mets.xml")
    given = opened([workspace / "mets.xml"], tmp_path)
    for exclude, lost in (([], ["OCR-D-GT-PAGE/PAGE_7.xml"]), (["*_7.xml"], [])):
        dataset = examine_folders(given.folders, only=given.only, exclude=exclude)
        assert [page.name for page in dataset.pages] == listed[:1]
        assert [problem.file for problem in dataset.dropped] == lost
        assert {problem.code for problem in dataset.dropped} <= {"page_not_there"}


def test_a_mets_file_that_lists_no_page_that_is_there_is_refused(workspace: Path, tmp_path: Path) -> None:
    put(workspace, mets("http://example.org/PAGE_0.xml", "../ws/none.xml"), "mets.xml")
    assert "none of the 4 XML files" in refusal(workspace / "mets.xml", tmp_path / "cache")


# IIIF

SERVER = "https://iiif.example.org/iiif/2/ms%2F{}"
SERVED = SERVER + "/full/full/0/default.jpg"


def presentation_2(names: list[str]) -> dict[str, Any]:
    canvases = [
        {
            "@type": "sc:Canvas",
            "label": f"f. {name}",
            "images": [{"resource": {"@id": SERVED.format(name), "service": {"@id": SERVER.format(name)}}}],
        }
        for name in names
    ]
    return {"@type": "sc:Manifest", "sequences": [{"canvases": canvases}]}


def presentation_3(names: list[str]) -> dict[str, Any]:
    def body(name: str) -> dict[str, Any]:
        return {
            "id": SERVED.format(name),
            "type": "Image",
            "service": [{"id": SERVER.format(name), "type": "ImageService3"}],
        }

    canvases = [
        {
            "type": "Canvas",
            "label": {"none": [f"f. {name}"]},
            "items": [{"type": "AnnotationPage", "items": [{"type": "Annotation", "body": body(name)}]}],
        }
        for name in names
    ]
    return {"type": "Manifest", "items": canvases}


@pytest.mark.parametrize("presentation", [presentation_2, presentation_3])
@pytest.mark.parametrize("called", ["{}", "f. {}"])
def test_a_iiif_manifest_has_the_pages_whose_images_it_names(presentation: Any, called: str, tmp_path: Path) -> None:
    folder = tmp_path / "gt"
    for number, name in enumerate(("12r", "12v", "13r")):
        write_image(folder / f"{called.format(name)}.jpg", number)
        put(folder, alto_xml(alto_line(), f"{called.format(name)}.jpg"), f"{called.format(name)}.xml")
    (folder / "manifest.json").write_text(json.dumps(presentation(["12r", "12v"])), encoding="utf-8")
    found = pages(folder / "manifest.json", tmp_path)
    assert found == [f"{called.format(name)}.xml" for name in ("12r", "12v")]


@pytest.mark.parametrize(
    "content",
    [
        "{}",
        '{"items": 3}',
        '{"sequences": [{"canvases": "x"}]}',
        "[" * 100_000,
        "\udcff",
        '{"items": [{"type": "Canvas", "items": [[[]]], "label": [[]]}]}',
    ],
)
def test_a_broken_manifest_is_refused_in_words(content: str, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(content, encoding="utf-8", errors="surrogateescape")
    refusal(tmp_path / "manifest.json", tmp_path / "cache")
