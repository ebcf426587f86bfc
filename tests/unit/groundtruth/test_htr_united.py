from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from helpers.page_files import alto_line, alto_xml, page_line, page_xml, put, write_image
from htr_exp.core.errors import DatasetError
from htr_exp.groundtruth.examine import examine_folders
from htr_exp.groundtruth.htr_united import SCHEMA, filled, problems, read
from htr_exp.groundtruth.model import Dataset

GOOD = """\
# ours
schema: https://htr-united.github.io/schema/2023-06-27/schema.json
title: Charters
description: A few charters
url: https://example.org/charters
language: [lat] # ISO 639-3
script:
  - iso: Latn
script-type: only-manuscript
time: {notBefore: '1347', notAfter: '1399-12'}
hands:
  count: unknown
  precision: exact

# counted by hand, once
volume:
  - {metric: lines, count: 7}
  - metric: regions
    count: 3

# who pays
license:
  name: CC-BY 4.0
  url: https://creativecommons.org/licenses/by/4.0/
format: Alto-XML
production-software: eScriptorium
"""


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    for number, lines in enumerate((["ab a", "ã"], ["a"]), start=1):
        write_image(tmp_path / f"{number}.png", shade=number)
        drawn = "".join(page_line(n, text) for n, text in enumerate(lines))
        put(tmp_path, page_xml(drawn, image=f"{number}.png"), f"{number}.xml")
    return examine_folders([tmp_path])


def test_counts_are_brought_up_to_date_and_all_else_stays(dataset: Dataset) -> None:
    made = filled(GOOD, dataset)
    assert made.problems == ()
    values = yaml.safe_load(made.text)
    assert {one["metric"]: one["count"] for one in values["volume"]} == {
        "lines": 3, "regions": 3, "files": 2, "pages": 2, "characters": 6,
    }  # fmt: skip
    assert values["characters"] == {"mode": "NFC", "members": ["a", "b", "ã"]}
    assert values["format"] == "Page-XML"
    kept = [line for line in GOOD.splitlines() if line not in made.text.splitlines()]
    assert kept == [
        "  - {metric: lines, count: 7}", "  - metric: regions", "    count: 3", "format: Alto-XML",
    ]  # fmt: skip
    assert list(values)[:-1] == list(yaml.safe_load(GOOD))
    assert made.changes == (
        "format: Alto-XML -> Page-XML",
        "volume: lines 7 -> 3, files 2, pages 2, characters 6",
        "characters: 3 members, 3 of them new, 0 taken out; mode NFC",
    )


def test_what_is_right_is_not_written_again(dataset: Dataset) -> None:
    once = filled(GOOD, dataset)
    again = filled(once.text, dataset)
    assert (again.text, again.changes) == (once.text, ())


def test_members_in_another_order_are_right(dataset: Dataset) -> None:
    text = filled(GOOD, dataset).text.replace("  - a\n  - b\n", "  - b\n  - a\n")
    assert filled(text, dataset).text == text


def test_a_new_file_asks_for_what_only_its_authors_know(dataset: Dataset) -> None:
    made = filled(None, dataset)
    values = yaml.safe_load(made.text)
    assert (values["schema"], values["format"]) == (SCHEMA, "Page-XML")
    assert [problem.partition(" ")[0] for problem in made.problems] == [
        "description", "hands", "language", "license", "production-software", "script", "script-type", "time", "title",
        "url",
    ]  # fmt: skip
    assert all("is empty (" in problem for problem in made.problems)
    assert "script-type is empty (whether it is written by hand: one of only-manuscript, only-typed" in str(
        made.problems
    )


