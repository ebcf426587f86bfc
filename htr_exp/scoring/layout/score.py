"""Scores predicted layouts against the ground truth, page by page, on one processor or several."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise

import numpy as np

from htr_exp.core.own_python import spawn_context
from htr_exp.scoring.layout import lines, regions
from htr_exp.scoring.layout.coverage import compare_baselines
from htr_exp.scoring.layout.model import Layout, PagePair, kind
from htr_exp.scoring.layout.order import order_agreement
from htr_exp.scoring.layout.relations import with_baseline
from htr_exp.scoring.layout.result import PageScore, Score

_CHUNK = 8  # pages sent to a process at a time


def score_pages(pairs: Iterable[PagePair], *, jobs: int = 1) -> Score:
    """Score predicted layouts against the ground truth; the order of the pages does not matter.

    Args:
        pairs: the pages, each with a name of its own.
        jobs: processes to spread the pages over.

    Raises:
        ValueError: two pages have the same name.
    """
    pages = sorted(_scored(pairs, jobs), key=lambda page: page.page)
    for page, following in pairwise(pages):
        if page.page == following.page:
            raise ValueError(f"two pages are called {page.page}")
    return Score(tuple(pages))


def score_page(pair: PagePair) -> PageScore:
    """Score the predicted layout of one page."""
    reference, hypothesis = pair.reference, pair.hypothesis
    places, predicted_places = with_baseline(reference.lines), with_baseline(hypothesis.lines)
    true = [reference.lines[at] for at in places]
    predicted = [hypothesis.lines[at] for at in predicted_places]
    compared = compare_baselines([line.baseline for line in true], [line.baseline for line in predicted])
    types = np.array([kind(line) for line in true], dtype=object)
    predicted_types = np.array([kind(line) for line in predicted], dtype=object)
    everything, relations = lines.counted(compared, types != "", predicted_types != "")
    names = sorted({*types, *predicted_types})
    by_type = (
        {names[0]: everything}
        if len(names) == 1
        else {name: lines.counted(compared, types == name, predicted_types == name)[0] for name in names}
    )
    region_types, any_region = regions.counted(reference.regions, hypothesis.regions)
    return PageScore(
        pair.page,
        everything,
        by_type,
        region_types,
        any_region,
        order_agreement([place for _, place in relations.found]),
        _number(reference, hypothesis, "lines") - len(true) - len(predicted),
        _number(reference, hypothesis, "regions") - any_region.regions - any_region.predicted,
    )


def worst(score: Score, count: int) -> list[str]:
    """The names of the pages with the lowest line F1, the lowest first, by name where it is the same."""
    return [page.page for page in sorted(score.per_page, key=lambda page: (page.lines.f1, page.page))[:count]]


def _scored(pairs: Iterable[PagePair], jobs: int) -> Iterator[PageScore]:
    if jobs < 2:
        yield from map(score_page, pairs)
        return
    with ProcessPoolExecutor(jobs, mp_context=spawn_context()) as pool:
        yield from pool.map(score_page, pairs, chunksize=_CHUNK)


def _number(reference: Layout, hypothesis: Layout, what: str) -> int:
    return len(getattr(reference, what)) + len(getattr(hypothesis, what))
