"""Images whose names are written otherwise than they are called, lie elsewhere, or were never fetched."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from PIL import Image

from helpers.page_files import alto_line, alto_xml, codes, page_line, page_xml, put, write_image
from htr_exp.groundtruth.clean_copy import write_copy
from htr_exp.groundtruth.examine import examine_folders, summary
from htr_exp.groundtruth.xml_for_kraken import staged_xml


def found(folder: Path, **options: object) -> tuple[list[str], dict[str, int]]:
    """The images that are used, below the folder, and what is said of images."""
    dataset = examine_folders([folder], **options)  # type: ignore[arg-type]
    images = [str(page.image.relative_to(folder)) for page in dataset.pages]
    for page in dataset.pages:
        assert str(page.image) in staged_xml(page).decode()  # what kraken is given
    return images, {code: n for code, n in summary(dataset.problems).items() if code.startswith("image_")}


@pytest.mark.parametrize(
    ("name", "image", "code"),
    [
        ("  t1.png ", "t1.png", "image_name_spelled"),
        ("\n   t1.png\n  ", "t1.png", "image_name_spelled"),
        ("\u00a0t1.png\u200b", "t1.png", "image_name_spelled"),
        ("", "1.png", "image_by_stem"),
        ("                ", "1.png", "image_by_stem"),
        ("\n\t", "1.tif", "image_by_stem"),
        ("fol%201r.png", "fol 1r.png", "image_name_spelled"),
        ("fol 1r.png", "fol%201r.png", "image_name_spelled"),
        ("fol.%20%C3%A9.png", "fol. é.png", "image_name_spelled"),
        ("T1.PNG", "t1.png", "image_name_case"),
        ("t1.png", "T1.PNG", "image_name_case"),
        ("t1.tif", "t1.jpg", "image_other_ending"),
        ("t1.tif", "t1.JPEG", "image_other_ending"),
        ("t1.tif", "t1.tif.jpg", "image_other_ending"),
        ("t1", "t1.jpg", "image_other_ending"),
        ("fol. 12r", "fol. 12r.jpg", "image_other_ending"),
        ("images/t1.tif", "images/t1.png", "image_other_ending"),
        ("images\\t1.png", "images/t1.png", "image_name_spelled"),
        ("D:\\scans\\t1.png", "t1.png", "image_elsewhere"),
        ("file:///D:/scans/t1.png", "t1.png", "image_elsewhere"),
        ("https://example.org/scans/t1.png?size=full", "t1.png", "image_elsewhere"),
        ("https://example.org/iiif/2/abc/full/full/0/default.jpg", "1.jpg", "image_by_stem"),
        ("t1.png", "img/deeper/t1.png", "image_elsewhere"),
        ("t1.png", "t1.png", ""),
    ],
)
@pytest.mark.parametrize("kind", ["page", "alto"])
def test_padded_image_name_and_its_kin_are_found_and_told(
    name: str, image: str, code: str, kind: str, tmp_path: Path
) -> None:
    write_image((tmp_path / image).with_suffix(".png")).rename(tmp_path / image)
    put(tmp_path, page_xml(page_line(), name) if kind == "page" else alto_xml(alto_line(), name or " "))
    assert found(tmp_path) == ([image], {code: 1} if code else {})
    made = write_copy([tmp_path], examine_folders([tmp_path]), tmp_path.with_name(f"{tmp_path.name}-copy"))
    renamed = [(one.before.strip(), one.after) for one in made.changes if one.change == "image"]
    assert renamed == ([] if name == Path(image).name else [(name.strip(), Path(image).name)])


@pytest.mark.parametrize(
    ("name", "images"),
    [
        ("t1.tif", ["t1.jpg", "t1.png"]),
        ("", ["1.jpg", "1.png"]),
        ("t1.png", ["a/t1.png", "b/t1.png"]),
        ("other.png", ["1.png"]),
        ("t1.tif", ["t10.png", "xt1.png"]),
    ],
)
def test_an_image_is_missing_where_none_or_several_fit(name: str, images: list[str], tmp_path: Path) -> None:
    for shade, image in enumerate(images):
        write_image(tmp_path / image, shade)
    put(tmp_path, page_xml(page_line(), name))
    assert found(tmp_path) == ([], {"image_missing": 1})


@pytest.mark.parametrize(
    ("name", "images", "taken", "code"),
    [
        ("x.jpg", ["a/x.JPG", "b/x.jpeg"], "b/x.jpeg", "image_other_ending"),
        ("x.jpg", ["a/x.jpg", "b/x.png"], "b/x.png", "image_other_ending"),
        ("x.jpg", ["a/img/x.jpg", "b/img/x.jpg"], "b/img/x.jpg", "image_elsewhere"),
        ("x.jpg", ["a/img/x.jpg", "b/img/x.tif"], "b/img/x.tif", "image_other_ending"),
        ("x.jpg", ["a/img/x.jpg", "b/1/x.jpg", "b/2/x.jpg"], None, "image_missing"),
        ("x.jpg", ["a/img/x.jpg", "b/x.tif", "b/x.png"], None, "image_missing"),
        ("", ["a/img/1.jpg", "b/img/1.jpg"], "b/img/1.jpg", "image_by_stem"),
        ("", ["a/img/1.jpg", "b/1/1.jpg", "b/2/1.jpg"], None, "image_missing"),
        ("x.jpg", ["a/img/x.jpg"], "a/img/x.jpg", "image_elsewhere"),
        ("", ["a/img/1.jpg"], "a/img/1.jpg", "image_by_stem"),
    ],
)
def test_of_documents_with_the_same_names_each_page_has_its_own_documents_image(
    name: str, images: list[str], taken: str | None, code: str, tmp_path: Path
) -> None:
    for shade, image in enumerate(images):
        write_image((tmp_path / image).with_suffix(".png"), shade).rename(tmp_path / image)
    put(tmp_path, page_xml(page_line(), name), "b/page/1.xml")
    used, said = found(tmp_path)
    said.pop("image_without_xml", None)
    assert (used, said) == ([taken] if taken else [], {code: 1})


@pytest.mark.parametrize(
    ("beside", "told"),
    [
        (["input/0001.png"], True),
        (["input/0001.PNG"], False),
        (["input/0001.png", "more/0001.png"], False),  # which?
        (["other/0001.png", "other/1.xml"], False),  # pages of another dataset
        ([], False),
    ],
)
def test_an_image_in_a_folder_beside_the_dataset_is_named_and_not_taken(
    beside: list[str], told: bool, tmp_path: Path
) -> None:
    for path in beside:
        write_image((tmp_path / path).with_suffix(".png")).rename(tmp_path / path)
    put(tmp_path / "processing", page_xml(page_line(), "0001.png"))
    (problem,) = examine_folders([tmp_path / "processing"]).errors
    assert problem.code == "image_missing"
    assert (f"name {tmp_path} as the dataset" in problem.message) == told


@pytest.mark.parametrize(
    ("image", "code"),
    [
        ("1.bin.png", "image_derived"),
        ("1.nrm.desp.png", "image_derived"),
        ("made/black.png", "image_derived"),  # AlternativeImage
        ("10.bin.png", "image_without_xml"),
        ("made/1.bin.png", "image_without_xml"),
        ("2.png", "image_without_xml"),
    ],
)
def test_pictures_made_of_those_of_pages_are_not_to_be_transcribed(image: str, code: str, tmp_path: Path) -> None:
    write_image(tmp_path / "1.jpg")
    write_image(tmp_path / image, 3)
    xml = page_xml(page_line().replace("<TextEquiv>", '<AlternativeImage filename="made/black.png"/><TextEquiv>'))
    put(tmp_path, xml)
    assert codes(tmp_path) == {code: 1}
    copy = write_copy([tmp_path], examine_folders([tmp_path]), tmp_path.with_name(f"{tmp_path.name}-copy"))
    assert [one.file for one in copy.changes if one.change == "file left out"] == [image]


# OCR-D


def workspace(folder: Path, *, mets: bool = True, image: str = "OCR-D-IMG/IMG_{}.png") -> Path:
    for number in range(2):
        write_image(folder / "OCR-D-IMG" / f"IMG_{number}.png", number)
        put(folder, page_xml(page_line(), image.format(number)), f"OCR-D-GT-PAGE/PAGE_{number}.xml")
    if mets:
        put(folder, '<mets:mets xmlns:mets="http://www.loc.gov/METS/"/>', "mets.xml")
    return folder


@pytest.mark.parametrize("mets", [True, False])
@pytest.mark.parametrize(
    "image", ["OCR-D-IMG/IMG_{}.png", "OCR-D-IMG\\IMG_{}.png", "./OCR-D-IMG/IMG_{}.png", "OCR-D-IMG/img_{}.tif"]
)
def test_ocrd_workspace_images_are_relative_to_the_workspace(mets: bool, image: str, tmp_path: Path) -> None:
    images, said = found(workspace(tmp_path / "ws", mets=mets, image=image))
    assert images == ["OCR-D-IMG/IMG_0.png", "OCR-D-IMG/IMG_1.png"]
    assert said == ({"image_other_ending": 2} if image.endswith("tif") else {"image_elsewhere": 2})


def test_ocrd_workspace_the_workspace_is_named_where_only_its_pages_are_given(tmp_path: Path) -> None:
    dataset = examine_folders([workspace(tmp_path / "ws") / "OCR-D-GT-PAGE"])
    assert [problem.code for problem in dataset.errors] == ["image_missing"] * 2
    assert f"in {tmp_path / 'ws'}" in dataset.errors[0].message


# Never fetched

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:0000000000000000000000000000000000000000000000000000000000000007\nsize 1234567\n"
HTML = b"<!DOCTYPE html>\n<html><body>404</body></html>"


@pytest.mark.parametrize(
    ("content", "remedy"),
    [
        (LFS, "git lfs pull"),
        (b"/annex/objects/SHA256E-s1--ab.jpg\n", "git annex get"),
        (b"../.git/annex/objects/aa/bb/SHA256E-s1--ab.jpg/SHA256E-s1--ab.jpg", "git annex get"),
        (HTML, "web page"),
        (b"\xef\xbb\xbf\n<HTML><head>", "web page"),
        (b'<?xml version="1.0"?><!DOCTYPE html PUBLIC "x">', "web page"),
        (b"<!-- saved from url=(0014)about:internet -->\n<html>", "web page"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "answer"),
    ],
)
def test_git_lfs_images_are_told_with_their_remedy(content: bytes, remedy: str, tmp_path: Path) -> None:
    (tmp_path / "1.jpg").write_bytes(content)
    put(tmp_path, page_xml(page_line()))
    (problem,) = examine_folders([tmp_path], cache=tmp_path.with_name("cache")).errors
    assert problem.code == "image_not_fetched"
    assert remedy in problem.message


def test_a_link_of_git_annex_that_leads_nowhere_is_told_so(tmp_path: Path) -> None:
    os.symlink("../.git/annex/objects/x1/y2/SHA256E-s1--ab.jpg/SHA256E-s1--ab.jpg", tmp_path / "1.jpg")
    put(tmp_path, page_xml(page_line()))
    assert codes(tmp_path) == {"image_not_fetched": 1}


def test_a_page_that_is_only_a_note_of_git_lfs_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "1.xml").write_bytes(LFS)
    (problem,) = examine_folders([tmp_path]).errors
    assert "git lfs pull" in problem.message


# A tail


def encoded(kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    Image.effect_noise((400, 300), 90).save(out, kind, **options)
    return out.getvalue()


@pytest.mark.parametrize("tail", [b"\0" * 9000, b"tail" * 3000, b"\xff\xd8" + b"x" * 6000])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_jpeg_with_tail_is_whole(kind: str, tail: bytes, tmp_path: Path) -> None:
    (tmp_path / "1.jpg").write_bytes(encoded(kind) + tail)
    put(tmp_path, page_xml(page_line()))
    assert found(tmp_path) == (["1.jpg"], {})


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_jpeg_cut_short_is_told_though_it_holds_the_mark_of_an_end(
    options: dict[str, bool], share: float, tmp_path: Path
) -> None:
    whole = encoded("JPEG", quality=95, **options)
    thumbnail = b"\xff\xe0\x00\x06\xff\xd9\xff\xd9"  # a segment that holds what ends an image, as previews in EXIF do
    cut = whole[:2] + thumbnail + whole[2 : int(len(whole) * share)]
    (tmp_path / "1.jpg").write_bytes(cut)
    put(tmp_path, page_xml(page_line()))
    assert found(tmp_path)[1] == {"image_truncated": 1}


def test_files_with_endings_in_capitals_are_ground_truth(tmp_path: Path) -> None:
    write_image(tmp_path / "1.png").rename(tmp_path / "1.PNG")
    put(tmp_path, page_xml(page_line(), "1.PNG"), "1.XML")
    assert found(tmp_path) == (["1.PNG"], {})
    assert codes(tmp_path, exclude=["*.xml"])["no_pages"] == 1
