"""What `check` says, on the terminal, as JSON, for CI and as a page; and what has changed since."""

from __future__ import annotations

import base64
import io
import json
import re
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from junitparser import JUnitXml
from PIL import Image
from rich.console import Console

from helpers.page_files import make_pages, page_line, page_xml, put, write_image
from htr_exp.cli.check import terminal
from htr_exp.cli.check.html import render
from htr_exp.cli.check.junit import document
from htr_exp.cli.check.result import Checked
from htr_exp.cli.main import main
from htr_exp.groundtruth.examine import examine_folders
from htr_exp.groundtruth.model import Problem
from htr_exp.groundtruth.problem_codes import CODES
from htr_exp.runs.run_dir import RunDir


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Check = Callable[..., Said]


@pytest.fixture
def check(workspace: Path, capsys: pytest.CaptureFixture[str]) -> Check:
    """Run `check` in this process."""

    def run(*words: object) -> Said:
        code = main(["check", *map(str, words)])
        captured = capsys.readouterr()
        return Said(code, captured.out, captured.err)

    return run


@pytest.fixture
def dirty(pages: Path) -> Path:
    """Six good pages, and some that are not."""
    lines = page_line(1, " liber \u200bprimus") + page_line(2, None) + page_line(3, None) + page_line(4, baseline=None)
    for number in range(5):
        write_image(pages / f"bad{number}.png", shade=90 + number)
        put(pages, page_xml(lines, image=f"bad{number}.png"), f"bad{number}.xml")
    (pages / "f01.png").unlink()
    return pages


def checked(folder: Path, *problems: Problem) -> Checked:
    """Return a folder as it was checked, with more problems."""
    dataset = examine_folders([folder])
    return Checked(replace(dataset, problems=(*dataset.problems, *problems)), folder.name)


# The terminal


def test_each_kind_is_told_once_the_gravest_first_with_what_to_do(check: Check, dirty: Path) -> None:
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
    assert "1 error: training refuses this ground truth until they are mended" in said.out
    assert max(map(len, said.out.splitlines())) < 400


def test_of_good_pages_nothing_is_said_but_what_they_are(check: Check, pages: Path) -> None:
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


def test_json_has_everything(check: Check, dirty: Path) -> None:
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
    assert set(said.json["problems"][0]) == {"code", "severity", "file", "line", "message", "lines"}
    (file,) = [one for one in said.json["files"] if one["page"] == "bad0.xml"]
    assert file["image"] == "bad0.png"
    assert file["lines"] == 1
    assert len(file["xml_digest"]) == len(file["image_digest"]) == 64


def test_a_model_shows_what_it_lacks(check: Check, pages: Path, base_model: Path) -> None:
    put(pages, page_xml(page_line(1, "ꝓ" * 3), image="f01.png"), "f01.xml")
    said = check(pages, f"model.path={base_model}")
    assert re.search(r"base lacks \d+ characters? of them.*ꝓ U\+A753 \(3, f01\.xml:l1\)", said.out)
    found = check(pages, f"model.path={base_model}", "--json").json["alphabet"]
    assert found["model"] == "base"
    assert "ꝓ" in [one["text"] for one in found["unknown"]]


