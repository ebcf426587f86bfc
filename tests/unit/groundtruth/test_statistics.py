from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from helpers.page_files import page_line, page_xml, put, write_image
from htr_exp.groundtruth.examine import examine_folders
from htr_exp.groundtruth.model import Dataset
from htr_exp.groundtruth.statistics import count_dataset


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    for number, (name, lines) in enumerate({"a/1": ["ab c", "ab"], "a/2": ["ꝑ"], "b/1": ["c c c"]}.items()):
        write_image(tmp_path / f"{name}.png", shade=number)
        drawn = "".join(
            page_line(
                n, text, baseline=f"10,50 {60 + 50 * n},50", coords=f"10,20 10,60 {60 + 50 * n},60 {60 + 50 * n},20"
            )
            for n, text in enumerate(lines, start=1)
        )
        put(tmp_path, page_xml(drawn, image=f"{Path(name).name}.png"), f"{name}.xml")
    return examine_folders([tmp_path])


def test_volumes_are_counted_in_all_and_in_each_folder(dataset: Dataset) -> None:
    found = count_dataset(dataset)
    assert found.total.to_json() == {"pages": 3, "lines": 4, "words": 7, "characters": 12, "alphabet": 5}
    assert {name: list(volume.to_json().values()) for name, volume in found.groups.items()} == {
        "a": [2, 3, 4, 7, 5],
        "b": [1, 1, 3, 5, 2],
    }
    assert found.alphabet == {"a": 2, "b": 2, "c": 4, " ": 3, "ꝑ": 1}
    assert found.types == {"DefaultLine": 4}


def test_groups_may_be_given(dataset: Dataset) -> None:
    found = count_dataset(dataset, {"a/1.xml": "one hand", "a/2.xml": "other", "b/1.xml": "one hand"})
    assert {name: volume.lines for name, volume in found.groups.items()} == {"one hand": 3, "other": 1}


def test_sizes_of_lines_are_quantiles_in_pixels(dataset: Dataset) -> None:
    found = count_dataset(dataset)
    assert (found.line_width[0.0], found.line_width[0.5], found.line_width[1.0]) == (100, 100, 150)
    assert set(found.line_height.values()) == {40.0}
    said = found.to_json()
    assert said["line_width_px"]["95%"] == 150.0
    assert said["alphabet_counts"]["U+A751"] == {"text": "ꝑ", "count": 1}
    assert said["groups"]["b"]["words"] == 3


def test_lines_without_a_polygon_have_no_height(dataset: Dataset) -> None:
    first, *others = dataset.pages
    flat = replace(first, lines=tuple(replace(line, height=0.0) for line in first.lines))
    assert count_dataset(replace(dataset, pages=(flat, *others))).line_height[0.0] == 40.0


def test_nothing_has_no_sizes() -> None:
    found = count_dataset(Dataset((), (), {"pages": 0, "lines": 0}))
    assert (found.total.lines, found.line_width, dict(found.groups)) == (0, {}, {})


def test_real_sets_have_the_figures_of_those_who_counted_before(real_data: Path) -> None:
    found = count_dataset(examine_folders([real_data / "dev/page-forais"]))
    assert (found.total.pages, found.total.lines, found.total.characters, found.total.alphabet) == (48, 1721, 79225, 77)
    assert len(found.groups) == 8
