"""The real sets: pages, lines and characters as counted by others, and the defects of the dirty ones."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from helpers.real_data import only
from htr_exp.groundtruth.examine import examine_folders, summary
from htr_exp.groundtruth.xml import read_page
from htr_exp.groundtruth.xml_for_kraken import staged_xml

CLEAN = {
    "demo/alto-hours-sbb25": (17, 237, 5487),
    "demo/page-foral-santarem-1347": (10, 231, 10782),
    "dev/alto-canonlaw-bnf-lat-12270": (5, 517, 14897),
    "dev/alto-bnf-lat-17901": (10, 467, 18571),
    "dev/alto-bnf-nal-730": (4, 285, 14632),
    "dev/page-forais": (48, 1721, 79225),
}
# Start of the folder's name: pages and lines used, errors, dropped; warnings by the lines (or files) that they are about, among others.
DIRTY = {
    "01": (10, 185, {"image_claimed_twice": 10}, {}, {"image_without_xml": 1}),
    "02": (3, 151, {"image_claimed_twice": 3}, {}, {"file_name_unusual": 1}),
    "03": (6, 160, {"image_claimed_twice": 6}, {"line_without_text": 4, "not_ground_truth": 2},
           {"image_elsewhere": 6, "text_with_outer_space": 276, "text_with_odd_space": 58, "file_name_unusual": 1}),
    "07": (0, 0, {"image_missing": 8}, {"line_without_text": 530}, {}),
    "09": (14, 865, {}, {}, {"image_twice": 3}),
    "12": (2, 242, {}, {"duplicate_line_id": 1, "line_without_polygon": 1, "line_without_text": 2},
           {"kraken_reads_otherwise": 1}),
}  # fmt: skip


@pytest.mark.parametrize("name", CLEAN)
def test_clean_sets_are_used_whole(name: str, real_data: Path) -> None:
    dataset = examine_folders([real_data / name])
    assert (len(dataset.pages), dataset.lines, dataset.characters) == CLEAN[name]
    assert not dataset.errors
    assert not dataset.dropped
    assert dataset.read == {"pages": len(dataset.pages), "lines": dataset.lines}


@pytest.mark.parametrize("name", CLEAN)
def test_staged_pages_of_clean_sets_read_back_the_same(name: str, real_data: Path, tmp_path: Path) -> None:
    for page in examine_folders([real_data / name]).pages:
        (tmp_path / "staged.xml").write_bytes(staged_xml(page))
        assert read_page(tmp_path / "staged.xml").lines == read_page(page.xml).lines


@pytest.mark.parametrize("start", DIRTY)
def test_defects_of_dirty_sets_are_found(start: str, real_data: Path) -> None:
    dataset = examine_folders([only(real_data, f"dirty/{start}-*")])
    pages, used, errors, dropped, warnings = DIRTY[start]
    assert (len(dataset.pages), dataset.lines) == (pages, used)
    assert (summary(dataset.errors), summary(dataset.dropped)) == (errors, dropped)
    lines: Counter[str] = Counter()
    for problem in dataset.warnings:
        lines[problem.code] += problem.count
    assert warnings.items() <= lines.items()
    if start == "12":
        (tiny,) = (problem for problem in dataset.dropped if problem.code == "line_without_polygon")
        assert "white space only" in tiny.message
        (read,) = (problem.message for problem in dataset.warnings if problem.code == "kraken_reads_otherwise")
        assert "1 line has the id of a later one" in read.partition("kraken 7.1")[2]
    if start == "02":
        (name,) = (problem.message for problem in dataset.warnings if problem.code == "file_name_unusual")
        assert "letters beyond ASCII" in name
