"""Several files of one image: which is used where there is nothing to choose, and what is offered where there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.page_files import page_line, page_xml, put, write_image
from htr_exp.core.task import SEGMENTATION
from htr_exp.groundtruth.examine import examine_folders, summary


@pytest.mark.parametrize(
    ("files", "setting"),
    [
        ({"alto/1.xml": 1, "page/1.xml": 2}, "dataset.exclude='alto/*'"),
        ({"alto/1.xml": 2, "page/1.xml": 1}, "dataset.exclude='page/*'"),
        ({"alto/1.xml": 2, "page/1.xml": 2}, "dataset.exclude='page/*'"),
        ({"1.xml": 1, "page/1.xml": 2}, "dataset.pattern='page/*'"),
        ({"gt/1.xml": 1, "gt/page/1.xml": 2}, "dataset.pattern='gt/page/*'"),
        ({"gt/1.xml": 2, "gt/page/1.xml": 1}, "dataset.exclude='gt/page/*'"),
    ],
)
def test_of_two_files_of_an_image_the_one_with_fewer_lines_is_offered_to_be_left_out(
    files: dict[str, int], setting: str, tmp_path: Path
) -> None:
    write_image(tmp_path / "1.jpg")
    for name, lines in files.items():
        put(tmp_path, page_xml("".join(map(page_line, range(1, lines + 1)))), name)
    (problem,) = examine_folders([tmp_path]).errors
    assert problem.message.endswith(f"e.g. {setting}")
    key, _, glob = setting.partition("=")
    chosen = {"exclude": [glob.strip("'")]} if key.endswith("exclude") else {"pattern": glob.strip("'")}
    assert examine_folders([tmp_path], **chosen).lines == max(files.values())


UNUSABLE = page_xml(page_line(1, "") + page_line(2, baseline=None))


@pytest.mark.parametrize(
    ("files", "page", "left"),
    [
        ({"a.xml": UNUSABLE, "b.xml": page_xml(page_line())}, "b.xml", ["a.xml"]),
        ({"a.xml": page_xml(page_line()), "b.xml": UNUSABLE}, "a.xml", ["b.xml"]),
        ({"a.xml": page_xml(""), "b.xml": UNUSABLE, "c.xml": page_xml(page_line())}, "c.xml", ["a.xml", "b.xml"]),
        ({"a.xml": page_xml(""), "b.xml": UNUSABLE}, None, ["a.xml", "b.xml"]),
    ],
)
def test_a_file_of_which_nothing_can_be_used_leaves_its_image_to_another(
    files: dict[str, str], page: str | None, left: list[str], tmp_path: Path
) -> None:
    write_image(tmp_path / "1.jpg")
    for name, xml in files.items():
        put(tmp_path, xml, name)
    dataset = examine_folders([tmp_path])
    assert [found.name for found in dataset.pages] == ([page] if page else [])
    dropped = {problem.file: problem.message for problem in dataset.dropped if problem.code == "page_without_text"}
    assert list(dropped) == left
    assert all(f"{page} describes its image" in said for said in dropped.values()) or not page
    assert summary(dataset.errors) == ({} if page else {"no_pages": 1})
    assert "image_without_xml" not in summary(dataset.problems)
    assert sum(
        problem.code.startswith("line_without_") and problem.severity == "dropped" for problem in dataset.problems
    ) == (dataset.read["lines"] - dataset.lines)


def test_for_segmentation_a_file_of_regions_and_one_of_lines_are_a_choice(tmp_path: Path) -> None:
    write_image(tmp_path / "1.jpg")
    put(tmp_path, page_xml(""), "a.xml")
    put(tmp_path, page_xml(page_line()), "b.xml")
    assert summary(examine_folders([tmp_path], task=SEGMENTATION).errors) == {"image_claimed_twice": 1}
