"""Numbers and outlines beyond all measure are errors of the check, or no numbers: never a traceback, never minutes."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from helpers.bounded import PLAIN, codes_of, examined
from helpers.page_files import alto_line, alto_xml, page_line, page_xml, put, write_image
from htr_exp.core.task import RECOGNITION, SEGMENTATION, Task
from htr_exp.groundtruth.examine import examine_folders
from htr_exp.groundtruth.page_scan import MOST_CROSSING
from htr_exp.groundtruth.parse import MOST_POINTS

MANY = " ".join(f"{number % 380},{number % 290}" for number in range(MOST_POINTS + 1))
ENOUGH = MANY.rpartition(" ")[0]
ENDLESS = "9" * 100_000
NUMBERS = [
    "0",
    "-1",
    "1e400",
    "-1e400",
    "1e300",
    "nan",
    "inf",
    "1" * 25,
    ENDLESS,
    f"-{ENDLESS}",
    f"0.{ENDLESS}",
    f"1e{ENDLESS}",
    "٣",
    "",
    "1_0",
]


def errors(folder: Path, xml: str, task: Task = RECOGNITION) -> list[tuple[str, str, tuple[str, ...]]]:
    """Code, file and ids of the errors of one page."""
    write_image(folder / "1.jpg")
    put(folder, xml)
    found = examine_folders([folder], task=task)
    return [(one.code, one.file, one.lines) for one in found.problems if one.severity == "error"]


@pytest.mark.parametrize("outline", ["coords", "baseline"])
def test_a_line_with_too_many_points_is_an_error_with_its_id(outline: str, tmp_path: Path) -> None:
    lines = page_line(1) + page_line(2, **{outline: MANY})
    assert errors(tmp_path, page_xml(lines)) == [("too_many_points", "1.xml", ("l2",))]


def test_as_many_points_as_are_allowed_are_no_error(tmp_path: Path) -> None:
    assert errors(tmp_path, page_xml(page_line(1) + page_line(2, baseline=ENOUGH))) == []


@pytest.mark.parametrize("outline", ["BASELINE", "POINTS"])
def test_alto_has_the_same_bound(outline: str, tmp_path: Path) -> None:
    much = (
        alto_line(2).replace('BASELINE="10 50 100 52 200 50"', 'BASELINE="MUCH"')
        if outline == "BASELINE"
        else alto_line(2)
    )
    much = much.replace('POINTS="10 10 10 60 200 60 200 10"', 'POINTS="MUCH"') if outline == "POINTS" else much
    xml = alto_xml(alto_line(1) + much.replace("MUCH", MANY.replace(",", " ")))
    assert errors(tmp_path, xml) == [("too_many_points", "1.xml", ("l2",))]


@pytest.mark.parametrize(("points", "refused"), [(MOST_CROSSING, False), (MOST_CROSSING + 1, True)])
def test_a_region_that_crosses_itself_too_often_is_an_error(points: int, refused: bool, tmp_path: Path) -> None:
    """Scoring takes the parts of such a region: 800 points at random took four seconds, 2,500 more than a minute."""
    chance = random.Random(0)
    crossed = " ".join(f"{chance.randrange(400)},{chance.randrange(300)}" for _ in range(points))
    found = errors(tmp_path, page_xml(page_line(1)).replace("0,0 0,200 300,200 300,0", crossed), SEGMENTATION)
    assert found == ([("too_many_points", "1.xml", ("r1",))] if refused else [])


@pytest.mark.seconds
@pytest.mark.parametrize("repeat", ["10,10 200,60 ", "10,10 200,60 201,60 "])
def test_an_outline_that_goes_to_and_fro_is_refused_at_once(repeat: str, folder: Path) -> None:
    """shapely took 102 seconds for 400,000 points."""
    write_image(folder / "bad.jpg", 90)
    put(
        folder,
        PLAIN.replace("10,10 10,60 200,60 200,10", repeat * 200_000).replace(
            "0,0 0,200 300,200 300,0", repeat * 200_000
        ),
        "bad.xml",
    )
    found = examined(folder, seconds=20)
    assert "too_many_points" in codes_of(found)


@pytest.mark.parametrize("number", NUMBERS)
def test_any_number_in_a_page_is_read_or_no_number(number: str, tmp_path: Path) -> None:
    """int() refuses more than 4,300 digits, and what struct packs has eight bytes."""
    write_image(tmp_path / "1.jpg")
    of_page = page_line(2, coords=f"{number},1 2,{number} 3,3 {number},{number}") + page_line(
        3, baseline=f"1,{number} {number},2"
    )
    of_page += page_line(4, custom=f"readingOrder {{index:{number};}} structure {{type:a;}}")
    of_page = page_xml(page_line(1) + of_page).replace('imageWidth="400"', f'imageWidth="{number}"')
    of_alto = alto_xml(alto_line(1) + alto_line(2).replace("10 50", f"{number} {number}"))
    box = f'<TextBlock ID="r2" HPOS="{number}" VPOS="1" WIDTH="{number}" HEIGHT="{number}">{alto_line(3)}</TextBlock></PrintSpace>'
    of_alto = of_alto.replace("</PrintSpace>", box).replace('WIDTH="400"', f'WIDTH="{number}"')
    for xml in (of_page, of_alto):
        put(tmp_path, xml)
        for task in (RECOGNITION, SEGMENTATION):
            found = examine_folders([tmp_path], task=task)
            assert all(len(one.message) < 1000 for one in found.problems)
            assert found.lines >= 1
