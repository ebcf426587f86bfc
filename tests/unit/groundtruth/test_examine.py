"""What is read, dropped and refused, on small pages made here."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from helpers.page_files import BOX, alto_line, alto_xml, codes, page_line, page_xml, put, write_image
from htr_exp.core.task import SEGMENTATION
from htr_exp.groundtruth.examine import examine_folders, summary
from htr_exp.groundtruth.model import NotGroundTruth, NotWellFormed
from htr_exp.groundtruth.xml import read_page


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A dataset folder with one image, 1.jpg."""
    write_image(tmp_path / "gt" / "1.jpg")
    return tmp_path / "gt"


# Reading


@pytest.mark.parametrize("year", ["2010-03-19", "2013-07-15", "2017-07-15", "2019-07-15"])
def test_page_of_every_year_is_read(folder: Path, year: str) -> None:
    page = read_page(put(folder, page_xml(page_line(), year=year)))
    assert (page.format, page.version, page.image_name, page.width, page.height) == ("page", year, "1.jpg", 400, 300)
    (line,) = page.lines
    assert (line.id, line.text, line.type, line.region) == ("l1", "Incipit liber", "DefaultLine", "r1")
    assert line.baseline == ((10, 50), (100, 52), (200, 50))
    assert page.regions[0].type == "MainZone"


@pytest.mark.parametrize("version", [2, 3, 4])
def test_alto_of_every_version_is_read_as_the_same_page(folder: Path, version: int) -> None:
    alto = read_page(put(folder, alto_xml(alto_line(), version=version)))
    page = read_page(put(folder, page_xml(page_line()), "2.xml"))
    assert (alto.format, alto.version) == ("alto", str(version))
    assert (alto.regions, alto.lines) == (page.regions, page.lines)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ('<String CONTENT="a"/><SP/><String CONTENT="b"/>', "a b"),
        ('<String CONTENT="a"/><SP CONTENT="_"/><String CONTENT="b"/>', "a_b"),
        ('<String CONTENT=" a  "/>', " a  "),
        ('<String CONTENT=""/>', " "),
        ("", ""),
    ],
)
def test_alto_text_is_joined_as_kraken_does(folder: Path, content: str, text: str) -> None:
    assert read_page(put(folder, alto_xml(alto_line(1, content)))).lines[0].text == text


def test_first_transcription_of_a_page_line_counts_and_is_not_stripped(folder: Path) -> None:
    twice = page_line(1, "  first ").replace(
        "</TextLine>", "<TextEquiv><Unicode>second</Unicode></TextEquiv></TextLine>"
    )
    assert read_page(put(folder, page_xml(twice))).lines[0].text == "  first "


def test_words_are_joined_by_blanks_where_a_line_has_no_text(folder: Path) -> None:
    words = "".join(f"<Word><TextEquiv><Unicode>{word}</Unicode></TextEquiv></Word>" for word in ("in", "illo"))
    put(folder, page_xml(page_line(1, None).replace("</TextLine>", f"{words}</TextLine>")))
    dataset = examine_folders([folder])
    assert dataset.pages[0].lines[0].text == "in illo"
    assert summary(dataset.warnings) == {"text_from_words": 1, "kraken_reads_otherwise": 1}


def test_a_comment_inside_a_text_does_not_cut_it(folder: Path) -> None:
    xml = page_xml(page_line(1, "abcd")).replace("abcd", "ab<!-- sic -->cd")
    assert read_page(put(folder, xml)).lines[0].text == "abcd"


def test_points_of_page_2010_are_read(folder: Path) -> None:
    old = '<Baseline><Point x="10" y="50"/><Point x="99" y="50"/></Baseline>'
    xml = page_xml(page_line(1, "x", baseline=None).replace("<TextEquiv>", f"{old}<TextEquiv>"))
    assert read_page(put(folder, xml)).lines[0].baseline == ((10, 50), (99, 50))


