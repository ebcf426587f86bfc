"""The score of many pages: reading order, types, means, the record, and what holds for whatever layout there is."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import htr_exp
from htr_exp.groundtruth.model import Line, Region
from htr_exp.groundtruth.xml import read_page
from htr_exp.scoring.layout.model import UNTYPED, Layout, PagePair
from htr_exp.scoring.layout.relations import relate
from htr_exp.scoring.layout.score import score_page, score_pages, worst

ROWS = (200, 300, 400, 500, 600)
DEMO = sorted(Path(htr_exp.__file__).parent.joinpath("demo", "pages").rglob("*.xml"))

FIGURES = "line_precision line_recall line_f1 line_precision_micro line_recall_micro line_f1_micro"
COUNTED = (
    "lines lines_predicted lines_found lines_missed lines_invented lines_merged lines_split lines_without_baseline"
)
REGIONS = "region_iou region_iou_any region_ap50 region_map regions regions_predicted regions_without_area"
TOP = f"{FIGURES} {COUNTED} {REGIONS} order_agreement pages classes per_page".split()
COUNTS = [key for key in TOP if key.startswith(("lines", "regions"))]


def row(y: int, kind: str | None = None) -> Line:
    return Line("", ((100, y), (1100, y)), (), "", kind, None)


def pair(reference: list[Line], hypothesis: list[Line], page: str = "page") -> PagePair:
    return PagePair(page, Layout(tuple(reference), ()), Layout(tuple(hypothesis), ()))


PAGE = [row(y) for y in ROWS]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ((0, 1, 2, 3, 4), 1),
        ((4, 3, 2, 1, 0), 0),
        ((1, 0, 2, 3, 4), 0.9),
        ((4, 0, 1, 2, 3), 0.6),
        ((0, 3), 1),
        ((3, 0), 0),
    ],
)
def test_reading_order_is_the_share_of_pairs_in_the_true_order(order: tuple[int, ...], expected: float) -> None:
    assert score_page(pair(PAGE, [PAGE[at] for at in order])).order_agreement == expected


def test_reading_order_looks_at_found_lines_alone() -> None:
    assert score_page(pair(PAGE, [row(2000), PAGE[1], row(3000), PAGE[3]])).order_agreement == 1
    assert score_page(pair(PAGE, [PAGE[1]])).order_agreement is None
    assert score_page(pair([], [])).order_agreement is None


def test_reading_order_is_the_mean_over_the_pages_that_have_one() -> None:
    result = score_pages([pair(PAGE, PAGE, "a"), pair(PAGE, PAGE[::-1], "b"), pair(PAGE, [], "c")])
    assert result.order_agreement == 0.5
    assert score_pages([pair(PAGE, [], "c")]).to_json()["order_agreement"] is None


def test_published_figures_are_means_over_pages_and_micro_ones_over_lines() -> None:
    result = score_pages(
        [pair(PAGE, PAGE[:4], "a"), pair(PAGE[:1], [PAGE[0], row(2000), row(3000), row(4000)], "b")]
    ).to_json()
    assert (result["line_precision"], result["line_recall"]) == ((1 + 1 / 4) / 2, (4 / 5 + 1) / 2)
    assert result["line_f1"] == pytest.approx(2 * 0.625 * 0.9 / 1.525)
    assert (result["line_precision_micro"], result["line_recall_micro"]) == (5 / 8, 5 / 6)
    assert result["line_f1_micro"] == pytest.approx(2 * 5 / 14)


def test_types_are_scored_as_if_there_were_no_others() -> None:
    reference = [row(200), row(300), row(400, "gloss"), row(500, "gloss")]
    hypothesis = [row(200), row(300, "gloss"), row(400, "gloss"), row(900, "rubric")]
    types = score_pages([pair(reference, hypothesis)]).to_json()["classes"]["lines"]

    def figures(name: str) -> list[float]:
        found = types[name]
        return [found["precision"], found["recall"], found["lines"], found["lines_predicted"], found["lines_found"]]

    assert list(types) == [UNTYPED, "gloss", "rubric"]
    assert figures(UNTYPED) == [1, 0.5, 2, 1, 1]
    assert figures("gloss") == [0.5, 0.5, 2, 2, 1]
    assert figures("rubric") == [0, 1, 0, 1, 0]


def test_tolerances_are_those_of_the_whole_page_whatever_the_type() -> None:
    reference = [row(200), row(240, "gloss"), row(300)]
    types = score_pages([pair(reference, [row(270, "gloss")])]).to_json()["classes"]["lines"]
    assert (types["gloss"]["precision"], types["gloss"]["recall"]) == (0, 0)  # 3 x 10 px away


def test_no_type_is_the_default_type() -> None:
    result = score_pages([pair([row(200), row(300, "default")], [row(200, "default"), row(300)])]).to_json()
    assert list(result["classes"]["lines"]) == ["default"]
    assert result["classes"]["lines"]["default"]["f1"] == result["line_f1"] == 1


def test_the_record_has_the_documented_keys_and_pages_only_when_asked() -> None:
    result = score_pages([pair(PAGE, PAGE, "b"), pair(PAGE, [], "a")])
    assert list(result.to_json()) == TOP
    assert list(result.to_json(per_page=False)) == TOP[:-1]
    entry = result.to_json()["per_page"][0]
    assert list(entry) == [
        "page",
        *(key for key in TOP if "micro" not in key and key not in ("pages", "classes", "per_page")),
    ]
    assert (entry["page"], entry["line_f1"]) == ("a", 0)


def test_no_pages_are_no_errors() -> None:
    result = score_pages([]).to_json()
    assert (result["line_f1"], result["line_f1_micro"], result["region_iou"], result["pages"]) == (1, 1, None, 0)


def test_the_worst_pages_come_first() -> None:
    result = score_pages([pair(PAGE, PAGE[:number], name) for name, number in zip("dcba", (5, 1, 3, 1))])
    assert worst(result, 3) == ["a", "c", "b"]
    assert worst(result, 9) == ["a", "c", "b", "d"]


def test_two_pages_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two pages are called a"):
        score_pages([pair(PAGE, PAGE, "a"), pair(PAGE, PAGE, "a")])


@pytest.mark.parametrize("path", DEMO[:3], ids=lambda path: path.stem)
def test_a_real_page_predicted_as_it_is_has_full_score(path: Path) -> None:
    page = read_page(path)
    layout = Layout(page.lines, page.regions)
    result = score_pages([PagePair(path.name, layout, layout)]).to_json()
    assert [result[key] for key in TOP[:6]] == [1] * 6
    assert [result[f"region_{key}"] for key in ("iou", "iou_any", "ap50", "map")] == pytest.approx([1] * 4)
    assert (result["lines_found"], result["order_agreement"]) == (len(page.lines), 1)


@pytest.mark.seconds
def test_processes_change_nothing() -> None:
    pairs = [pair(PAGE, PAGE[: number % 6], f"{number:02}") for number in range(20)]
    assert score_pages(iter(pairs), jobs=2) == score_pages(pairs)


coordinates = st.integers(-20, 420)
points = st.lists(st.tuples(coordinates, coordinates), max_size=6).map(tuple)
level = st.builds(
    lambda x, y, width, tilt: ((x, y), (x + width, y + tilt)),
    coordinates,
    st.integers(0, 8).map(lambda number: number * 50),
    st.integers(-300, 300),
    st.integers(-10, 10),
)
kinds = st.sampled_from([None, "default", "gloss"])
lines = st.builds(Line, st.just(""), level | points, points, st.just(""), kinds, st.none())
regions = st.builds(Region, st.just(""), kinds, points)
layouts = st.builds(Layout, st.lists(lines, max_size=9).map(tuple), st.lists(regions, max_size=4).map(tuple))


@pytest.mark.seconds
@settings(max_examples=100, deadline=None)
@given(layouts, layouts, st.integers())
def test_whatever_is_compared_figures_are_shares_and_counts_add_up(
    reference: Layout, hypothesis: Layout, seed: int
) -> None:
    pairs = [
        PagePair("a", reference, hypothesis),
        PagePair("b", hypothesis, reference),
        PagePair("c", reference, reference),
        PagePair("d", reference, Layout((), ())),
    ]
    record = score_pages(pairs).to_json()
    for found in (record, *record["per_page"], *record["classes"]["lines"].values()):
        assert found["lines_found"] + found["lines_missed"] == found["lines"]
        assert found["lines_found"] + found["lines_invented"] == found["lines_predicted"]
        assert found["lines_merged"] <= found["lines_predicted"]
        assert found["lines_split"] <= found["lines"]
    compared = [line for layout in (reference, hypothesis) for line in layout.lines]
    assert sum(record["per_page"][0][f"lines{end}"] for end in ("", "_predicted", "_without_baseline")) == len(compared)
    for kinds_of in record["classes"].values():
        for found in (record, *record["per_page"], *kinds_of.values()):
            for key, value in found.items():
                if key not in (*COUNTS, "pages", "page", "classes", "per_page"):
                    assert value is None or 0 <= value <= 1, (key, value)
    for key in ("lines", "lines_predicted"):
        assert sum(found[key] for found in record["classes"]["lines"].values()) == record[key]
    json.dumps(record, allow_nan=False)
    same = record["per_page"][2]
    assert (same["line_recall"], same["region_iou"]) in ((1, 1), (1, None))
    random.Random(seed).shuffle(pairs)
    assert score_pages(pairs).to_json() == record


@pytest.mark.seconds
@settings(max_examples=60, deadline=None)
@given(layouts, layouts)
def test_every_line_with_a_baseline_is_accounted_for_once(reference: Layout, hypothesis: Layout) -> None:
    found = relate(reference.lines, hypothesis.lines)
    true = [at for at, line in enumerate(reference.lines) if line.baseline]
    predicted = [at for at, line in enumerate(hypothesis.lines) if line.baseline]
    assert sorted([one for one, _ in found.found] + list(found.missed)) == true
    assert sorted([other for _, other in found.found] + list(found.invented)) == predicted
    assert {at for at, _ in found.merged} <= set(predicted)
    assert {at for at, _ in found.split} <= set(true)
    assert relate(reference.lines, hypothesis.lines) == found


def test_moving_the_whole_page_changes_nothing() -> None:
    def moved(lines: list[Line]) -> list[Line]:
        return [replace(line, baseline=tuple((x - 5000, y + 70_000) for x, y in line.baseline)) for line in lines]

    hypothesis = [row(210), row(300), row(450), row(1000)]
    assert score_page(pair(PAGE, hypothesis)).lines == score_page(pair(moved(PAGE), moved(hypothesis))).lines
