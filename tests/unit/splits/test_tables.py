"""The table with a row for each page, as spreadsheets save it."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from helpers.sentences import sentences
from helpers.split_pages import leaf
from htr_exp.core.errors import DatasetError
from htr_exp.splits.tables import Names, read_metadata

BOOK = [leaf("odo/1r.xml"), leaf("odo/1v.xml"), leaf("urso/2r.xml"), leaf("urso/ſ 3.xml")]
ROWS = [("page", "hand", "document"), ("odo/1r.xml", "A", "Odo, 1"), ("1v", "B", "Odo, 1"), ("2r.jpg", "", "Urso"), ("ſ 3", "A", " Urso ")]  # fmt: skip


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize(("start", "end"), [("", "\n"), ("\ufeff", "\r\n")], ids=["plain", "BOM and CRLF"])
def test_metadata_names_pages_as_lists_do(delimiter: str, start: str, end: str, tmp_path: Path) -> None:
    rows = (delimiter.join(f'"{cell}"' if " " in cell else cell for cell in row) for row in ROWS)
    (tmp_path / "pages.csv").write_text(start + end.join(rows) + end * 2, encoding="utf-8", newline="")
    table = read_metadata(tmp_path / "pages.csv", page_column="page", pages=BOOK)
    assert (table.file, table.columns) == ("pages.csv", ("hand", "document"))
    assert table.rows == {
        "odo/1r.xml": {"hand": "A", "document": "Odo, 1"},
        "odo/1v.xml": {"hand": "B", "document": "Odo, 1"},
        "urso/2r.xml": {"hand": "", "document": "Urso"},
        "urso/ſ 3.xml": {"hand": "A", "document": "Urso"},
    }


@pytest.mark.parametrize(("of_file", "of_table"), [("NFD", "NFC"), ("NFC", "NFD")])
def test_a_row_may_be_short_and_a_name_in_another_normal_form(of_file: Any, of_table: Any, tmp_path: Path) -> None:
    page = leaf(unicodedata.normalize(of_file, "é.xml"))
    row = unicodedata.normalize(of_table, "é,A")
    (tmp_path / "pages.csv").write_text(f"page,hand,date\n{row}\n", encoding="utf-8")
    table = read_metadata(tmp_path / "pages.csv", page_column="page", pages=[page])
    assert table.rows == {page.name: {"hand": "A", "date": ""}}


def test_every_bad_row_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "pages.csv").write_text("page,hand\n1r,A\nodo/1r.xml,B\n9r,A\n1r.xml,A\n,A\n2r,B\n")
    pages = [*BOOK, leaf("urso/1r.xml")]
    with pytest.raises(DatasetError) as caught:
        read_metadata(tmp_path / "pages.csv", page_column="page", pages=pages)
    assert [problem.partition("pages.csv")[2] for problem in sentences(caught.value)] == [
        ":2: page=1r: it may be any of odo/1r.xml, urso/1r.xml",
        ":4: page=9r: there is no such page with text",
        ":5: page=1r.xml: it may be any of odo/1r.xml, urso/1r.xml",
        ":6: it names no page: fill the column page, or remove the row",
    ]


def test_a_page_has_one_row(tmp_path: Path) -> None:
    (tmp_path / "pages.csv").write_text("page,hand\n1r,A\n\n1v,B\nodo/1r.xml,B\n")
    with pytest.raises(DatasetError, match=r"pages.csv:5: page=odo/1r.xml: line 2 describes odo/1r.xml already"):
        read_metadata(tmp_path / "pages.csv", page_column="page", pages=BOOK)


def test_a_table_without_page_names_is_told_which_columns_it_has(tmp_path: Path) -> None:
    (tmp_path / "pages.csv").write_text("folio,hand\n1r,A\n")
    with pytest.raises(DatasetError, match=r"it has no column page; its columns are folio, hand$"):
        read_metadata(tmp_path / "pages.csv", page_column="page", pages=BOOK)
    assert read_metadata(tmp_path / "pages.csv", page_column="folio", pages=BOOK).columns == ("hand",)


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-16-be", "utf-16-le", "utf-8-sig"])
def test_a_table_may_be_in_the_encoding_of_a_spreadsheet(encoding: str, tmp_path: Path) -> None:
    page = leaf("é.xml")
    (tmp_path / "pages.csv").write_bytes("page;hand\r\né;Zoë\r\n".encode(encoding))
    assert read_metadata(tmp_path / "pages.csv", page_column="page", pages=[page]).rows == {page.name: {"hand": "Zoë"}}


@pytest.mark.parametrize(
    "typed",
    [
        "./odo/1r.xml",
        "odo//1r.xml",
        "odo\\1r.xml",
        "./1r.xml",
        ".\\odo\\1r",
        "odo/x/../1r.xml",
        "/data/odo/1r.xml",
        "/data/./odo/1r.xml",
        "/data/1r.jpg",
    ],
)
def test_a_page_may_be_named_by_any_path_that_leads_to_it(typed: str) -> None:
    assert Names(BOOK).meant(typed) == "odo/1r.xml"


def test_a_page_may_be_named_from_the_current_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = replace(leaf("1r.xml"), xml=tmp_path / "gt" / "1r.xml")
    other = replace(leaf("odo/1r.xml"), xml=tmp_path / "gt" / "odo" / "1r.xml")
    names = Names([page, other])
    assert [names.meant(typed) for typed in ("gt/1r.xml", "./gt/odo/1r.xml")] == ["1r.xml", "odo/1r.xml"]


@pytest.mark.parametrize("typed", ["/elsewhere/odo/1r.xml", "../odo/1r.xml", "urso/1r.xml"])
def test_a_path_that_leads_elsewhere_names_no_page(typed: str) -> None:
    with pytest.raises(DatasetError, match="there is no such page"):
        Names(BOOK).meant(typed)
