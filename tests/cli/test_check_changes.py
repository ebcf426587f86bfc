"""What has changed since a check or a run: `check --since`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helpers.in_process import Call
from helpers.page_files import page_line, page_xml, put, write_image
from htr_exp.runs.run_dir import RunDir

# What has changed


@pytest.fixture
def record(check: Call, pages: Path) -> Path:
    """A check of before, as a file."""
    path = Path("before.json").absolute()
    path.write_text(check(pages, "--json").out)
    return path


def since(check: Call, pages: Path, word: object) -> Any:
    said = check(pages, "--since", word, "--json")
    assert said.code == 0, said.err
    return said.json["since"]


def change(pages: Path) -> None:
    """Change five of the six pages in five ways, and add one."""
    first = pages / "f01.xml"
    first.write_text(first.read_text().replace("1 linea 2", "1 linea secunda"))
    second = pages / "f02.xml"
    second.write_text(second.read_text().replace('id="l3"', 'id="l9"'))
    write_image(pages / "f03.png", size=(220, 140))
    (pages / "f04.xml").unlink()
    (pages / "f05.xml").rename(pages / "g05.xml")
    write_image(pages / "new.png", shade=3)
    put(pages, page_xml(page_line(1), image="new.png"), "new.xml")


def test_since_a_check_says_what_has_changed(check: Call, pages: Path, record: Path) -> None:
    assert since(check, pages, record)["same"] is True
    change(pages)
    found = since(check, pages, record)
    assert found["same"] is False
    assert found["pages_added"] == ["new.xml"]
    assert found["pages_removed"] == ["f04.xml"]
    assert found["pages_renamed"] == [["f05.xml", "g05.xml"]]
    first, second, third = found["pages_changed"]
    keys = ("page", "xml", "image", "lines_added", "lines_removed", "lines_changed")
    assert [first[key] for key in keys] == ["f01.xml", True, False, [], [], ["l2"]]
    assert [second[key] for key in keys] == ["f02.xml", True, False, ["l9"], ["l3"], []]
    assert [third[key] for key in keys] == ["f03.xml", False, True, [], [], []]
    said = check(pages, "--since", record).out
    assert "different: 1 page added, 1 page removed, 3 pages changed, 1 page renamed" in said
    assert "changed: f01.xml: 1 line with another text (l2)" in said
    assert "changed: f02.xml: 1 line added (l9), 1 line removed (l3)" in said
    assert "changed: f03.xml: the image" in said


def test_since_a_run_says_the_same(check: Call, pages: Path, planned: Callable[..., RunDir]) -> None:
    run = planned()
    digest = run.facts()["dataset"]["digest"]
    for word in (run.name, run.name[:9], "last", run.path, digest, digest[:10]):
        assert since(check, pages, word)["same"] is True
    change(pages)
    found = since(check, pages, "last")
    assert found["record"] == f"run {run.name}"
    assert (found["pages_added"], found["pages_removed"]) == (["new.xml"], ["f04.xml"])
    changed = {one["page"]: one for one in found["pages_changed"]}
    assert changed["f01.xml"]["lines_changed"] == ["l2"]
    assert changed["f02.xml"]["lines_added"] == ["l9"]
    assert changed["f03.xml"]["image"] is True
    for staged in json.loads(run.places.read_text())["pages"].values():
        Path(staged["staged"]).unlink()
    changed = {one["page"]: one for one in since(check, pages, "last")["pages_changed"]}
    assert changed["f01.xml"]["lines_changed"] is None
    assert changed["f02.xml"]["lines_added"] == ["l9"]


def test_blanks_in_the_xml_are_no_change_that_training_sees(check: Call, pages: Path, record: Path) -> None:
    first = pages / "f01.xml"
    first.write_text(first.read_text() + "\n")
    assert "changed: f01.xml: the XML, but nothing that training sees" in check(pages, "--since", record).out


def test_since_a_digest_that_no_run_has(check: Call, pages: Path, record: Path) -> None:
    digest = json.loads(record.read_text())["digest"]
    assert since(check, pages, digest)["same"] is True
    other = since(check, pages, "0" * 64)
    assert (other["same"], other["pages_known"]) == (False, False)
    assert check(pages, "--since", "01234567").code == 2


@pytest.mark.parametrize("text", ["", "{}", "[1]", "pages", '{"files": [{"page": 1}], "digest": 2}', '{"files": 3}'])
def test_since_something_else_is_refused(text: str, check: Call, pages: Path, tmp_path: Path) -> None:
    (tmp_path / "record").write_text(text)
    said = check(pages, "--since", tmp_path / "record")
    assert said.code == 2
    assert "is not what `check --json` writes" in said.err
