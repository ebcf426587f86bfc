"""Folders as programs lay them out: what each has of its own is read, or said."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.page_files import page_line, page_xml, put, write_image
from htr_exp.groundtruth.clean_copy import write_copy
from htr_exp.groundtruth.containers import opened
from htr_exp.groundtruth.examine import examine_folders, summary
from htr_exp.groundtruth.model import Dataset


def examined(path: Path, **options: object) -> Dataset:
    found = opened([path], path.parent / "cache")
    return examine_folders(found.folders, only=found.only, **options)  # type: ignore[arg-type]


def texts(dataset: Dataset) -> list[str]:
    return [line.text for line in dataset.used()]


# OCR-D


@pytest.mark.parametrize(
    ("year", "image", "named", "page", "words"),
    [
        ("2019-07-15", "OCR-D-IMG/F_1.png", "OCR-D-IMG/F_1.png", "OCR-D-GT-SEG-LINE/F_1.xml", False),
        ("2013-07-15", "data/OCR-D-IMG/F_1.TIF", "OCR-D-IMG/F_1.tif", "data/OCR-D-GT-PAGE/F_1.xml", True),
        ("2017-07-15", "OCR-D-IMG-CROP/F 1.JPG", "OCR-D-IMG-CROP\\F%201.jpg", "OCR-D-GT-PAGE/sub/F_1.XML", False),
    ],
)
def test_an_ocrd_workspace(year: str, image: str, named: str, page: str, words: bool, tmp_path: Path) -> None:
    folder = tmp_path / "ws"
    write_image((folder / image).with_suffix(".png")).rename(folder / image)
    inner = '<Word id="w"><TextEquiv index="1"><Unicode>{}</Unicode></TextEquiv></Word>'
    line = page_line(1, None if words else "in illo").replace("<TextEquiv>", '<TextEquiv index="0" conf="1.0">')
    line = line.replace("</TextLine>", "".join(map(inner.format, ("in", "illo"))) + "</TextLine>")
    xml = page_xml(line, named, year).replace("<TextRegion", f'<AlternativeImage filename="{named}"/><TextRegion', 1)
    put(folder, f"\ufeff{xml}", page)
    place = "data/" if page.startswith("data/") else ""
    put(folder, METS.format(page.removeprefix(place), named), f"{place}mets.xml")
    for path in (folder, folder / f"{place}mets.xml"):
        dataset = examined(path)
        assert (summary(dataset.errors), texts(dataset)) == ({}, ["in illo"])
    assert "text_from_words" in summary(dataset.warnings) or not words


METS = """<mets:mets xmlns:mets="http://www.loc.gov/METS/" xmlns:xlink="http://www.w3.org/1999/xlink">
<mets:fileSec><mets:fileGrp USE="OCR-D-GT"><mets:file MIMETYPE="application/vnd.prima.page+xml" ID="f1">
<mets:FLocat LOCTYPE="OTHER" OTHERLOCTYPE="FILE" xlink:href="{0}"/></mets:file></mets:fileGrp>
<mets:fileGrp USE="OCR-D-IMG"><mets:file ID="f2"><mets:FLocat LOCTYPE="URL" xlink:href="{1}"/></mets:file>
<mets:file ID="f3"><mets:FLocat LOCTYPE="URL" xlink:href="https://example.org/f.tif"/></mets:file></mets:fileGrp>
</mets:fileSec></mets:mets>"""


# LAREX


@pytest.mark.parametrize(
    ("equivs", "said", "text"),
    [
        ((("1", "wr0ng gue55"), ("0", "right words")), {"text_of_several": 1, "text_not_first": 1}, ["right words"]),
        ((("1", "only a guess"),), {}, ["only a guess"]),
        ((("0", ""), ("1", "only a guess")), {"text_not_first": 1}, ["only a guess"]),
    ],
)
def test_a_larex_export(
    equivs: tuple[tuple[str, str], ...], said: dict[str, int], text: list[str], tmp_path: Path
) -> None:
    for number, name in enumerate(("0001.png", "0001.bin.png", "0001.nrm.png")):
        write_image(tmp_path / "book" / name, number)
    inside = "".join(f'<TextEquiv index="{i}"><Unicode>{t}</Unicode></TextEquiv>' for i, t in equivs)
    line = page_line(1, None, custom=None).replace("</TextLine>", f"{inside}</TextLine>")
    without_baseline = page_line(2, "no baseline", baseline=None)
    put(tmp_path / "book", page_xml(line + without_baseline, "0001.png", "2017-07-15"), "0001.xml")
    dataset = examined(tmp_path / "book")
    assert (summary(dataset.errors), texts(dataset)) == ({}, text)
    assert summary(dataset.dropped) == {"line_without_baseline": 1}
    warnings = summary(dataset.warnings)
    assert {code: count for code, count in warnings.items() if code.startswith("text_")} == said
    (derived,) = (problem for problem in dataset.problems if problem.code == "image_derived")
    assert (derived.files, "image_without_xml" in warnings) == (("0001.bin.png", "0001.nrm.png"), False)


# Abbyy


@pytest.mark.parametrize(
    ("version", "unit", "code"),
    [("v2", "mm10", "unit_not_pixel"), ("v2", "inch1200", "unit_not_pixel"), ("v3", "pixel", "line_without_baseline")],
)
def test_an_abbyy_export(version: str, unit: str, code: str, tmp_path: Path) -> None:
    write_image(tmp_path / "book" / "0001.png").rename(tmp_path / "book" / "0001.TIF")
    lines = "".join(
        f'<TextLine ID="l{n}" HPOS="100" VPOS="{n}00" WIDTH="800" HEIGHT="60" BASELINE="{n}50"><String CONTENT="one" '
        f'HPOS="100" VPOS="{n}00"/><SP/><String CONTENT="hy"/><HYP CONTENT="\u00ad"/></TextLine>'
        for n in (1, 2, 3)
    )
    put(
        tmp_path / "book",
        f'<alto xmlns="http://www.loc.gov/standards/alto/ns-{version}#"><Description><MeasurementUnit>{unit}'
        "</MeasurementUnit><sourceImageInformation><fileName>D:\\Jobs\\0001.tif</fileName></sourceImageInformation>"
        '</Description><Layout><Page ID="P1" WIDTH="2100" HEIGHT="2970"><PrintSpace HPOS="0" VPOS="0" WIDTH="2100" '
        f'HEIGHT="2970"><TextBlock ID="b" HPOS="1" VPOS="1" WIDTH="9" HEIGHT="9">{lines}</TextBlock></PrintSpace>'
        "</Page></Layout></alto>",
        "0001.xml",
    )
    dataset = examined(tmp_path / "book")
    assert (dataset.read, dataset.lines) == ({"pages": 1, "lines": 3}, 0)
    (first, *_) = (problem for problem in dataset.problems if problem.code == code)
    counted = sum(problem.count for problem in dataset.problems if problem.code == code)
    assert (first.severity, counted) == ("error" if unit != "pixel" else "dropped", 3)


# Transkribus


@pytest.mark.parametrize(
    ("image", "named"),
    [
        ("0001_p001.jpg", "0001_p001.jpg"),
        ("0001_p001.JPG", "https://files.transkribus.eu/Get?id=ABCDEFG&amp;fileType=view"),
        ("images/0001 p001.jpg", "0001%20p001.tif"),
    ],
)
def test_a_transkribus_export(image: str, named: str, tmp_path: Path) -> None:
    folder = tmp_path / "12345" / "Doc"
    write_image((folder / image).with_suffix(".png")).rename(folder / image)
    custom = "readingOrder {index:0;} structure {type:heading;} abbrev {offset:0; length:2; expansion:in;}"
    region = "<TextEquiv><Unicode>Incipit liber\n</Unicode></TextEquiv></TextRegion>"
    xml = page_xml(page_line(1, custom=custom), "IMAGE", "2013-07-15").replace("IMAGE", named)
    xml = xml.replace("</TextRegion>", region).replace(
        "<Page ", '<Metadata><TranskribusMetadata docId="1" imgUrl="https://x"/></Metadata><Page '
    )
    put(folder, xml, "page/0001_p001.xml")
    put(folder, METS.format("page/0001_p001.xml", image.replace(" ", "%20")), "mets.xml")
    put(folder, "<trpDocMetadata/>", "metadata.xml")
    for path in (folder, folder / "mets.xml"):
        dataset = examined(path)
        assert (summary(dataset.errors), texts(dataset)) == ({}, ["Incipit liber"])
    assert [line.type for line in dataset.used()] == ["heading"]
    copy = write_copy([folder], dataset, tmp_path / "copy").folder
    assert texts(examine_folders([copy])) == ["Incipit liber"]


# Line pairs


@pytest.mark.parametrize(
    ("image", "text"), [("l{}.png", "l{}.gt.txt"), ("l{}.bin.png", "l{}.gt.txt"), ("l{}.png", "l{}.txt")]
)
def test_line_pairs_beside_xml_are_told_as_such(image: str, text: str, tmp_path: Path) -> None:
    write_image(tmp_path / "p.png")
    put(tmp_path, page_xml(page_line(), "p.png"), "p.xml")
    write_image(tmp_path / "left over.png", 3)
    for number in range(5):
        write_image(tmp_path / "lines" / image.format(number), number)
        put(tmp_path / "lines", "a line", text.format(number))
    dataset = examine_folders([tmp_path])
    found = {problem.code: problem for problem in dataset.problems}
    assert found["line_pairs"].severity == "dropped"
    assert "5 line pairs" in found["line_pairs"].message
    assert len(found["line_pairs"].files) == 5
    assert found["image_without_xml"].file == "left over.png"
    assert summary(dataset.problems)["image_without_xml"] == 1
    copy = write_copy([tmp_path], dataset, tmp_path.with_name(f"{tmp_path.name}-copy"))
    left_out = [one.file for one in copy.changes]
    assert {"left over.png", *found["line_pairs"].files} <= set(left_out)
