"""Which shapes of lines kraken can cut out: what we say is what the real `ketos compile` does."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from helpers import odd_shapes
from helpers.page_files import BOX, codes, page_line, page_xml, put, write_image
from htr_exp.groundtruth.examine import examine_folders


@pytest.mark.kraken
@pytest.mark.slow
def test_kraken_reads_n_of_m_lines_of_every_shape_as_check_says(tmp_path: Path) -> None:
    pytest.importorskip("kraken", reason="needs kraken 7: pip install 'htr-exp[kraken]'")
    files = odd_shapes.write(tmp_path / "gt")
    ketos = Path(sys.executable).with_name("ketos")
    assert odd_shapes.compiled(ketos, "7.1", files, tmp_path) == odd_shapes.said(tmp_path / "gt", "7.1")


@pytest.mark.parametrize(
    ("baseline", "code"),
    [
        ("10,50 200,50 193,50", "line_turns_back"),  # the bevel of two steps meets the middle
        ("10,50 200,50 191,50", None),  # one of three steps does not
        ("10,50 200,50 176,50", None),
        ("10,50 200,50 160,50", "line_turns_back"),
        ("10,20 100,50 55,35", None),  # rounded, the directions are not quite opposite
        ("10,50 200,50 20,51", None),
    ],
)
def test_a_baseline_that_turns_back_is_dropped_only_where_kraken_fails(
    baseline: str, code: str | None, tmp_path: Path
) -> None:
    write_image(tmp_path / "1.jpg")
    put(tmp_path, page_xml(page_line(1, baseline=baseline, coords=BOX) + page_line(2)))
    found = codes(tmp_path)
    assert ("line_turns_back" in found) == (code is not None)
    assert examine_folders([tmp_path]).lines == 2 - (code is not None)


def test_lines_that_leave_the_image_are_not_among_those_that_kraken_is_said_to_read(tmp_path: Path) -> None:
    write_image(tmp_path / "1.jpg")
    lines = [page_line(1), page_line(2, coords="10,10 100,10 200,10"), page_line(3, coords="10,10 10,60 900,60")]
    put(tmp_path, page_xml("".join(lines)))
    dataset = examine_folders([tmp_path])
    (problem,) = (one for one in dataset.problems if one.code == "kraken_reads_otherwise")
    assert dataset.lines == 1
    assert "kraken 4.3 reads 2 of its 3 lines" in problem.message
    assert "kraken 7.1 reads 2 of its 3 lines" in problem.message
