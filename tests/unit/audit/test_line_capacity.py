from __future__ import annotations

from pathlib import Path

import pytest

from htr_exp.audit.line_capacity import crowded_lines, warning
from htr_exp.groundtruth.model import GroundTruthPage, UsedLine
from htr_exp.kraken.vgsl import read_network

SMALL = read_network("[1,48,0,1 Cr3,3,16 Mp2,2 Cr3,3,32 Mp2,2 S1(1x12)1,3 Lbx100 Do0.1,2]")
assert SMALL is not None


def page(*lines: tuple[str, float, float]) -> GroundTruthPage:
    used = tuple(UsedLine(n, f"l{n}", text, None, width, height) for n, (text, width, height) in enumerate(lines))
    return GroundTruthPage("p.xml", Path("p.xml"), Path("p.jpg"), "", "", 100, 100, used, "")


def test_a_line_with_more_characters_than_columns_is_found() -> None:
    # 480 wide and 48 high once it is cut out: 480 columns of pixels, 512 padded, 128 in the end
    found = crowded_lines([page(("ab" * 64, 480, 40), ("ab" * 64 + "a", 480, 40))], SMALL, pad=16)
    assert [(one.line, one.characters, one.needed, one.columns, one.certain) for one in found] == [
        ("l1", 129, 129, 128, False)
    ]


def test_a_line_that_would_not_fit_at_its_mean_height_either_is_certain() -> None:
    (found,) = crowded_lines([page(("ab" * 100, 480, 40))], SMALL, pad=16)
    assert found.certain
    assert found.to_json() == {
        "page": "p.xml", "line": "l0", "characters": 200, "needed": 200, "columns": 128, "certain": True,
    }  # fmt: skip


def test_padding_equal_letters_and_the_normal_form_count() -> None:
    line = page(("aa" * 40, 480, 40))  # 80 letters, 159 columns
    assert len(crowded_lines([line], SMALL, pad=16)) == 1
    assert crowded_lines([line], SMALL, pad=160) == ()
    marks = page(("õã" * 33, 480, 40))  # 66 composed, 132 decomposed
    assert crowded_lines([marks], SMALL, pad=16) == ()
    (found,) = crowded_lines([marks], SMALL, pad=16, normalization="NFD")
    assert (found.characters, found.needed) == (132, 132)


def test_lines_without_a_shape_are_left_alone() -> None:
    assert crowded_lines([page(("ab" * 500, 480, 0), ("ab" * 500, 0, 40))], SMALL, pad=16) == ()


def test_the_warning_names_the_worst_first() -> None:
    found = crowded_lines([page(("ab" * 66, 480, 40), ("ab" * 100, 480, 40), ("a", 480, 40))], SMALL, pad=16)
    said = warning(found, 3)
    assert said is not None
    assert said.startswith("about 2 of 3 training lines (1 for certain) have more characters than the network leaves")
    assert said.index("p.xml:l1 (200 characters, 128 columns)") < said.index("p.xml:l0")
    assert warning((), 3) is None


@pytest.mark.parametrize("text", ["a" * 64, "ab" * 32])
def test_what_fits_exactly_is_not_crowded(text: str) -> None:
    width = 4 * (127 if text == "a" * 64 else 64)  # at 40 high: 48 once cut out, so that widths stay
    assert crowded_lines([page((text, width, 40))], SMALL, pad=0) == ()
    assert len(crowded_lines([page((text, width - 4, 40))], SMALL, pad=0)) == 1
