"""Regions: areas that agree, regions found one by one, and shapes of every kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from htr_exp.groundtruth.model import Points, Region
from htr_exp.scoring.layout.model import Layout, PagePair
from htr_exp.scoring.layout.score import score_page, score_pages


def box(left: int, top: int, right: int, bottom: int) -> Points:
    return (left, top), (right, top), (right, bottom), (left, bottom)


def region(polygon: Points, kind: str | None = "text") -> Region:
    return Region("", kind, polygon)


def figures(*pages: tuple[Sequence[Region], Sequence[Region]]) -> dict[str, Any]:
    pairs = [
        PagePair(str(number), Layout((), tuple(reference)), Layout((), tuple(hypothesis)))
        for number, (reference, hypothesis) in enumerate(pages)
    ]
    return score_pages(pairs).to_json()


def shown(record: dict[str, object]) -> tuple[object, ...]:
    return tuple(record[f"region_{key}"] for key in ("iou", "iou_any", "ap50", "map"))


WHOLE = region(box(0, 0, 100, 100))
LEFT = region(box(0, 0, 80, 100))  # four fifths of it


def test_regions_predicted_as_they_are_have_full_score() -> None:
    nested = [WHOLE, region(box(10, 10, 50, 50)), region(box(5, 5, 20, 20), "initial"), WHOLE]
    assert shown(figures((nested, nested))) == (1, 1, 1, 1)


def test_four_fifths_of_a_region_are_found_up_to_that_threshold() -> None:
    assert shown(figures(([WHOLE], [LEFT]))) == pytest.approx((0.8, 0.8, 1.0, 0.7))  # .50 to .80 of ten


def test_without_confidence_the_average_precision_is_precision_times_recall() -> None:
    reference = [WHOLE, region(box(200, 0, 300, 100)), region(box(400, 0, 500, 100))]
    hypothesis = [WHOLE, region(box(200, 0, 300, 100)), region(box(0, 500, 100, 600)), region(box(200, 500, 300, 600))]
    found = figures((reference, hypothesis))
    assert found["region_ap50"] == pytest.approx(2 / 3 * 2 / 4)
    assert found["region_iou"] == pytest.approx(2 / 5)
    assert (found["regions"], found["regions_predicted"]) == (3, 4)


def test_a_region_is_found_once() -> None:
    assert figures(([WHOLE], [WHOLE, LEFT]))["region_ap50"] == pytest.approx(0.5)
    halves = [region(box(0, 0, 60, 100)), region(box(60, 0, 100, 100))]
    assert figures((halves, [WHOLE]))["region_ap50"] == pytest.approx(1 / 2)


def test_areas_count_once_however_many_regions_cover_them() -> None:
    assert shown(figures(([WHOLE], [WHOLE, LEFT])))[:2] == (1, 1)


def test_figures_are_pooled_over_pages_and_then_averaged_over_the_types_of_the_truth() -> None:
    small, other = region(box(0, 0, 10, 10)), region(box(0, 0, 10, 10), "initial")
    found = figures(([WHOLE, other], [WHOLE]), ([small], [region(box(500, 0, 510, 10))]))
    assert found["classes"]["regions"] == {
        "initial": {"iou": 0, "ap50": 0, "map": 0, "regions": 1, "regions_predicted": 0},
        "text": {"iou": 10_000 / 10_200, "ap50": 0.25, "map": 0.25, "regions": 2, "regions_predicted": 2},
    }
    assert found["region_iou"] == pytest.approx(10_000 / 10_200 / 2)
    assert found["region_ap50"] == pytest.approx(0.125)


def test_types_decide_but_for_the_figure_regardless_of_them() -> None:
    found = figures(([WHOLE], [region(WHOLE.polygon, "margin")]))
    assert shown(found) == (0, 1, 0, 0)
    assert found["classes"]["regions"]["margin"] == {
        "iou": 0,
        "ap50": None,
        "map": None,
        "regions": 0,
        "regions_predicted": 1,
    }


def test_a_type_that_the_truth_does_not_have_is_in_no_mean() -> None:
    assert shown(figures(([WHOLE], [WHOLE, region(box(200, 0, 300, 100), "margin")]))) == (1, 0.5, 1, 1)


def test_a_region_without_type_is_of_the_default_type() -> None:
    found = figures(([region(WHOLE.polygon, None)], [region(WHOLE.polygon, "default")]))
    assert list(found["classes"]["regions"]) == ["default"]
    assert found["region_iou"] == 1


def test_empty_pages_are_decided() -> None:
    assert shown(figures(([], []))) == (None, None, None, None)
    assert shown(figures(([], [WHOLE]))) == (0, 0, 0, 0)
    assert shown(figures(([WHOLE], []))) == (0, 0, 0, 0)
    assert shown(figures()) == (None, None, None, None)


BOW_TIE = (0, 0), (100, 100), (100, 0), (0, 100)
TWICE = (*box(0, 0, 100, 100), *box(0, 0, 100, 100))
SPIKE = (*box(0, 0, 100, 100), (0, 500), (0, 100))


@pytest.mark.parametrize("odd", [BOW_TIE, TWICE, SPIKE, box(0, 0, 100, 100)[::-1]])
def test_crossing_outlines_are_compared_like_others(odd: Points) -> None:
    assert shown(figures(([region(odd)], [region(odd)]))) == pytest.approx((1, 1, 1, 1))
    assert 0 < figures(([WHOLE], [region(odd)]))["region_iou"] <= 1


def test_a_crossing_outline_covers_its_parts() -> None:
    assert figures(([WHOLE], [region(BOW_TIE)]))["region_iou"] == pytest.approx(0.5)


@pytest.mark.parametrize("flat", [(), ((1, 1),), ((1, 1), (5, 5)), ((0, 0), (5, 0), (9, 0)), ((3, 3),) * 5])
def test_regions_without_area_count_apart(flat: Points) -> None:
    found = figures(([WHOLE, region(flat)], [region(flat), WHOLE, region(flat)]))
    assert shown(found) == (1, 1, 1, 1)
    assert (found["regions"], found["regions_predicted"], found["regions_without_area"]) == (1, 1, 3)


def test_a_page_has_the_figures_of_its_own_regions() -> None:
    entry = score_page(PagePair("a", Layout((), (WHOLE,)), Layout((), (LEFT,)))).to_json()
    assert (entry["region_iou"], entry["region_map"], entry["regions"]) == pytest.approx((0.8, 0.7, 1))
