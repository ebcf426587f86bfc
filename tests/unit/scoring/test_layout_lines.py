"""Baselines: precision and recall of the published scheme, and what became of each line."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import htr_exp
from htr_exp.groundtruth.model import Line, Points
from htr_exp.groundtruth.xml import read_page
from htr_exp.scoring.layout.baseline_points import MOST, ticks_of
from htr_exp.scoring.layout.coverage import compare_baselines
from htr_exp.scoring.layout.model import Layout, PagePair
from htr_exp.scoring.layout.relations import Relations, relate
from htr_exp.scoring.layout.result import PageScore
from htr_exp.scoring.layout.score import score_page
from htr_exp.scoring.layout.tolerance import tolerances

ROWS = (200, 300, 400, 500, 600)  # 100 px apart: a tolerance of 25 px
DEMO = sorted(Path(htr_exp.__file__).parent.joinpath("demo").rglob("*.xml"))


def line(*baseline: tuple[int, int], kind: str | None = None) -> Line:
    return Line("", baseline, (), "", kind, None)


def row(y: int, left: int = 100, right: int = 1100) -> Line:
    return line((left, y), (right, y))


def scored(reference: Sequence[Line], hypothesis: Sequence[Line]) -> PageScore:
    return score_page(PagePair("page", Layout(tuple(reference), ()), Layout(tuple(hypothesis), ())))


def figures(reference: Sequence[Line], hypothesis: Sequence[Line]) -> tuple[float, float]:
    counts = scored(reference, hypothesis).lines
    return counts.precision, counts.recall


def numbers(reference: Sequence[Line], hypothesis: Sequence[Line]) -> tuple[int, ...]:
    counts = scored(reference, hypothesis).lines
    return counts.found, counts.missed, counts.invented, counts.merged, counts.split


PAGE = [row(y) for y in ROWS]
COLUMNS = [row(y, left, left + 400) for y in ROWS[:3] for left in (100, 600)]


@pytest.mark.parametrize("page", [PAGE, COLUMNS, [row(200)]])
def test_what_is_predicted_as_it_is_has_full_score(page: list[Line]) -> None:
    assert figures(page, page) == (1.0, 1.0)
    assert numbers(page, page) == (len(page), 0, 0, 0, 0)


def test_the_tolerance_is_a_quarter_of_the_distance_to_the_next_line() -> None:
    ticks = ticks_of([line.baseline for line in [row(200), row(300), row(340)]])
    assert tolerances(ticks).tolist() == [15, 10, 10]  # the mean of 100, 40 and 40 is 60, which no line exceeds


def test_a_line_without_neighbours_has_the_mean_tolerance_and_a_page_without_any_a_quarter_of_250() -> None:
    alone, far = row(1000), row(200, 5000, 6000)
    assert tolerances(ticks_of([row(200).baseline, row(300).baseline, alone.baseline])).tolist() == [25, 25, 25]
    assert tolerances(ticks_of([row(200).baseline, row(300).baseline, far.baseline])).tolist() == [25, 25, 25]
    assert tolerances(ticks_of([alone.baseline])).tolist() == [62.5]
    assert tolerances(ticks_of([])).tolist() == []


def test_lines_side_by_side_are_no_neighbours() -> None:
    beside = [row(200, 100, 500), row(210, 520, 900), row(300, 100, 500)]
    assert tolerances(ticks_of([line.baseline for line in beside])).tolist() == [25, 25, 25]


def test_crossing_lines_have_the_mean_tolerance() -> None:
    crossing = [row(200), line((100, 150), (1100, 250)), row(300)]
    found = tolerances(ticks_of([line.baseline for line in crossing]))
    assert (found > 0).all()


@pytest.mark.parametrize("by", [0, 12, -12, 25])
def test_a_shift_within_the_tolerance_costs_nothing(by: int) -> None:
    assert figures(PAGE, [row(y + by) for y in ROWS]) == (1.0, 1.0)


@pytest.mark.parametrize(("by", "expected"), [(26, 0.98), (50, 0.5), (74, 0.02), (75, 0.0), (80, 0.0), (5000, 0.0)])
def test_beyond_the_tolerance_the_score_falls_to_nothing_at_three_of_it(by: int, expected: float) -> None:
    found = figures([row(200), row(300)], [row(200 - by), row(300 + by)])
    assert found == (pytest.approx(expected), pytest.approx(expected))


def test_a_missed_line_costs_recall_alone() -> None:
    assert figures(PAGE, PAGE[1:]) == (1.0, 0.8)
    assert numbers(PAGE, PAGE[1:]) == (4, 1, 0, 0, 0)
    assert relate(PAGE, PAGE[1:]).missed == (0,)


def test_an_invented_line_costs_precision_alone() -> None:
    more = [*PAGE, row(1000)]
    assert figures(PAGE, more) == (pytest.approx(5 / 6), 1.0)
    assert numbers(PAGE, more) == (5, 0, 1, 0, 0)
    assert relate(PAGE, more).invented == (5,)


def test_a_line_over_two_columns_is_merged() -> None:
    merged = [row(200, 100, 1000), *COLUMNS[2:]]
    # 181 ticks of it, 81 on the left line; 5 more within 25 px of its end; 9 more that count .9, .8, ... .1: a half.
    assert figures(COLUMNS, merged) == (pytest.approx((0.5 + 4) / 5), 1.0)
    assert numbers(COLUMNS, merged) == (5, 1, 0, 1, 0)
    assert relate(COLUMNS, merged).merged == ((0, (0, 1)),)


def test_a_line_in_two_pieces_is_split() -> None:
    pieces = [row(200, 100, 600), row(200, 600, 1100), *PAGE[1:]]
    assert figures(PAGE, pieces) == (pytest.approx(5 / 6), 1.0)
    assert numbers(PAGE, pieces) == (5, 0, 1, 0, 1)
    assert relate(PAGE, pieces).split == ((0, (0, 1)),)


def test_a_double_costs_precision_and_counts_as_split() -> None:
    assert figures(PAGE, [*PAGE, PAGE[0]]) == (pytest.approx(5 / 6), 1.0)
    assert numbers(PAGE, [*PAGE, PAGE[0]]) == (5, 0, 1, 0, 1)


def test_a_scrap_of_a_line_is_not_the_line() -> None:
    assert numbers([row(200)], [row(200, 100, 300)]) == (0, 1, 1, 0, 0)
    assert numbers([row(200, 100, 300)], [row(200, 100, 1100)]) == (0, 1, 1, 0, 0)


def test_more_than_half_of_a_line_is_the_line() -> None:
    assert numbers([row(200)], [row(200, 100, 700)]) == (1, 0, 0, 0, 0)
    assert numbers([row(200, 100, 700)], [row(200)]) == (1, 0, 0, 0, 0)
    assert relate(COLUMNS, [row(200, 100, 850)]).merged == ((0, (0, 1)),)
    assert relate([row(200, 100, 850), row(300), row(400)], COLUMNS).split[0] == (0, (0, 1))


def test_a_line_halfway_between_two_is_neither() -> None:
    assert numbers([row(200), row(300)], [row(250)]) == (0, 2, 1, 0, 0)


@pytest.mark.parametrize(
    ("reference", "hypothesis", "expected"),
    [([], [], (1.0, 1.0)), ([], PAGE, (0.0, 1.0)), (PAGE, [], (1.0, 0.0))],
)
def test_empty_pages_are_decided(reference: list[Line], hypothesis: list[Line], expected: tuple[float, float]) -> None:
    assert figures(reference, hypothesis) == expected
    assert scored(reference, hypothesis).lines.f1 == float(reference == hypothesis)


def turned(lines: Sequence[Line], degrees: float) -> list[Line]:
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return [
        replace(one, baseline=tuple((round(x * cos - y * sin), round(x * sin + y * cos)) for x, y in one.baseline))
        for one in lines
    ]


@pytest.mark.parametrize("degrees", [7, 45, 90, 135, 180, 270])
def test_lines_may_run_in_any_direction(degrees: int) -> None:
    pieces = [row(200, 100, 600), row(200, 600, 1100), *PAGE[2:], row(1000)]
    assert figures(turned(PAGE, degrees), turned(PAGE, degrees)) == (1.0, 1.0)
    assert numbers(turned(PAGE, degrees), turned(pieces, degrees)) == numbers(PAGE, pieces) == (4, 1, 2, 0, 1)


def test_the_direction_of_writing_does_not_matter() -> None:
    backwards = [replace(one, baseline=one.baseline[::-1]) for one in PAGE]
    assert figures(PAGE, backwards) == (1.0, 1.0)


@pytest.mark.parametrize(
    "odd", [((5, 5),), ((5, 5), (5, 5)), ((5, 5), (6, 5)), ((5, 5), (900, 5), (5, 5)), ((-9, -9), (-5, 0))]
)
def test_odd_baselines_are_compared_like_others(odd: Points) -> None:
    assert numbers([line(*odd)], [line(*odd)]) == (1, 0, 0, 0, 0)
    assert figures([*PAGE, line(*odd)], [*PAGE, line(*odd)]) == (1.0, 1.0)
    assert figures([line(*odd)], PAGE)[0] <= 1


def test_lines_without_a_baseline_count_apart() -> None:
    lacking = [line(), *PAGE[:2], line(), *PAGE[2:]]
    result = scored(lacking, [line(), *PAGE[1:]])
    assert (result.lines.lines, result.lines.predicted, result.lines_without_baseline) == (5, 4, 3)
    found = relate(lacking, [line(), *PAGE[1:]])
    assert found == Relations(((2, 1), (4, 2), (5, 3), (6, 4)), (1,), (), (), ())


def test_a_line_that_no_image_could_hold_costs_no_memory() -> None:
    ticks = ticks_of([((0, 0), (1 << 31, 1 << 31)), ((0, 0), (400, 0))])
    assert ticks.counts.tolist() == [MOST, 81]
    assert numbers([line((0, 0), (1 << 31, 1))], [line((0, 0), (1 << 31, 1))])[0] == 1


def test_exchanging_the_sides_exchanges_what_became_of_the_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("htr_exp.scoring.layout.coverage.tolerances", lambda ticks: np.full(len(ticks.starts), 20.0))
    source = random.Random(5)

    def page() -> list[Line]:
        lines = []
        for y in ROWS:
            cuts = sorted({0, 1000, *(source.randrange(0, 1000, 50) for _ in range(source.randrange(4)))})
            lines += [
                row(y + source.randrange(-20, 20), left, right)
                for left, right in pairwise(cuts)
                if source.random() < 0.8
            ]
        return lines

    merged = 0
    for _ in range(60):
        left, right = page(), page()
        forth, back = relate(left, right), relate(right, left)
        assert {(one, other) for other, one in back.found} == set(forth.found)
        assert (forth.missed, forth.invented) == (back.invented, back.missed)
        assert (forth.merged, forth.split) == (back.split, back.merged)
        merged += len(forth.merged)
    assert merged > 20


# The published scheme written out, to check the fast one against.


def plain_ticks(points: Points) -> list[tuple[int, int]]:
    path: list[tuple[int, int]] = []
    for (x, y), (to_x, to_y) in pairwise(points):
        pixels = max(abs(to_x - x), abs(to_y - y))
        path += [
            (math.floor(x + k * (to_x - x) / pixels + 0.5), math.floor(y + k * (to_y - y) / pixels + 0.5))
            for k in range(pixels)
        ]
    path.append(points[-1])
    if len(path) <= 20:
        return path
    wanted = max(20, (len(path) - 1) // 5 + 1)
    step = (len(path) - 1) / (wanted - 1)
    return [path[int(k * step)] for k in range(wanted - 1)] + [path[-1]]


def plain_direction(ticks: list[tuple[int, int]]) -> tuple[float, float]:
    xs, ys = [x for x, _ in ticks], [y for _, y in ticks]
    if max(xs) == min(xs) or (len(ticks) > 2 and max(xs) - min(xs) < 2):
        return (0.0, 1.0) if len(ticks) > 1 else (1.0, 0.0)
    x, y = sum(xs) / len(xs), sum(ys) / len(ys)
    slope = sum((a - x) * (b - y) for a, b in ticks) / sum((a - x) ** 2 for a in xs)
    return 1 / math.hypot(1, slope), slope / math.hypot(1, slope)


def plain_tolerances(lines: list[list[tuple[int, int]]], *, shortcut: bool) -> list[float]:
    distances = []
    for own in lines:
        dx, dy = plain_direction(own)
        least = 250.0
        for x, y in own:
            for other in lines:
                if other is own:
                    continue
                xs, ys = [a for a, _ in other], [b for _, b in other]
                box = max(min(xs) - x, x - max(xs), 0) + max(min(ys) - y, y - max(ys), 0)
                if shortcut and box > least:
                    continue
                ends = [(a - c) * dx + (b - d) * dy for a, b in (own[0], own[-1]) for c, d in (other[0], other[-1])]
                if max(ends) < 0 or min(ends) > 0:
                    continue
                for a, b in other:
                    if abs((x - a) * dx + (y - b) * dy) <= 10:
                        least = min(least, abs((x - a) * dy - (y - b) * dx))
        distances.append(least if least < 250 else 0.0)
    known = [one for one in distances if one]
    mean = sum(known) / len(known) if known else 250.0
    return [min(one or mean, mean) / 4 for one in distances]


def plain_hits(ticks: list[tuple[int, int]], others: list[tuple[int, int]], tolerance: float) -> list[float]:
    near = [min(abs(x - a) + abs(y - b) for a, b in others) for x, y in ticks]
    return [min(max((3 * tolerance - one) / (2 * tolerance), 0), 1) for one in near]


def plain_score(reference: Sequence[Points], hypothesis: Sequence[Points], *, shortcut: bool) -> tuple[float, float]:
    true, predicted = [plain_ticks(one) for one in reference], [plain_ticks(one) for one in hypothesis]
    tolerance = plain_tolerances(true, shortcut=shortcut)
    recall = 0.0
    for own, allowed in zip(true, tolerance):
        recall += sum(plain_hits(own, [point for other in predicted for point in other], allowed)) / len(own)
    table = {
        (at, of): sum(plain_hits(own, other, tolerance[of])) / len(own)
        for at, own in enumerate(predicted)
        for of, other in enumerate(true)
    }
    precision = 0.0
    while table and max(table.values()) > 0:
        (at, of), best = max(table.items(), key=lambda item: (item[1], -item[0][0], -item[0][1]))
        precision += best
        table = {pair: value for pair, value in table.items() if pair[0] != at and pair[1] != of}
    return precision / len(predicted), recall / len(true)


def disturbed(baselines: Sequence[Points], source: random.Random) -> list[Points]:
    found: list[Points] = []
    for points in baselines:
        down = source.randrange(-25, 25)
        moved = tuple((x + source.randrange(-20, 20), y + down + source.randrange(-4, 4)) for x, y in points)
        if source.random() < 0.1:
            continue
        if source.random() < 0.15:
            (x, y), (to_x, to_y) = moved[0], moved[-1]
            middle = ((x + to_x) // 2, (y + to_y) // 2)
            found += [(moved[0], middle), (middle, moved[-1])]
        else:
            found.append(moved)
    return found or [((0, 0), (9, 9))]


@pytest.mark.parametrize("seed", range(12))
def test_figures_are_those_of_the_published_scheme_written_out(seed: int) -> None:
    source = random.Random(seed)
    pages: list[Points] = []
    for number in range(8):
        x, y = source.randrange(300), 60 * number + source.randrange(-15, 15)
        ends = (x, y), (x + source.randrange(-200, 300), y + source.randrange(-40, 40)), (x + 350, y)
        odd = source.choice([((x, y), (x + 3, y + 200)), ((x, y), (x + 60, y + 150), (x + 90, y - 30), (x + 350, y))])
        pages.append(ends[: source.randrange(2, 4)] if source.random() < 0.8 else odd)
    hypothesis = disturbed(pages, source)
    compared = compare_baselines(pages, hypothesis)
    wanted = plain_tolerances([plain_ticks(points) for points in pages], shortcut=False)
    assert tolerances(compared.reference.ticks).tolist() == pytest.approx(wanted)
    assert [tuple(point) for point in ticks_of(pages[:1]).points.tolist()] == plain_ticks(pages[0])
    found = figures([line(*points) for points in pages], [line(*points) for points in hypothesis])
    assert found == pytest.approx(plain_score(pages, hypothesis, shortcut=False))


@pytest.mark.seconds
@pytest.mark.parametrize("path", DEMO[:2], ids=lambda path: path.stem)
def test_what_is_left_out_of_the_published_tool_is_hardly_seen(path: Path) -> None:
    page = read_page(path)
    reference = [one.baseline for one in page.lines]
    hypothesis = disturbed(reference, random.Random(1))
    found = figures(page.lines, [line(*points) for points in hypothesis])
    assert found == pytest.approx(plain_score(reference, hypothesis, shortcut=True), abs=0.005)


@pytest.mark.seconds
@pytest.mark.kraken
def test_kraken_says_nearly_the_same_where_lines_are_one_to_one() -> None:
    torch = pytest.importorskip("torch")
    metrics = pytest.importorskip("kraken.lib.segmentation_metrics")

    def polylines(lines: Sequence[Line]) -> list[object]:
        return [metrics.interpolate_polyline(torch.tensor(one.baseline, dtype=torch.float)) for one in lines]

    hypothesis = [*(row(y + by) for y, by in zip(ROWS[:4], (0, 10, 30, 0))), row(1000)]
    theirs = metrics.compute_detection_metrics(polylines(hypothesis), polylines(PAGE), 25.0)
    assert figures(PAGE, hypothesis) == pytest.approx((theirs["precision"], theirs["recall"]), abs=0.01)
