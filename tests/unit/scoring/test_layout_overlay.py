"""What is drawn on a page: each thing in its colour, where it is, within a picture of bounded size."""

from __future__ import annotations

import pytest
from PIL import Image

from htr_exp.groundtruth.model import Line, Points, Region
from htr_exp.scoring.layout.model import Layout, PagePair
from htr_exp.scoring.layout.overlay import draw_overlay
from htr_exp.scoring.layout.relations import relate

FOUND, MISSED, INVENTED, MERGED, SPLIT = (0, 158, 115), (213, 94, 0), (0, 114, 178), (204, 121, 167), (230, 159, 0)
GREY = (110, 110, 110)
PARCHMENT = (230, 215, 180)


def line(*baseline: tuple[int, int]) -> Line:
    return Line("", baseline, (), "", None, None)


def drawn(reference: Layout, hypothesis: Layout, size: tuple[int, int] = (1200, 1000)) -> Image.Image:
    pair = PagePair("page", reference, hypothesis)
    return draw_overlay(Image.new("RGB", size, PARCHMENT), pair, relate(reference.lines, hypothesis.lines))


def layout(*lines: Line, region: Points = ()) -> Layout:
    return Layout(lines, (Region("", "text", region),) if region else ())


def colors(picture: Image.Image, box: tuple[int, int, int, int]) -> set[object]:
    return {color for _, color in picture.crop(box).getcolors(1 << 20) or ()}


REFERENCE = layout(
    line((100, 100), (500, 100)),
    line((600, 100), (1000, 100)),
    line((100, 200), (500, 200)),
    line((600, 200), (1000, 200)),
    line((100, 300), (1000, 300)),
    line((100, 400), (1000, 400)),
    region=((50, 50), (1100, 50), (1100, 900), (50, 900)),
)
HYPOTHESIS = layout(
    line((100, 100), (1000, 100)),
    line((100, 205), (500, 205)),
    line((600, 205), (1000, 205)),
    line((100, 300), (540, 300)),
    line((560, 300), (1000, 300)),
    line((100, 700), (1000, 700)),
    region=((60, 60), (1090, 60), (1090, 890), (60, 890)),
)


def test_each_line_has_the_colour_of_what_became_of_it() -> None:
    picture = drawn(REFERENCE, HYPOTHESIS)
    shown = {FOUND, MISSED, INVENTED, MERGED, SPLIT}
    for top, color in ((100, MERGED), (205, FOUND), (300, SPLIT), (400, MISSED), (700, INVENTED)):
        assert colors(picture, (150, top - 9, 450, top + 9)) & shown == {color}


def test_the_truth_is_thin_and_grey() -> None:
    picture = drawn(REFERENCE, layout())
    assert GREY in colors(picture, (40, 300, 60, 350))  # the side of the region
    below = drawn(layout(line((100, 200), (900, 200))), layout(line((100, 215), (900, 215))))
    assert sorted(below.crop((200, 190, 800, 209)).getcolors() or ()) == [(600, GREY), (600 * 18, PARCHMENT)]


def test_a_missed_line_is_not_drawn_over_the_line_that_swallowed_it() -> None:
    assert MISSED not in colors(drawn(REFERENCE, HYPOTHESIS), (90, 80, 1010, 120))


def test_the_legend_has_the_number_of_each_kind_below_the_page() -> None:
    picture = drawn(REFERENCE, HYPOTHESIS)
    assert picture.width == 1200
    assert picture.height > 1000
    assert {FOUND, MISSED, INVENTED, MERGED, SPLIT, GREY} <= colors(picture, (0, 1000, 1200, picture.height))


@pytest.mark.parametrize("size", [(6000, 4000), (3000, 9000), (1600, 1600), (5000, 20), (20, 5000), (1, 1)])
def test_the_picture_is_at_most_1600_pixels_long(size: tuple[int, int]) -> None:
    picture = drawn(REFERENCE, HYPOTHESIS, size)
    assert max(picture.width, picture.height) <= 1600
    assert picture.mode == "RGB"


def test_lines_are_scaled_with_the_page() -> None:
    large = layout(line((400, 2000), (3600, 2000)))
    picture = drawn(large, large, (4000, 3000))
    scale = picture.width / 4000
    middle = round(2000 * scale)
    assert FOUND in colors(picture, (round(1000 * scale), middle - 2, round(1010 * scale), middle + 2))


def test_the_same_page_gives_the_same_picture_and_the_image_stays_as_it_was() -> None:
    image = Image.new("L", (900, 700), 200)
    pair = PagePair("page", REFERENCE, HYPOTHESIS)
    found = relate(REFERENCE.lines, HYPOTHESIS.lines)
    assert draw_overlay(image, pair, found).tobytes() == draw_overlay(image, pair, found).tobytes()
    assert image.getcolors() == [(630_000, 200)]


@pytest.mark.parametrize(
    "odd", [((5, 5),), ((5, 5), (5, 5)), ((1 << 31, 0), (-(1 << 31), 900)), ((-50, -50), (-9, -9)), ((0, 0), (0, 999))]
)
def test_odd_lines_and_regions_are_drawn_as_far_as_they_can_be_seen(odd: Points) -> None:
    for reference, hypothesis in (
        (layout(line(*odd), region=odd), layout()),
        (layout(), layout(line(*odd), region=odd)),
        (layout(line(*odd)), layout(line(*odd), line(), region=odd)),
    ):
        drawn(reference, hypothesis)
