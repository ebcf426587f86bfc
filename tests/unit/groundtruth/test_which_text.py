"""Which text of a line is read where its file has several, or only parts of one; and that kraken is given just that."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import pytest

from helpers.page_files import alto_line, alto_xml, page_line, page_xml, put, write_image
from htr_exp.groundtruth.choices import DEFAULT, Choices
from htr_exp.groundtruth.clean_copy import write_copy
from htr_exp.groundtruth.examine import examine_folders, summary
from htr_exp.groundtruth.model import Dataset
from htr_exp.groundtruth.xml import read_page
from htr_exp.groundtruth.xml_for_kraken import staged_xml


@dataclass(frozen=True)
class Read:
    """What became of a page: its texts, what was said, and what kraken and a clean copy are given."""

    texts: list[str]
    warnings: dict[str, int]
    staged: list[str]
    copied: list[str]
    changes: list[tuple[str, str, str]]
    dataset: Dataset


def read(xml: str, folder: Path, choices: Choices = DEFAULT) -> Read:
    write_image(folder / "gt" / "1.jpg")
    put(folder / "gt", xml)
    dataset = examine_folders([folder / "gt"], choices=choices)
    (page,) = dataset.pages
    (folder / "staged.xml").write_bytes(staged_xml(page))
    copy = write_copy([folder / "gt"], dataset, folder / "copy").folder
    with open(copy / "changes.csv", encoding="utf-8", newline="") as file:
        rows = [(row["change"], row["before"], row["after"]) for row in csv.DictReader(file) if row["line"]]
    return Read(
        [line.text for line in page.lines],
        summary(dataset.warnings),
        [line.text for line in read_page(folder / "staged.xml").lines],
        [line.text for line in read_page(copy / "1.xml").lines],
        rows,
        dataset,
    )


def equivs(*texts: tuple[str | None, str]) -> str:
    """A page of one line with these transcriptions: index, text."""
    said = ""
    for index, text in texts:
        indexed = "" if index is None else f' index="{index}"'
        said += f"<TextEquiv{indexed}><Unicode>{text}</Unicode></TextEquiv>"
    return page_xml(page_line(1, None).replace("</TextLine>", f"{said}</TextLine>"))


GUESS_FIRST = (("1", "wr0ng gue55"), ("0", "right words"))


@pytest.mark.parametrize(
    ("texts", "chosen", "read_first"),
    [
        (GUESS_FIRST, "right words", False),
        ((("0", "right words"), ("1", "wr0ng gue55")), "right words", True),
        (((None, "first"), (None, "second")), "first", True),
        (((None, "first"), ("3", "indexed")), "indexed", False),
        ((("10", "ten"), ("9", "nine")), "nine", False),
        ((("x", "no number"), ("2", "two")), "two", False),
        ((("-1", "no index"), ("2", "two")), "two", False),
        ((("1", "again"), ("1", "later")), "again", True),
        (((None, ""), (None, "second")), "second", False),
        ((("0", " "), ("1", "other")), "other", False),
        ((("1", ""), ("0", "corrected")), "corrected", False),
    ],
)
def test_page_several_textequiv_the_lowest_index_counts(
    texts: tuple[tuple[str | None, str], ...], chosen: str, read_first: bool, tmp_path: Path
) -> None:
    found = read(equivs(*texts), tmp_path)
    assert found.texts == found.staged == found.copied == [chosen]
    filled = [text for _, text in texts if text.strip()]
    assert ("text_of_several" in found.warnings) == (len(filled) > 1)
    assert ("text_not_first" in found.warnings) == (not read_first)
    assert ("kraken_reads_otherwise" in found.warnings) == (not read_first)
    lost = [before for change, before, _ in found.changes if change == "text not carried over"]
    assert sorted([*lost, chosen]) == sorted(filled)


@pytest.mark.parametrize(
    ("choice", "chosen"),
    [
        ("lowest", "right words"),
        ("first", "wr0ng gue55"),
        ("last", "right words"),
        ("1", "wr0ng gue55"),
        ("7", "right words"),
    ],
)
def test_page_several_textequiv_another_is_read_by_choice(choice: str, chosen: str, tmp_path: Path) -> None:
    found = read(equivs(*GUESS_FIRST), tmp_path, Choices(text_equiv=choice))
    assert found.texts == found.staged == found.copied == [chosen]
    assert found.warnings["text_of_several"] == 1


def test_page_several_textequiv_the_choice_is_part_of_the_digests_and_of_what_is_remembered(tmp_path: Path) -> None:
    write_image(tmp_path / "gt" / "1.jpg")
    put(tmp_path / "gt", equivs(*GUESS_FIRST))
    one, other = (
        examine_folders([tmp_path / "gt"], choices=Choices(text_equiv=word), cache=tmp_path / "cache")
        for word in ("lowest", "first")
    )
    assert (one.pages[0].digest, one.digest) != (other.pages[0].digest, other.digest)
    assert [[line.text for line in found.used()] for found in (one, other)] == [["right words"], ["wr0ng gue55"]]


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        ("0", "1", 1),  # of the second page nobody has corrected the line
        ("0", "0", 0),
        ("1", "1", 0),  # OCR-D counts from 1
        (None, "1", 0),
        ("0", None, 0),
        ("1", "0", 1),
    ],
)
def test_lines_that_nobody_may_have_corrected_are_told_where_others_were(
    first: str | None, second: str | None, told: int, tmp_path: Path
) -> None:
    for number, index in enumerate((first, second), 1):
        write_image(tmp_path / f"{number}.jpg", number)
        put(tmp_path, equivs((index, "some words")).replace("1.jpg", f"{number}.jpg"), f"{number}.xml")
    for cache in (None, tmp_path.with_name("cache"), tmp_path.with_name("cache")):
        dataset = examine_folders([tmp_path], cache=cache)
        assert summary(dataset.problems).get("text_index_mixed", 0) == told
    assert "text_index_mixed" not in summary(examine_folders([tmp_path], choices=Choices(text_equiv="last")).problems)
    assert dataset.lines == 2


def test_lines_that_cannot_be_used_are_not_asked_who_corrected_them(tmp_path: Path) -> None:
    write_image(tmp_path / "1.jpg")
    lines = page_line(1, None).replace(
        "</TextLine>", '<TextEquiv index="0"><Unicode>a</Unicode></TextEquiv></TextLine>'
    )
    lines += page_line(2, None, baseline=None).replace(
        "</TextLine>", '<TextEquiv index="1"><Unicode>b</Unicode></TextEquiv></TextLine>'
    )
    put(tmp_path, page_xml(lines))
    assert "text_index_mixed" not in summary(examine_folders([tmp_path]).problems)


def words(*texts: str, glyphs: bool = False) -> str:
    return "".join(
        "<Word>"
        + "".join(
            f"<TextEquiv><Unicode>{part}</Unicode></TextEquiv>"
            if not glyphs
            else f"<Glyph><TextEquiv><Unicode>{part}</Unicode></TextEquiv></Glyph>"
            for part in (text if glyphs else [text])
        )
        + "</Word>"
        for text in texts
    )


@pytest.mark.parametrize(
    "empty",
    ["", "<TextEquiv><Unicode></Unicode></TextEquiv>", "<TextEquiv/>", "<TextEquiv><Unicode>\n </Unicode></TextEquiv>"],
)
@pytest.mark.parametrize("glyphs", [False, True])
def test_page_empty_first_textequiv_words_have_the_text(empty: str, glyphs: bool, tmp_path: Path) -> None:
    inside = words("alpha", "beta", glyphs=glyphs) + empty
    found = read(page_xml(page_line(1, None).replace("</TextLine>", f"{inside}</TextLine>")), tmp_path)
    assert found.texts == found.staged == found.copied == ["alpha beta"]
    assert found.warnings["text_from_words"] == 1
    assert found.changes == [("text", "in words only", "alpha beta")]


def test_a_word_with_several_transcriptions_gives_its_main_one(tmp_path: Path) -> None:
    inside = (
        words("alpha")
        + '<Word><TextEquiv index="1"><Unicode>b3ta</Unicode></TextEquiv><TextEquiv index="0"><Unicode>beta</Unicode></TextEquiv></Word>'
    )
    assert read(page_xml(page_line(1, None).replace("</TextLine>", f"{inside}</TextLine>")), tmp_path).texts == [
        "alpha beta"
    ]


# ALTO


@pytest.mark.parametrize(
    ("content", "text", "joined"),
    [
        ('<String CONTENT="one"/><String CONTENT="two"/><String CONTENT="three"/>', "one two three", True),
        ('<String CONTENT="one"/><SP/><String CONTENT="two"/><String CONTENT="three"/>', "one two three", True),
        ('<String CONTENT="one"/><SP/><String CONTENT="two"/>', "one two", False),
        ('<String CONTENT="one "/><String CONTENT="two"/>', "one two", False),
        ('<String CONTENT="one"/><String CONTENT=""/><String CONTENT="two"/>', "one two", False),
        ('<Shape/><String CONTENT="one"/><Other/><String CONTENT="two"/>', "one two", True),
    ],
)
@pytest.mark.parametrize("version", [2, 3, 4])
def test_alto_without_sp_words_get_blanks(content: str, text: str, joined: bool, version: int, tmp_path: Path) -> None:
    found = read(alto_xml(alto_line(1, content), version=version), tmp_path)
    assert found.texts == found.staged == found.copied == [text]
    assert ("text_without_blanks" in found.warnings) == ("kraken_reads_otherwise" in found.warnings) == joined
    assert found.changes == ([("text", "words without blanks between them", text)] if joined else [])


HYPHENATED = '<String CONTENT="some"/><SP/><String CONTENT="hy" SUBS_TYPE="HypPart1" SUBS_CONTENT="hyphen"/>'


@pytest.mark.parametrize(
    ("content", "text", "parted"),
    [
        (f'{HYPHENATED}<HYP CONTENT="-"/>', "some hy-", True),
        (f'{HYPHENATED}<HYP CONTENT="\u2e17"/>', "some hy\u2e17", True),
        (f'{HYPHENATED.replace("hy", "hy-", 1)}<HYP CONTENT="-"/>', "some hy-", False),
        (f'{HYPHENATED}<HYP CONTENT="\u00ad"/>', "some hy-", True),
        (f'{HYPHENATED.replace("hy", "hy-", 1)}<HYP CONTENT="\u00ad"/>', "some hy-", False),
        (f"{HYPHENATED}<HYP/>", "some hy", False),
        ('<String CONTENT="hy"/><HYP CONTENT="-"/><String CONTENT="phen"/>', "hy-phen", True),
    ],
)
def test_alto_hyp_is_read_as_its_content(content: str, text: str, parted: bool, tmp_path: Path) -> None:
    found = read(alto_xml(alto_line(1, content)), tmp_path)
    assert found.texts == found.staged == found.copied == [text]
    assert ("text_with_hyphen" in found.warnings) == ("kraken_reads_otherwise" in found.warnings) == parted
    assert found.changes == ([("text", "the hyphen by itself, in <HYP>", text)] if parted else [])


def test_alto_hyp_is_left_out_by_choice_and_counted(tmp_path: Path) -> None:
    found = read(alto_xml(alto_line(1, f'{HYPHENATED}<HYP CONTENT="-"/>')), tmp_path, Choices(hyphens=False))
    assert found.texts == found.staged == found.copied == ["some hy"]
    assert found.warnings == {"text_without_hyphen": 1}
    assert found.changes == [("text not carried over", "-", "some hy")]


@pytest.mark.parametrize("unit", ["mm10", "inch1200", "MM10", "furlong"])
def test_alto_mm10_is_an_error_of_its_own_with_its_lines_counted(unit: str, tmp_path: Path) -> None:
    for number, measure in enumerate(("pixel", "pixel", unit)):
        write_image(tmp_path / "gt" / f"{number}.png", number)
        lines = alto_line(1) + alto_line(2)
        put(tmp_path / "gt", alto_xml(lines, f"{number}.png", unit=measure), f"{number}.xml")
    dataset = examine_folders([tmp_path / "gt"], cache=tmp_path / "cache")
    assert dataset.read == {"pages": 3, "lines": 6}
    (problem,) = dataset.errors
    assert (problem.code, problem.file, problem.lines) == ("unit_not_pixel", "2.xml", ("l1", "l2"))
    assert unit in problem.message
    assert "image_without_xml" not in summary(dataset.problems), "2.png has its file"
    copy = write_copy([tmp_path / "gt"], dataset, tmp_path / "copy")
    assert [(one.file, one.change) for one in copy.changes if one.file == "2.xml"] == [("2.xml", "file left out")]


@pytest.mark.parametrize("unit", ["pixel", " Pixel\n", "px", "PIXELS", ""])
def test_alto_in_pixels_is_read_however_it_writes_it(unit: str, tmp_path: Path) -> None:
    assert read(alto_xml(alto_line(1), unit=unit), tmp_path).texts == ["Incipit liber"]


@pytest.mark.parametrize("kind", ["page", "alto"])
def test_several_pages_in_one_file_are_an_error_with_their_lines_counted(kind: str, tmp_path: Path) -> None:
    one = page_xml(page_line(1)) if kind == "page" else alto_xml(alto_line(1))
    start, end = one.index("<Page "), one.index("</Page>") + len("</Page>")
    write_image(tmp_path / "1.jpg")
    put(tmp_path, one[:end] + one[start:end].replace("l1", "l2") + one[end:])
    dataset = examine_folders([tmp_path])
    assert (dataset.read, [problem.lines for problem in dataset.errors]) == ({"pages": 2, "lines": 2}, [("l1", "l2")])
    assert (summary(dataset.problems), dataset.pages) == ({"several_pages": 1}, ())
