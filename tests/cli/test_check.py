"""What `check` says, on the terminal, as JSON and for CI."""

from __future__ import annotations

import io
import re
from pathlib import Path

from junitparser import JUnitXml
from rich.console import Console

from helpers.checks import checked
from helpers.in_process import PROBLEM_KEYS, Call
from helpers.page_files import make_pages, page_line, page_xml, put
from htr_exp.cli.check import terminal
from htr_exp.cli.check.junit import document
from htr_exp.groundtruth.model import Problem
from htr_exp.groundtruth.problem_codes import CODES

# The terminal


def test_each_kind_is_told_once_the_gravest_first_with_what_to_do(check: Call, dirty: Path) -> None:
    said = check(dirty)
    assert said.code == 2
    heads = re.findall(r"^(error|dropped|warning): (.+) \((.+)\)$", said.out, re.MULTILINE)
    assert heads[:4] == [
        ("error", "images that are not there", "1 file"),
        ("dropped", "lines without a baseline", "5 lines in 5 files"),
        ("dropped", "lines without text", "10 lines in 5 files"),
        ("warning", "texts that begin or end with a blank", "5 lines in 5 files"),
    ]
    assert (
        "  bad0.xml:l2: it has no text\n  bad0.xml:l3: it has no text\n  bad1.xml:l2: it has no text\n  and 7 more\n"
        in said.out
    )
    assert said.out.count("it has no text") == 3
    for kind in ("image_missing", "line_without_text"):
        assert f"  -> {CODES[kind].remedy}\n" in said.out
    assert "10 pages, 20 lines, " in said.out
    assert "1 error: training will not start until these errors are corrected" in said.out
    assert max(map(len, said.out.splitlines())) < 400


def test_of_good_pages_nothing_is_said_but_what_they_are(check: Call, pages: Path) -> None:
    said = check(pages)
    assert said.code == 0
    assert "6 pages, 18 lines, " in said.out
    assert "nothing is wrong with it" in said.out
    assert "in all" in said.out
    assert said.err == ""


def test_a_narrow_terminal_breaks_between_words_below_the_headline(dirty: Path) -> None:
    out = io.StringIO()
    terminal.show(Console(file=out, width=60, force_terminal=True, color_system=None), checked(dirty))
    lines = out.getvalue().splitlines()
    assert max(map(len, lines[3:])) <= 64
    assert "  -> put the image beside the XML, under the name that it" in [line.rstrip() for line in lines]


def test_progress_is_for_terminals_only() -> None:
    out = io.StringIO()
    with terminal.progress(Console(file=out, force_terminal=False), "reads") as tell:
        assert tell is None
    assert out.getvalue() == ""
    with terminal.progress(Console(file=out, force_terminal=True, width=100), "reads") as tell:
        assert tell is not None
        tell(3, 7)
        tell(7, 7)
    assert "7/7" in out.getvalue()


# JSON


def test_json_has_everything(check: Call, dirty: Path) -> None:
    said = check(dirty, "--json")
    assert said.code == 2
    assert set(said.json) >= {
        "pages",
        "lines",
        "characters",
        "digest",
        "read",
        "problems",
        "files",
        "statistics",
        "alphabet",
    }
    assert len(said.json["problems"]) == sum(kind["problems"] for kind in said.json["kinds"])
    assert set(said.json["problems"][0]) == PROBLEM_KEYS
    (file,) = [one for one in said.json["files"] if one["page"] == "bad0.xml"]
    assert file["image"] == "bad0.png"
    assert file["lines"] == 1
    assert len(file["xml_digest"]) == len(file["image_digest"]) == 64


def test_a_model_shows_what_it_lacks(check: Call, pages: Path, base_model: Path) -> None:
    put(pages, page_xml(page_line(1, "ꝓ" * 3), image="f01.png"), "f01.xml")
    said = check(pages, f"model.path={base_model}")
    assert re.search(r"base lacks \d+ characters? of them.*ꝓ U\+A753 \(3, f01\.xml:l1\)", said.out)
    found = check(pages, f"model.path={base_model}", "--json").json["alphabet"]
    assert found["model"] == "base"
    assert "ꝓ" in [one["text"] for one in found["unknown"]]