@pytest.mark.parametrize(
    ("points", "read"),
    [
        ("1,2 3,4", ((1, 2), (3, 4))),
        ("1,2  3,4\n", ((1, 2), (3, 4))),
        ("1.9,2 3,4e0", ((1, 2), (3, 4))),
        ("1,2 1,2 3,4 1,2", ((1, 2), (3, 4), (1, 2))),
        ("-1,2 3,4", ((-1, 2), (3, 4))),
        ("1,2 3", ()),
        ("1,2 x,4", ()),
        ("1,2 99999999999999999999,4", ()),
        ("1,2 1e400,4", ()),
        ("", ()),
    ],
)
def test_points_are_read_without_repetitions_or_not_at_all(
    folder: Path, points: str, read: tuple[tuple[int, int], ...]
) -> None:
    assert read_page(put(folder, page_xml(page_line(1, "x", baseline=points)))).lines[0].baseline == read


def test_lines_of_nested_regions_belong_to_the_nearest(folder: Path) -> None:
    inner = f'<TextRegion id="r2"><Coords points="{BOX}"/>{page_line(2)}</TextRegion>'
    page = read_page(put(folder, page_xml(page_line(1) + inner + page_line(3))))
    assert [(line.id, line.region) for line in page.lines] == [("l1", "r1"), ("l2", "r2"), ("l3", "r1")]
    assert [region.type for region in page.regions] == ["MainZone", "text"]


def test_byte_order_mark_and_windows_line_ends_are_read(folder: Path) -> None:
    path = folder / "1.xml"
    path.write_bytes(b"\xef\xbb\xbf" + page_xml(page_line()).replace("><", ">\r\n<").encode())
    assert len(read_page(path).lines) == 1


BOMB = '<!DOCTYPE PcGts [<!ENTITY a "aaaaaaaaaa">' + "".join(
    f'<!ENTITY {n} "{f"&{p};" * 10}">' for p, n in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_are_refused_without_being_expanded(folder: Path, encoding: str) -> None:
    xml = page_xml(page_line()).split("?>\n")[1].replace("Incipit", "&i;")
    path = folder / "1.xml"
    path.write_bytes(f"{BOMB}]>{xml}".encode(encoding))
    with pytest.raises(NotWellFormed, match="entit"):
        read_page(path)


def test_a_single_entity_is_refused_in_any_encoding(folder: Path) -> None:
    path = folder / "1.xml"
    path.write_bytes('<!DOCTYPE PcGts [<!ENTITY a "b">]><PcGts/>'.encode("utf-16"))
    with pytest.raises(NotWellFormed, match="remove the DOCTYPE"):
        read_page(path)


def test_external_files_are_not_read_through_a_doctype(folder: Path) -> None:
    (folder / "secret").write_text("secret")
    doctype = f'<!DOCTYPE PcGts [<!ENTITY s SYSTEM "file://{folder}/secret">]>'
    put(folder, doctype + page_xml(page_line()).split("?>\n")[1].replace("Incipit", "&s;"))
    assert summary(examine_folders([folder]).errors) == {"not_well_formed": 1}


@pytest.mark.parametrize("content", ["", "<PcGts>", "no xml at all", "\x00\x01"])
def test_broken_xml_is_an_error(folder: Path, content: str) -> None:
    path = put(folder, content)
    with pytest.raises(NotWellFormed):
        read_page(path)
    assert summary(examine_folders([folder]).errors) == {"not_well_formed": 1}


def test_a_file_beyond_all_measure_is_not_parsed(folder: Path) -> None:
    path = put(folder, "<PcGts>")
    os.truncate(path, (64 << 20) + 1)
    with pytest.raises(NotWellFormed, match="64 MiB"):
        read_page(path)


@pytest.mark.skipif(sys.platform == "win32", reason="no FIFO on Windows")
def test_a_fifo_is_an_error_and_does_not_wait(folder: Path) -> None:
    os.mkfifo(folder / "1.xml")
    with pytest.raises(NotWellFormed, match="regular"):
        read_page(folder / "1.xml")
    put(folder, page_xml(page_line(), "2.jpg"), "2.xml")
    os.mkfifo(folder / "2.jpg")
    assert summary(examine_folders([folder], exclude=["1.xml"]).errors) == {"image_unreadable": 1}


def test_other_xml_is_no_ground_truth(folder: Path) -> None:
    put(folder, page_xml(page_line()))
    with pytest.raises(NotGroundTruth, match="<mets>"):
        read_page(put(folder, "<mets/>", "METS.xml"))
    dataset = examine_folders([folder])
    assert len(dataset.pages) == 1
    assert summary(dataset.problems) == {"not_ground_truth": 1}


# Lines


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (page_line(2, "x", baseline=None), "line_without_baseline"),
        (page_line(2, "x", baseline="10 50"), "line_too_small"),
        (page_line(2, "x", coords=None), "line_without_polygon"),
        (page_line(2, "x", coords=""), "line_without_polygon"),
        (page_line(2, None), "line_without_text"),
        (page_line(2, " \u00a0\n"), "line_without_text"),
        (page_line(2, "x", baseline="10,50 14,50"), "line_too_small"),
        (page_line(2, "x", coords="10,10 100,10"), "line_too_small"),
        (page_line(2, "x", coords="10,10 20,20 40,40 30,30"), "line_too_small"),
        (page_line(2, "x", baseline="10,50 60,50 20,50"), "line_turns_back"),
        (page_line(2, "x", coords="-1,10 10,60 200,60"), "line_outside_image"),
        (page_line(2, "x", coords="10,10 10,60 400,60"), "line_outside_image"),
        (page_line(2, "x", baseline="10,50 200,300"), "line_outside_image"),
        (page_line(1, "x"), "duplicate_line_id"),
    ],
)
def test_line_that_kraken_would_lose_is_dropped_with_its_reason(folder: Path, line: str, code: str) -> None:
    put(folder, page_xml(page_line(1) + line + page_line(3)))
    dataset = examine_folders([folder])
    assert [kept.id for kept in dataset.pages[0].lines] == ["l1", "l3"]
    (problem,) = dataset.dropped
    assert (problem.code, problem.file, problem.line) == (code, "1.xml", "l1" if "duplicate" in code else "l2")
    assert dataset.read == {"pages": 1, "lines": 3}
    assert not dataset.errors