def test_the_format_is_that_of_most_files(tmp_path: Path) -> None:
    for number, text in enumerate((alto_xml(alto_line(), image=None), alto_xml(alto_line(), image=None))):
        write_image(tmp_path / f"{number}.png", shade=number)
        put(tmp_path, text, f"{number}.xml")
    assert yaml.safe_load(filled(None, examine_folders([tmp_path])).text)["format"] == "Alto-XML"


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("title: Charters\n", "", "title is missing (the dataset's name)"),
        ("script-type: only-manuscript\n", "", "script-type is missing (whether it is written by hand: one of only-manuscript,"),
        ("script-type: only-manuscript", "script-type: handwritten", 'script-type: "handwritten" is none of only-manuscript,'),
        ("'1347'", "1347", "time.notBefore: 1347 must be in quotes"),
        ("'1399-12'", "1399-12-01", 'time.notAfter: "1399-12-01" must be in quotes'),
        ("[lat]", "[latin]", 'language 1: "latin" does not fit'),
        ("[lat]", "lat", 'language: "lat" does not fit: it must be a list of languages'),
        ("https://example.org/charters", "example.org", 'url: "example.org" does not fit: it must be an address that begins with https:'),
        ("count: unknown", "count: 3", "hands.count: 3 is none of 1, 1-per-file"),
        ("  precision: exact\n", "", "hands.precision is missing (how well that is known: one of exact, estimated)"),
        ("  name: CC-BY 4.0\n", "", "license.name is missing (such as CC-BY 4.0)"),
        ("metric: regions", "metric: columns", 'volume 2.metric: "columns" is none of lines, regions'),
        ("count: 7", "count: many", 'volume 1.count: "many" does not fit'),
        ("title: Charters\n", "title: Charters\ntitle: Deeds\n", "title: it is there more than once"),
        ("2023-06-27", "2042-01-01", "schema: "),
    ],
)  # fmt: skip
def test_what_the_catalogue_refuses_is_said(before: str, after: str, said: str) -> None:
    assert before in GOOD
    (problem,) = problems(GOOD.replace(before, after, 1))
    assert problem.startswith(said)


def test_a_list_of_licences_is_taken() -> None:
    text = GOOD.replace("license:\n  name", "license:\n- name").replace(
        "\n  url: https://crea", "\n  url: https://crea"
    )
    assert isinstance(yaml.safe_load(text)["license"], list)
    assert problems(text) == []


@pytest.mark.parametrize("text", ["a: [", "- a\n", "just words", "a: &x\n b: *y", "[" * 5000])
def test_what_is_no_such_file_is_refused(text: str, dataset: Dataset) -> None:
    with pytest.raises(DatasetError, match=r"htr-united\.yml"):
        filled(text, dataset)


@pytest.mark.parametrize(
    "text", ["{title: x}", '{"title": "x"}\n', "title: x", "title: x\n...\n", "# nothing\ntitle: x\n"]
)
def test_any_style_of_yaml_is_filled(text: str, dataset: Dataset) -> None:
    values = yaml.safe_load(filled(text, dataset).text)
    assert (values["title"], values["format"]) == ("x", "Page-XML")


def test_reading_says_what_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "htr-united.yml"
    assert read(file) is None
    file.write_bytes(b"title: \xff")
    with pytest.raises(DatasetError, match="byte 7 is not UTF-8"):
        read(file)
    file.write_bytes(b"\xef\xbb\xbftitle: x")
    assert read(file) == "title: x"


def test_files_of_the_catalogue_are_taken_and_only_their_counts_change(real_data: Path) -> None:
    files = sorted((real_data / "licences").glob("*/htr-united.yml"))
    assert len(files) == 5
    dataset = examine_folders([real_data / "demo/alto-hours-sbb25"])
    for file in files:
        text = read(file)
        assert text is not None
        assert problems(text) == []
        before, after = yaml.safe_load(text), yaml.safe_load(filled(text, dataset).text)
        counted = {"volume", "characters", "format"}
        assert {k: v for k, v in after.items() if k not in counted} == {
            k: v for k, v in before.items() if k not in counted
        }
        assert {"metric": "lines", "count": 237} in after["volume"]
