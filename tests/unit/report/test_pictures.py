"""The small pictures of a report, kept in the run folder."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from helpers.page_files import page_line, page_xml, put, write_image
from helpers.reports import figures, scored_run
from htr_exp.core.files import read_jsonl
from htr_exp.report.contents import THUMBNAILS, wanted_pictures
from htr_exp.report.lines import LINES
from htr_exp.report.pictures import MOST_BASE64, PageFiles, Shown, keep_pictures, kept_pictures
from htr_exp.runs.run_dir import RunDir


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    (tmp_path / "run").mkdir()
    return RunDir(tmp_path / "run")


@pytest.fixture
def page(tmp_path: Path) -> PageFiles:
    write_image(tmp_path / "p.png", shade=90)
    put(tmp_path, page_xml(page_line(1) + page_line(2), image="p.png"), "p.xml")
    return PageFiles(tmp_path / "p.xml", tmp_path / "p.png")


def test_pictures_are_kept_by_page_and_line(run: RunDir, page: PageFiles) -> None:
    keep_pictures(run, [("p", "l2"), ("p", None)], lambda name: page, upright=True)
    found = kept_pictures(run)
    assert set(found) == {("p", "l2"), ("p", None)}
    for one in found.values():
        data = base64.b64decode(one.uri.removeprefix("data:image/jpeg;base64,"))
        assert Image.open(io.BytesIO(data)).format == "JPEG"
        assert len(one.uri) < MOST_BASE64 / 4


def test_what_cannot_be_shown_says_why(run: RunDir, page: PageFiles, tmp_path: Path) -> None:
    gone = PageFiles(tmp_path / "gone.xml", tmp_path / "gone.png")
    places = {"p": page, "gone": gone, "no xml": PageFiles(gone.staged, page.image)}
    keep_pictures(
        run, [("p", "l9"), ("gone", "l1"), ("gone", None), ("no xml", "l1")], places.__getitem__, upright=True
    )
    assert kept_pictures(run) == {
        ("p", "l9"): Shown(said="the line was not found again"),
        ("gone", "l1"): Shown(said="the line was not found again"),
        ("gone", None): Shown(said="gone.png cannot be opened: No such file or directory"),
        ("no xml", "l1"): Shown(said="the line was not found again"),
    }


def test_a_run_without_pictures_has_none(run: RunDir) -> None:
    assert kept_pictures(run) == {}
    keep_pictures(run, [], lambda name: PageFiles(run.path, run.path), upright=True)
    assert read_jsonl(run.pictures) == []


def test_the_worst_lines_and_the_first_pages_are_wanted(tmp_path: Path) -> None:
    split = {side: [{"page": f"{side}{n:02}", "lines": 2} for n in range(20)] for side in ("train", "test")}
    lines = [
        {"page": f"test{n:02}", "line": "l", "reference": "abc" * 9, "base": None, "best": "abc" * 9 + "x" * (20 - n)}
        for n in range(20)
    ]
    results: dict[str, Any] = {"test": {"base": figures(1, 2), "best": figures(1, 2)}}
    wanted = wanted_pictures(RunDir(scored_run(tmp_path / "r", results, lines=lines, split=split)))
    assert [key for key in wanted if key[1]] == [(f"test{n:02}", "l") for n in range(LINES)]
    assert [key[0] for key in wanted if not key[1]] == [
        f"{side}{n:02}" for side in ("test", "train") for n in range(THUMBNAILS)
    ]