@pytest.mark.parametrize(
    "line",
    [
        page_line(2, "x", baseline="10,50 15,50"),
        page_line(2, "x", coords="0,0 0,299 399,299 399,0"),
        page_line(2, "x", baseline="200,50 100,52 10,50"),
        page_line(2, "x", baseline="20,10 20,60"),
        page_line(2, "x", coords="10,10 200,60 200,10 10,60"),
    ],
)
def test_line_at_the_very_limit_is_kept(folder: Path, line: str) -> None:
    put(folder, page_xml(line))
    assert examine_folders([folder]).lines == 1


def test_an_empty_first_line_does_not_hide_the_second_of_its_id(folder: Path) -> None:
    put(folder, page_xml(page_line(1, "") + page_line(1, "kept")))
    assert [line.text for line in examine_folders([folder]).used()] == ["kept"]


def test_lines_without_id_are_named_by_their_place(folder: Path) -> None:
    put(folder, page_xml(page_line(1, id="line_2") + page_line(2, id=None) + page_line(3, id=None)))
    dataset = examine_folders([folder])
    assert [line.id for line in dataset.used()] == ["line_2", "line_2_", "line_3"]
    assert summary(dataset.problems) == {"line_without_id": 1}


def test_page_without_text_is_dropped_for_recognition_and_used_for_segmentation(folder: Path) -> None:
    put(folder, page_xml(page_line(1, "") + page_line(2, "", coords=None)))
    write_image(folder / "2.jpg", 1)
    put(folder, page_xml(page_line(), "2.jpg"), "2.xml")
    recognition = examine_folders([folder])
    assert summary(recognition.dropped) == {"line_without_text": 1, "line_without_polygon": 1, "page_without_text": 1}
    assert [page.name for page in recognition.pages] == ["2.xml"]
    segmentation = examine_folders([folder], task=SEGMENTATION)
    assert segmentation.lines == 3
    assert not segmentation.dropped


