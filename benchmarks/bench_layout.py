"""Measures scoring page layouts, and how that grows with the lines of a page.

    python benchmarks/bench_layout.py [pages]

Takes 1,000 pages: those of HTR_EXP_REAL_DATA (dev), else of htr_exp/demo, again and again, each with a hypothesis made
of its truth: lines moved, bent, dropped, split and run together, invented, regions moved. Two peers:

- reading the two XML files of each page (`read_page`), which comes before any scoring;
- what kraken's own metric does for a page (`kraken.lib.segmentation_metrics`), in numpy: the distances of every tick of
  every true line to every tick of every predicted one, both ways, without tolerances by line, types, relations, regions.

The last figure is pages of ten times as many lines against ten times as many pages: with a spatial index the time must
not grow with the square. All on one processor; prints a line of JSON each.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from htr_exp.groundtruth.model import Line, Page, Points
from htr_exp.groundtruth.xml import read_page
from htr_exp.scoring.layout.baseline_points import ticks_of
from htr_exp.scoring.layout.model import Layout, PagePair
from htr_exp.scoring.layout.score import score_pages

LIMIT_S = 60  # CPU seconds a thousand pages
TO_READING = 5.0  # times what reading the files takes
TO_ALL_PAIRS = 0.25  # times what comparing everything with everything takes
GROWTH = 2.0  # times what as many lines on ten times as many pages take
READ, COMPARED, TALL = 100, 5, 10  # pages that are read, compared by the peer, made tall


def main() -> int:
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    real = os.environ.get("HTR_EXP_REAL_DATA")
    root = Path(real, "dev") if real else Path(__file__).parents[1] / "htr_exp" / "demo" / "pages"
    files = sorted(path for path in root.rglob("*.xml") if path.name.lower() != "mets.xml")
    start = time.process_time()
    pages = [read_page(files[at % len(files)]) for at in range(READ)]
    reading = (time.process_time() - start) * 2 * number / READ
    pages = [page for page in pages[: len(files)] if page.lines]
    chance = random.Random(0)
    pairs = [_pair(f"page-{at:05d}", pages[at % len(pages)], chance) for at in range(number)]
    ours, result = _timed(pairs)
    start = time.process_time()
    for pair in pairs[:COMPARED]:
        _all_pairs(pair.reference.lines, pair.hypothesis.lines)
    all_pairs = time.process_time() - start
    same, _ = _timed(pairs[:COMPARED])
    many, _ = _timed([replace(pair, page=f"{pair.page}-{copy}") for pair in pairs[:TALL] for copy in range(10)])
    tall, _ = _timed([_tall(pair, 10) for pair in pairs[:TALL]])
    what = f"{number} pages, {result['lines']} lines and {result['regions']} regions"
    rows = [
        _row(f"layout: scoring {what}", ours, "read_page of both files", reading, TO_READING),
        _row(f"layout: scoring {COMPARED} pages", same, "all pairs of ticks", all_pairs, TO_ALL_PAIRS),
        _row("layout: pages of ten times as many lines", tall, "ten times as many pages", many, GROWTH),
    ]
    for row in rows:
        print(json.dumps(row))
    return int(ours > LIMIT_S * number / 1000 or any(row["ratio"] > row["limit"] for row in rows))


def _row(name: str, ours: float, peer: str, its: float, limit: float) -> dict[str, Any]:
    return {
        "name": name,
        "ours_cpu_s": round(ours, 3),
        "peer": peer,
        "peer_cpu_s": round(its, 3),
        "ratio": round(ours / its, 3),
        "limit": limit,
    }


def _timed(pairs: list[PagePair]) -> tuple[float, dict[str, float]]:
    start = time.process_time()
    result = score_pages(pairs).to_json()
    return time.process_time() - start, result


def _pair(name: str, page: Page, chance: random.Random) -> PagePair:
    lines: list[Line] = []
    for line in page.lines:
        what = chance.random()
        down = chance.randint(-6, 6)
        moved = tuple((x + chance.randint(-8, 8), y + down + chance.randint(-2, 2)) for x, y in line.baseline)
        if what < 0.05 or not moved:
            continue
        if what < 0.1:
            (x, y), (to_x, to_y) = moved[0], moved[-1]
            middle = (x + to_x) // 2, (y + to_y) // 2
            lines += [replace(line, baseline=(moved[0], middle)), replace(line, baseline=(middle, moved[-1]))]
        elif what < 0.13 and lines:
            lines[-1] = replace(lines[-1], baseline=lines[-1].baseline + moved)
        else:
            lines.append(replace(line, baseline=moved))
            if what > 0.97:
                lines.append(replace(line, baseline=_shifted(moved, 25)))
    regions = tuple(
        replace(
            region, polygon=tuple((x + chance.randint(-9, 9), y + chance.randint(-9, 9)) for x, y in region.polygon)
        )
        for region in page.regions
    )
    return PagePair(name, Layout(page.lines, page.regions), Layout(tuple(lines), regions))


def _shifted(points: Points, by: int) -> Points:
    return tuple((x, y + by) for x, y in points)


def _tall(pair: PagePair, times: int) -> PagePair:
    """A page with the lines of so many, one below the other."""
    height = 100 + max(y for line in pair.reference.lines for _, y in line.baseline)

    def tall(layout: Layout) -> Layout:
        return Layout(
            tuple(
                replace(line, baseline=_shifted(line.baseline, height * copy))
                for copy in range(times)
                for line in layout.lines
            ),
            tuple(
                replace(region, polygon=_shifted(region.polygon, height * copy))
                for copy in range(times)
                for region in layout.regions
            ),
        )

    return PagePair(pair.page, tall(pair.reference), tall(pair.hypothesis))


def _all_pairs(reference: Sequence[Line], hypothesis: Sequence[Line]) -> float:
    sides = [ticks_of([line.baseline for line in lines]) for lines in (reference, hypothesis)]
    true, predicted = (np.split(ticks.points, ticks.starts[1:]) for ticks in sides)
    total = 0.0
    for own in true:
        for other in predicted:
            apart = np.hypot(own[:, None, 0] - other[None, :, 0], own[:, None, 1] - other[None, :, 1])
            for nearest in (apart.min(axis=0), apart.min(axis=1)):
                total += float(np.clip((30 - nearest) / 20, 0, 1).mean())
    return total


if __name__ == "__main__":
    sys.exit(main())