def test_characters_that_are_not_allowed_are_an_error(check: Check, pages: Path, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("char\n" + "\n".join("abcdefghijklmnopqrstuvwyz 0123456789") + "\n")
    assert check(pages, f"dataset.characters={tmp_path / 'table.csv'}").code == 0
    put(pages, page_xml(page_line(1, "ꝓ"), image="f01.png"), "f01.xml")
    said = check(pages, f"dataset.characters={tmp_path / 'table.csv'}", "--junit", "check.xml")
    (case,) = (case for suite in JUnitXml.fromfile("check.xml") for case in suite if case.result)
    assert case.name.startswith("refused:")
    assert "is not in this table" in case.result[0].text
    assert said.code == 2
    assert "U+A753 (1 time, f01.xml:l1)" in said.out
    assert "1 error: training refuses" in said.out


def test_pages_that_are_nearly_the_same_are_warned_of(check: Check, tmp_path: Path) -> None:
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


def test_htr_united_is_made_and_brought_up_to_date(check: Check, pages: Path, workspace: Path) -> None:
    said = check(pages, "--htr-united", "htr-united.yml")
    assert said.code == 2
    assert "to be mended: title is empty" in said.out
    assert "count: 18" in Path("htr-united.yml").read_text()
    assert "filled in" not in check(pages, "--htr-united", "htr-united.yml").out


def test_all_that_cannot_be_done_is_said_at_once_and_first(check: Check, pages: Path) -> None:
    said = check(pages, "--html", ".", "--junit", "nowhere/x.xml", "--fix", pages / "out", "--since", "nope")
    assert said.code == 2
    assert said.out == ""
    for word in ("--html .", "--junit nowhere/x.xml", "lies in or around", "--since: nope"):
        assert said.err.count(word) == 1
    assert check(pages, "--pictures", 3).err == "error: --pictures: they are shown by --html FILE only\n"


# A clean copy


def test_a_clean_copy_ends_well(check: Check, dirty: Path) -> None:
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


def test_where_nothing_can_be_written_the_check_is_shown_all_the_same(check: Check, pages: Path) -> None:
    for image in pages.glob("*.png"):
        image.unlink()
    said = check(pages, "--fix", "clean", "--json")
    assert said.code == 2
    assert len(said.json["problems"]) == 6
    assert said.json["fix"] is None
    assert "nothing can be written to clean" in said.err
    assert not Path("clean").exists()


# For CI


def test_junit_fails_where_check_does(check: Check, dirty: Path) -> None:
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


# The page


class Tags(HTMLParser):
    """The elements of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def sources(self) -> Iterator[str]:
        for _, values in self.found:
            yield from (value or "" for key, value in values.items() if key in ("src", "href", "action", "data"))


def pictures(text: str) -> list[Image.Image]:
    uris = [uri for uri in Tags(text).sources() if uri.startswith("data:image/jpeg;base64,")]
    return [Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))) for uri in uris]


def test_the_page_shows_the_lines_and_needs_nothing_else(check: Check, dirty: Path) -> None:
    assert check(dirty, "--html", "check.html").code == 2
    text = Path("check.html").read_text(encoding="utf-8")
    seen = pictures(text)
    # lines without text 6, without a baseline 5, with a blank at an end 5, invisible 5: six of a kind at most
    assert len(seen) == 6 + 5 + 5 + 5
    assert len(seen) == len(list(Tags(text).sources()))
    assert all(picture.width <= 900 and picture.height <= 200 for picture in seen)
    for word in ("bad0.xml:l2", "Images that are not there", CODES["line_without_text"].remedy, "10 lines in 5 files"):
        assert word in text
    assert "http" not in text.replace("http-equiv", "")
    assert '<mark title="U+200B ZERO WIDTH SPACE">U+200B</mark>' in text
    check(dirty, "--html", "one.html", "--pictures", 1)
    assert len(pictures(Path("one.html").read_text(encoding="utf-8"))) == 4


def test_many_lines_of_one_file_are_shown_as_often_as_asked_for(tmp_path: Path) -> None:
    write_image(tmp_path / "1.jpg")
    put(tmp_path, page_xml("".join(page_line(number, " x") for number in range(1, 10))))
    assert len(pictures(render(checked(tmp_path), [tmp_path]))) == 6
    assert len(pictures(render(checked(tmp_path), [tmp_path], pictures=2))) == 2
    assert len(pictures(render(checked(tmp_path), [tmp_path], pictures=0))) == 0


def red(picture: Image.Image) -> int:
    """Return how many pixels have the colour of baselines."""
    values = picture.convert("RGB").tobytes()
    pixels = zip(values[::3], values[1::3], values[2::3], strict=True)
    return sum(1 for r, g, b in pixels if r > 150 and g < 90 and b < 90)


def test_a_picture_shows_the_line_with_its_baseline(tmp_path: Path) -> None:
    image = Image.new("RGB", (400, 300), (10, 10, 10))
    image.paste((250, 250, 250), (10, 10, 201, 61))
    image.save(tmp_path / "1.png")
    put(tmp_path, page_xml(page_line(1, " x"), image="1.png"))
    (picture,) = pictures(render(checked(tmp_path), [tmp_path]))
    # the box of 191 x 51 with 40 pixels around, where the image goes on: enlarged as far as 200 pixels of height go
    assert picture.height == 200
    assert picture.width == round((190 + 80) * 200 / (50 + 80))
    middle = picture.convert("RGB").getpixel((picture.width // 2, picture.height // 2))
    assert min(middle) > 200
    assert red(picture) > 300


def test_images_that_cannot_be_shown_are_said_and_bombs_are_not_opened(tmp_path: Path) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes(20_001) * 2_000)
    (tmp_path / "bomb.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )
    write_image(tmp_path / "cut.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:150])
    for name in ("bomb", "cut"):
        put(tmp_path, page_xml(page_line(1, " x"), image=f"{name}.png"), f"{name}.xml")
    began = time.monotonic()
    text = render(checked(tmp_path), [tmp_path])
    assert time.monotonic() - began < 20
    assert "No picture: bomb.png has 400 million pixels: too many to show." in text
    assert "No picture: cut.png cannot be opened: " in text


def test_what_files_say_is_text_and_no_markup(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>"
    name = "<img src=x onerror=alert(2)>"
    write_image(tmp_path / f"{name}.png")
    put(
        tmp_path,
        page_xml(page_line(1, f" {evil}", id="&lt;b&gt;"), image=f"{name.replace('<', '&lt;')}.png"),
        f"{name}.xml",
    )
    text = render(checked(tmp_path), [tmp_path])
    tags = Tags(text).found
    assert "script" not in [tag for tag, _ in tags]
    assert not [values for _, values in tags if any(key.startswith("on") for key in values)]
    assert evil not in text
    assert name not in text


def test_ten_thousand_problems_make_a_page_that_can_be_read(pages: Path) -> None:
    many = [
        Problem(code, CODES[code].severity, f"f0{n % 6 + 1}.xml", f"l{n % 3 + 1}", f"{n}: it has no text")
        for n in range(5_000)
        for code in ("line_without_text", "line_too_small")
    ]
    began = time.monotonic()
    text = render(checked(pages, *many), [pages])
    assert time.monotonic() - began < 30
    assert len(pictures(text)) == 12
    assert text.count("<tr>") == 2 * 2_000
    assert "5000 lines in 6 files" in text
    assert len(text) < 3_000_000


# What has changed


@pytest.fixture
def record(check: Check, pages: Path) -> Path:
    """A check of before, as a file."""
    path = Path("before.json").absolute()
    path.write_text(check(pages, "--json").out)
    return path


def since(check: Check, pages: Path, word: object) -> Any:
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


def test_since_a_check_says_what_has_changed(check: Check, pages: Path, record: Path) -> None:
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


def test_since_a_run_says_the_same(check: Check, pages: Path, planned: Callable[..., RunDir]) -> None:
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


def test_blanks_in_the_xml_are_no_change_that_training_sees(check: Check, pages: Path, record: Path) -> None:
    first = pages / "f01.xml"
    first.write_text(first.read_text() + "\n")
    assert "changed: f01.xml: the XML, but nothing that training sees" in check(pages, "--since", record).out


def test_since_a_digest_that_no_run_has(check: Check, pages: Path, record: Path) -> None:
    digest = json.loads(record.read_text())["digest"]
    assert since(check, pages, digest)["same"] is True
    other = since(check, pages, "0" * 64)
    assert (other["same"], other["pages_known"]) == (False, False)
    assert check(pages, "--since", "01234567").code == 2


@pytest.mark.parametrize("text", ["", "{}", "[1]", "pages", '{"files": [{"page": 1}], "digest": 2}', '{"files": 3}'])
def test_since_something_else_is_refused(text: str, check: Check, pages: Path, tmp_path: Path) -> None:
    (tmp_path / "record").write_text(text)
    said = check(pages, "--since", tmp_path / "record")
    assert said.code == 2
    assert "is not what `check --json` writes" in said.err