ODD = {
    " a": "text_with_outer_space",
    "a\t": "text_with_outer_space",
    "a  b": "text_with_double_space",
    "a\tb": "text_with_odd_space",
    "a\u00a0b": "text_with_odd_space",
    "a\u200bb": "text_with_invisible",
    "a\u00adb": "text_with_invisible",
    "a\ufeffb": "text_with_invisible",
    "a\uf1acb": "text_with_private_use",
    "a\U000f0001b": "text_with_private_use",
    "a\ufffdb": "text_with_unknown",
    "\u00e3a\u0303": "text_in_no_normal_form",
}


@pytest.mark.parametrize("text", ODD)
def test_odd_characters_are_told(folder: Path, text: str) -> None:
    put(folder, page_xml(page_line(1, "plain") + page_line(2, text)))
    dataset = examine_folders([folder])
    assert ODD[text] in summary(dataset.warnings)
    (problem,) = (one for one in dataset.warnings if one.code == ODD[text])
    assert (problem.lines, problem.count) == (("l2",), 1)
    assert dataset.characters == 5 + len(text)


def test_texts_in_two_normal_forms_are_told_once_with_counts(folder: Path) -> None:
    put(folder, page_xml(page_line(1, "a\u0303") + page_line(2, "\u00e3") + page_line(3, "\u00e9") + page_line(4, "e")))
    (problem,) = examine_folders([folder]).problems
    assert problem.code == "text_forms_mixed"
    assert "2 lines with accented letters are in NFC, 1 in NFD" in problem.message
    assert problem.files == ("1.xml",)


def test_a_combining_mark_that_has_no_composed_letter_is_in_both_forms(folder: Path) -> None:
    put(folder, page_xml(page_line(1, "p\u0304") + page_line(2, "a\u0303")))
    assert codes(folder) == {}


DRAWN = {
    "baseline_right_to_left": {"baseline": "200,50 100,52 10,50"},
    "polygon_crosses_itself": {"coords": "10,10 200,60 10,60 200,10"},
}


@pytest.mark.parametrize("code", DRAWN)
def test_doubtful_shapes_are_told(folder: Path, code: str) -> None:
    put(folder, page_xml(page_line(1) + page_line(2, "b", **DRAWN[code])))
    (problem,) = examine_folders([folder]).problems
    assert (problem.code, problem.lines) == (code, ("l2",))


def test_a_line_that_runs_upwards_is_not_drawn_backwards(folder: Path) -> None:
    put(folder, page_xml(page_line(1, baseline="50,60 49,10", coords="40,10 40,60 60,60 60,10")))
    assert codes(folder) == {}


def test_a_line_is_measured(folder: Path) -> None:
    put(folder, page_xml(page_line(1, baseline="10,50 100,50 100,60", coords="10,10 110,10 110,50 10,50")))
    (line,) = examine_folders([folder]).pages[0].lines
    assert (line.width, line.height) == (100.0, 40.0)


def test_regions_are_looked_at(folder: Path) -> None:
    xml = page_xml(page_line()).replace("</Page>", f'<TextRegion id="r1"><Coords points="{BOX}"/></TextRegion></Page>')
    put(folder, xml)
    assert codes(folder) == {"duplicate_region_id": 1, "region_without_type": 1}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_is_told(folder: Path, encoding: str) -> None:
    xml = page_xml(page_line(1, "\u00e9t\u00e9")).replace("UTF-8", "UTF-16" if encoding == "utf-16" else "UTF-8")
    (folder / "1.xml").write_text(xml, encoding=encoding)
    assert codes(folder) == {"byte_order_mark": 1}
    assert examine_folders([folder]).pages[0].lines[0].text == "\u00e9t\u00e9"


def test_a_doctype_is_told(folder: Path) -> None:
    put(folder, page_xml(page_line()).replace("<PcGts", '<!DOCTYPE PcGts SYSTEM "page.dtd">\n<PcGts'))
    assert codes(folder) == {"doctype": 1}
