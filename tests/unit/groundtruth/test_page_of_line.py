"""The page of a line by the name of its image: told where it is certain, and not guessed where it is not."""

from __future__ import annotations

import pytest

from htr_exp.groundtruth.page_of_line import RULES, in_order, page_of


@pytest.mark.parametrize(
    ("name", "page"),
    [
        ("book/0001/010001.bin.png", "book/0001"),
        ("0001/01000A.png", "0001"),
        ("0012__003__block.png", "0012"),
        ("sub/name_r1_l3.png", "sub/name"),
        ("name_r1l3.png", "name"),
        ("my_page_region_1_line_2.png", "my_page"),
        ("0012_c1_l3.png", "0012"),
        ("p12_A_r1_l3.png", "p12_A"),
        ("0012_l3.png", "0012"),
        ("ms_7_p12_line_3.jpg", "ms_7_p12"),
        ("img_12_l_3.png", "img_12"),
        ("0012-03.png", "0012"),
        ("12v_3.bin.png", "12v"),
        ("ms_fol12v_03.png", "ms_fol12v"),
        ("ms.7_p1_l1.png", "ms.7_p1"),
    ],
)
def test_the_page_is_told(name: str, page: str) -> None:
    assert page_of(name) == page


@pytest.mark.parametrize(
    "name",
    [
        "000201.png",
        "lines/000201.png",  # a folder of no number
        "line_0001.png",  # of a whole book
        "toebler_0003.png",
        "0012_1_03.png",  # page 0012 and region 1, or page 1 of 0012
        "p12_A_03.png",  # a part of a page
        "p12_A_l3.png",
        "2020-01-15_003.png",
        "incipit.png",
        "_l3.png",
    ],
)
def test_what_may_part_a_page_or_is_not_there_tells_none(name: str) -> None:
    assert page_of(name) is None


def test_every_rule_has_an_example_that_it_fits() -> None:
    assert all(page_of(example) for example, _ in RULES)


def test_lines_are_in_the_order_of_their_numbers() -> None:
    names = ["a2b10.png", "a2b9.png", "a10.png", "b1.png", "a2.png"]
    assert sorted(names, key=in_order) == ["a2.png", "a2b9.png", "a2b10.png", "a10.png", "b1.png"]
