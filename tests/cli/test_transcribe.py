"""`transcribe`: what is written of pages, what is not written twice, and what is said of pages that fail.

kraken is a fake that plays what the real one does not do on demand; the last test is with the real one.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from helpers.disks import small_disk
from helpers.fake_kraken import Scenario
from helpers.folders import DEMO
from helpers.in_process import Call, Said, in_process
from helpers.page_files import make_pages, page_line, page_xml, put, write_image
from helpers.waiting import until
from htr_exp.groundtruth.xml import read_page

pytestmark = pytest.mark.seconds


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    return in_process(capsys)


@pytest.fixture
def words(workspace: Path, fake_kraken: Path, base_model: Path, base_segmenter: Path) -> list[str]:
    """Those that say with what is read."""
    return [
        "model=file", f"model.path={base_model}", "segmentation_model=file", f"segmentation_model.path={base_segmenter}",
        f"runtime.ketos={fake_kraken}", "training.device=cpu",
    ]  # fmt: skip


@pytest.fixture
def transcribe(call: Call, words: list[str], tmp_path: Path) -> Callable[..., Said]:
    return lambda *more: call("transcribe", *words, "--out", tmp_path / "out", "--json", *more)


def ids(file: Path) -> list[str]:
    return [line.id for line in read_page(file).lines]


def test_lines_of_files_are_kept_and_those_of_images_are_found(transcribe, pages: Path, tmp_path: Path) -> None:
    write_image(pages / "loose.jpg")
    put(pages, page_xml("", image="empty.jpg"), "empty.xml")
    write_image(pages / "empty.jpg")
    said = transcribe(pages)
    assert said.code == 0
    assert said.json == {"pages": 8, "before": 0, "failed": [], "without_lines": [], "out": str(tmp_path / "out")}
    out = tmp_path / "out"
    assert ids(out / "f01.xml") == ["l1", "l2", "l3"]
    assert ids(out / "loose.xml") == ids(out / "empty.xml") == ["of_kraken"]
    assert read_page(out / "f01.xml").image_name == "f01.png"
    content = (out / "loose.xml").read_text()
    for what in ("htr_exp 0.1.0", "kraken 7.1.1", "base (sha256 ", "base_layout (sha256 "):
        assert f'value="{what}' in content
    assert "base_layout" not in (out / "f01.xml").read_text()
    assert not (out / ".htr_exp" / "work").exists()


def test_all_or_no_lines_are_found_where_that_is_asked_for(transcribe, pages: Path, tmp_path: Path) -> None:
    write_image(pages / "loose.jpg")
    never = transcribe(pages, "--segment", "never")
    assert (never.code, never.json["pages"]) == (1, 6)
    assert [one["page"] for one in never.json["failed"]] == ["loose.jpg"]
    everything = transcribe(pages, "--segment", "all", "--out", tmp_path / "all")
    assert everything.json["pages"] == 7
    assert ids(tmp_path / "all" / "f01.xml") == ["of_kraken"]


def test_a_text_is_written_whole(transcribe, pages: Path, tmp_path: Path) -> None:
    assert transcribe(pages, "--format", "text", "--jobs", 1).code == 0
    assert len((tmp_path / "out" / "f06.txt").read_text().splitlines()) == 3


def test_pages_that_are_done_are_not_done_again_even_where_they_were_corrected(
    transcribe, pages: Path, tmp_path: Path, scenario: Scenario
) -> None:
    assert transcribe(pages / "f01.xml", pages / "f02.png").json["pages"] == 2
    corrected = tmp_path / "out" / "f01.xml"
    corrected.write_text(corrected.read_text().replace("in princ", "In princ"))
    before, calls = corrected.read_bytes(), len(scenario.calls("ocr"))
    again = transcribe(pages / "f01.xml", pages / "f02.png")
    assert (again.code, again.json["pages"], again.json["before"]) == (0, 0, 2)
    assert (corrected.read_bytes(), len(scenario.calls("ocr"))) == (before, calls)


@pytest.mark.parametrize(
    ("play", "why"),
    [
        ({"ocr_missing_page": "verbum 2"}, "no such luck"),
        ({"ocr_killed_page": "f02"}, "exit code -9"),
        ({"ocr_half_page": "f02"}, "not well-formed"),
    ],
)
def test_a_page_that_fails_is_named_with_why_and_the_others_are_done(
    play: dict[str, str], why: str, transcribe, pages: Path, tmp_path: Path, scenario: Scenario
) -> None:
    scenario.play(**{key: part.replace("verbum 2", "f02") for key, part in play.items()})
    said = transcribe(pages, "--jobs", 2)
    assert (said.code, said.json["pages"]) == (1, 5)
    ((page, reason),) = [(one["page"], one["why"]) for one in said.json["failed"]]
    assert page == "f02"
    assert why in reason
    scenario.play()
    again = transcribe(pages)
    assert (again.code, again.json["pages"], again.json["before"]) == (0, 1, 5)


def test_images_that_are_none_and_files_without_their_image_fail_alone(transcribe, pages: Path) -> None:
    (pages / "bad.jpg").write_text("no image")
    put(pages, page_xml(page_line(), image="gone.jpg"), "lost.xml")
    put(pages, "<x/>", "odd.xml")
    said = transcribe(pages)
    assert (said.code, said.json["pages"]) == (1, 6)
    assert [one["page"] for one in said.json["failed"]] == ["bad", "lost.xml", "odd.xml"]
    assert "gone.jpg" in said.json["failed"][1]["why"]


def test_a_kraken_that_cannot_start_at_all_fails_every_page_once(transcribe, pages: Path, scenario: Scenario) -> None:
    scenario.play(fail="ocr", message="RuntimeError: this model is for another kraken")
    said = transcribe(pages, "--jobs", 2)
    assert (said.code, said.json["pages"], len(said.json["failed"])) == (1, 0, 6)
    assert all("another kraken" in one["why"] for one in said.json["failed"])
    assert len(scenario.calls("ocr")) == 2


def test_what_was_transcribed_from_something_else_is_left_alone(transcribe, pages: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    transcribe(pages / "f01.xml")
    before = (out / "f01.xml").read_bytes()
    put(pages, page_xml(page_line(7), image="f01.png"), "f01.xml")
    put(out, "mine", "f02.xml")
    said = transcribe(pages)
    assert (said.code, said.json["pages"]) == (1, 4)
    assert ["have changed" in one["why"] for one in said.json["failed"]] == [True, False]
    assert ((out / "f01.xml").read_bytes(), (out / "f02.xml").read_text()) == (before, "mine")


def test_one_folder_has_pages_of_one_model_and_one_form(transcribe, pages: Path, tmp_path: Path) -> None:
    assert transcribe(pages / "f01.xml").code == 0
    other = transcribe(pages, "--format", "text")
    assert other.code == 2
    assert "form: page then, text now; write these pages into another folder" in other.err
    assert not (tmp_path / "out" / "f02.txt").exists()


def test_the_output_folder_may_lie_among_the_pages(transcribe, pages: Path) -> None:
    for written in (6, 0):
        assert transcribe(pages, "--out", pages / "read").json["pages"] == written


def test_folders_within_folders_keep_their_names(transcribe, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        make_pages(tmp_path / "book" / folder, pages=1)
    assert transcribe(tmp_path / "book").json["pages"] == 2
    assert (tmp_path / "out" / "b" / "f01.xml").exists()
    assert transcribe(tmp_path / "book" / "a", tmp_path / "book" / "b", "--out", tmp_path / "two").json["pages"] == 2
    assert (tmp_path / "two" / "a" / "f01.xml").exists()


def test_a_zip_is_unpacked(transcribe, pages: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as packed:
        for file in pages.iterdir():
            packed.write(file, file.name)
    assert transcribe(tmp_path / "export.zip").json["pages"] == 6
    assert ids(tmp_path / "out" / "f06.xml") == ["l1", "l2", "l3"]


def test_everything_that_is_wrong_is_said_at_once(call: Call, transcribe, pages: Path, tmp_path: Path) -> None:
    lacking = call("transcribe")
    assert lacking.code == 2
    for what in ("--out is missing", "no page is named", "model= is missing"):
        assert what in lacking.err
    shutil.copy(pages / "f01.png", pages / "F01.jpg")
    put(pages, page_xml(page_line(), image="F01.jpg"), "F01.xml")
    wrong = transcribe(pages, "nowhere.jpg", "model.path=no.mlmodel")
    assert wrong.code == 2
    for what in ("nowhere.jpg: there is no such file", "would be written into one file", "no.mlmodel"):
        assert what in wrong.err
    assert not (tmp_path / "out").exists()


def test_a_segmenter_is_no_recogniser(transcribe, pages: Path, base_segmenter: Path) -> None:
    said = transcribe(pages, f"model.path={base_segmenter}")
    assert said.code == 2
    assert "transcribe needs a recognition model" in said.err


def test_last_is_the_newest_model_of_the_workspace(
    call: Call, words: list[str], planned, pages: Path, tmp_path: Path
) -> None:
    rest = [word for word in words if not word.startswith("model")]
    none = call("transcribe", "model=last", *rest, pages, "--out", tmp_path / "out")
    assert (none.code, "no run in" in none.err) == (2, True)
    run = planned()
    shutil.copy(tmp_path / "base.mlmodel", run.best)
    said = call("transcribe", "model=last", *rest, pages, "--out", tmp_path / "out", "--json")
    assert (said.code, said.json["pages"]) == (0, 6)
    assert f"{run.name}" in (tmp_path / "out" / "f01.xml").read_text()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_what_is_ended_in_the_middle_goes_on_where_it_was(
    how: signal.Signals, words: list[str], pages: Path, tmp_path: Path, scenario: Scenario, transcribe
) -> None:
    scenario.play(ocr_seconds=0.5)
    out = tmp_path / "out"
    started = subprocess.Popen(
        [sys.executable, "-m", "htr_exp", "transcribe", *words, pages, "--out", out, "--jobs", "1"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    until(lambda: (out / "f02.xml").exists(), "two pages to be written")
    started.send_signal(how)
    _, said = started.communicate()
    (pid,) = scenario.pids()[-1:]
    until(lambda: not alive(pid), "kraken to end")
    if how == signal.SIGINT:
        assert started.returncode == 130
        assert "the same command goes on" in said
    scenario.play()
    done = len(list(out.glob("*.xml")))
    again = transcribe(pages)
    assert (again.json["pages"], again.json["before"]) == (6 - done, done)
    pages_noted = [json.loads(line)["page"] for line in (out / ".htr_exp" / "pages.jsonl").read_text().splitlines()]
    assert sorted(pages_noted) == sorted({*pages_noted})


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def test_the_real_kraken_keeps_the_lines_of_a_page(call: Call, workspace: Path, tmp_path: Path) -> None:
    xml = min((DEMO / "pages").glob("*.xml"))
    page = read_page(xml)
    for file in (xml, xml.parent / page.image_name):
        shutil.copy(file, tmp_path)
    said = call(
        "transcribe", "model=demo", tmp_path / xml.name, "--out", tmp_path / "out", "--json", "training.device=cpu"
    )
    assert (said.code, said.json["pages"]) == (0, 1), said.err
    read = read_page(tmp_path / "out" / xml.name)
    assert [line.id for line in read.lines] == [line.id for line in page.lines]
    assert any(line.text for line in read.lines)
    assert read.image_name == page.image_name


def pdf(path: Path, pages: int = 2) -> Path:
    first, *others = (Image.new("RGB", (60, 80), (number, 0, 0)) for number in range(pages))
    first.save(path, save_all=True, append_images=others, resolution=72.0)
    return path


def test_the_pages_of_a_pdf_become_images_beside_what_is_written(transcribe, tmp_path: Path) -> None:
    book = pdf(tmp_path / "book.pdf")
    assert transcribe(book).json["pages"] == 2
    out = tmp_path / "out"
    assert sorted(path.name for path in out.iterdir() if path.is_file()) == [
        "book-0001.png", "book-0001.xml", "book-0002.png", "book-0002.xml",
    ]  # fmt: skip
    with Image.open(out / "book-0002.png") as drawn:
        assert drawn.size == (251, 334)  # 300 to the inch
    assert transcribe(book).json == {"pages": 0, "before": 2, "failed": [], "without_lines": [], "out": str(out)}


def test_a_pdf_that_cannot_be_opened_is_named(transcribe, tmp_path: Path) -> None:
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.4 cut")
    said = transcribe(tmp_path / "broken.pdf")
    assert said.code == 2
    assert f"{tmp_path / 'broken.pdf'}: it is no PDF that can be read" in said.err


def test_a_full_disk_is_said_and_the_same_command_goes_on(transcribe, pages: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", "size=128k") as disk:
        (disk / "filler").write_bytes(b"x" * 100_000)
        said = transcribe(pages, "--out", disk / "out", "--jobs", 1)
        assert said.code != 0
        assert "Traceback" not in said.err
        assert "disk or the quota is full" in said.err + said.out
        (disk / "filler").unlink()
        again = transcribe(pages, "--out", disk / "out", "--jobs", 1)
        assert (again.code, again.json["pages"] + again.json["before"]) == (0, 6)


def test_where_there_is_no_terminal_it_says_now_and_then_how_far_it_is(
    transcribe, pages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("htr_exp.cli.transcribe.SPARSE_S", 0.0)
    assert re.search(r"[1-6] of 6 pages written, 0 failed; \d+ pages an hour", transcribe(pages).err)