def test_characters_that_are_not_allowed_are_an_error(check: Call, pages: Path, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("char\n" + "\n".join("abcdefghijklmnopqrstuvwyz 0123456789") + "\n")
    assert check(pages, f"dataset.characters={tmp_path / 'table.csv'}").code == 0
    put(pages, page_xml(page_line(1, "ꝓ"), image="f01.png"), "f01.xml")
    said = check(pages, f"dataset.characters={tmp_path / 'table.csv'}", "--junit", "check.xml")
    (case,) = (case for suite in JUnitXml.fromfile("check.xml") for case in suite if case.result)
    assert case.name.startswith("refused:")
    assert "is not in this table" in case.result[0].text
    assert said.code == 2
    assert "U+A753 (1 time, f01.xml:l1)" in said.out
    assert "1 error: training will not start" in said.out


def test_pages_that_are_nearly_the_same_are_warned_of(check: Call, tmp_path: Path) -> None:
    folder = make_pages(tmp_path / "twins", pages=2, lines=12)
    first = (folder / "f01.xml").read_text()
    (folder / "f02.xml").write_text(first.replace("f01.png", "f02.png").replace("linea 3", "linea 33"))
    said = check(folder, "--json")
    near = [one for one in said.json["problems"] if one["code"] == "pages_alike"]
    assert near
    assert near[0]["severity"] == "warning"
    assert near[0]["file"] == "f02.xml"
    assert "f01.xml" in near[0]["message"]
    assert check(folder, "--json").json["problems"] == said.json["problems"]  # remembered
    assert "pages_alike" not in [one["code"] for one in check(folder, "--json", "--quick").json["problems"]]


def test_htr_united_is_made_and_brought_up_to_date(check: Call, pages: Path, workspace: Path) -> None:
    said = check(pages, "--htr-united", "htr-united.yml")
    assert said.code == 2
    assert "to correct: title is empty" in said.out
    assert "count: 18" in Path("htr-united.yml").read_text()
    assert "filled in" not in check(pages, "--htr-united", "htr-united.yml").out


def test_all_that_cannot_be_done_is_said_at_once_and_first(check: Call, pages: Path) -> None:
    said = check(pages, "--html", ".", "--junit", "nowhere/x.xml", "--fix", pages / "out", "--since", "nope")
    assert said.code == 2
    assert said.out == ""
    for word in ("--html .", "--junit nowhere/x.xml", "lies in or around", "--since: nope"):
        assert said.err.count(word) == 1
    assert check(pages, "--pictures", 3).err == "error: --pictures: they are shown by --html FILE only\n"


# A clean copy


def test_a_clean_copy_ends_well(check: Call, dirty: Path) -> None:
    said = check(dirty, "--fix", "clean")
    assert said.code == 0
    assert "clean holds 10 pages, 20 lines, " in said.out
    assert re.search(r"^  line left out +15$", said.out, re.MULTILINE)
    again = check("clean", "--json")
    assert again.code == 0
    assert (again.json["pages"], again.json["lines"], again.json["problems"]) == (10, 20, [])
    told = check(dirty, "--fix", "clean2", "--json").json
    assert told["fix"]["digest"] == again.json["digest"]
    assert len(told["fix"]["changes"]) == len(Path("clean2/changes.csv").read_text().splitlines()) - 1


def test_where_nothing_can_be_written_the_check_is_shown_all_the_same(check: Call, pages: Path) -> None:
    for image in pages.glob("*.png"):
        image.unlink()
    said = check(pages, "--fix", "clean", "--json")
    assert said.code == 2
    assert len(said.json["problems"]) == 6
    assert said.json["fix"] is None
    assert "nothing can be written to clean" in said.err
    assert not Path("clean").exists()


# For CI


def test_junit_fails_where_check_does(check: Call, dirty: Path) -> None:
    check(dirty, "--junit", "check.xml")
    cases = {case.name.partition(":")[0]: case for suite in JUnitXml.fromfile("check.xml") for case in suite}
    assert set(cases) == {*CODES, "refused"}
    assert [code for code, case in cases.items() if case.is_failure] == ["image_missing"]
    (failure,) = cases["image_missing"].result
    assert failure.text.startswith("f01.xml: its image f01.png is neither")
    assert "bad0.xml:l2: it has no text" in cases["line_without_text"].system_out
    assert cases["hidden_file"].system_out is None
    assert not any(case.is_skipped for case in cases.values())


def test_junit_holds_what_xml_cannot(pages: Path) -> None:
    odd = Problem("image_missing", "error", "a\x00\x1b\udcff.xml", None, "]]> <b> & \ufffe")
    text = document(checked(pages, odd))
    (failure,) = [case.result[0] for suite in JUnitXml.fromstring(text) for case in suite if case.result]
    assert "]]> <b> & " in failure.text
