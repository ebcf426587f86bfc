"""How much of each baseline of a page the baselines of the other side cover, pair by pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely

from htr_exp.groundtruth.model import Points
from htr_exp.scoring.layout.baseline_points import SPACING, Swarm, Ticks, nearest, ticks_of
from htr_exp.scoring.layout.model import Booleans, Floats, Integers
from htr_exp.scoring.layout.tolerance import tolerances

NOTHING = 3.0
"""Tolerances at which a tick counts for nothing; up to one it counts in full, between them linearly less."""


@dataclass(frozen=True)
class Side:
    """The ticks of one side that lie near a line of the other, pair by pair."""

    ticks: Ticks
    pair: Integers  # of each tick that is compared
    index: Integers  # its place in `ticks`
    scores: Floats  # 1 within the tolerance, 0 beyond three of it
    shares: Floats  # of each pair: how much of the line the other one covers

    def together(self, keep: Booleans) -> Floats:
        """How much of each line those of the other side cover together, in the pairs to keep."""
        best = np.zeros(len(self.ticks.points))
        chosen = keep[self.pair]
        np.maximum.at(best, self.index[chosen], self.scores[chosen])
        return self.ticks.means(best)


@dataclass(frozen=True)
class Coverage:
    """All pairs of a true and a predicted baseline of a page that are near each other."""

    first: Integers  # of each pair: the true line
    second: Integers  # the predicted line
    reference: Side
    hypothesis: Side


def compare_baselines(reference: Sequence[Points], hypothesis: Sequence[Points]) -> Coverage:
    """Compare the baselines of a page, none of them empty.

    Source: Grüning et al., READ-BAD (arXiv 1705.03311), as in the tool of cBAD 2017 and 2019 (Transkribus
    BaseLineEvaluationScheme, `Metric_BL_eval.cntRelHits`). A tick of one line counts 1 if a tick of the other is at most
    the true line's tolerance t away, 0 from 3 t on, and (3 t - distance) / 2 t between. Distances are those of the tool:
    steps along x plus steps along y. The share of a line is the mean over its ticks.
    """
    true, predicted = ticks_of(reference), ticks_of(hypothesis)
    reach = tolerances(true) * NOTHING
    low, high = true.low - reach[:, None], true.high + reach[:, None]
    tree = shapely.STRtree(
        shapely.box(predicted.low[:, 0], predicted.low[:, 1], predicted.high[:, 0], predicted.high[:, 1])
    )
    first, second = tree.query(shapely.box(low[:, 0], low[:, 1], high[:, 0], high[:, 1]))
    order = np.lexsort((second, first))
    first, second = first[order], second[order]
    return Coverage(
        first,
        second,
        _side(true, first, predicted, second, reach[first]),
        _side(predicted, second, true, first, reach[first]),
    )


def _side(here: Ticks, lines: Integers, there: Ticks, others: Integers, reach: Floats) -> Side:
    flat = (there.high - there.low)[others] @ (1.0, -1.0) >= 0  # searched along the axis on which it spreads
    swarms = []
    for ticks, of in ((here, lines), (there, others)):
        number, index = ticks.gathered(of)
        x, y = ticks.points[index].T
        swarms.append((index, Swarm(number, np.where(flat[number], x, y), (x, y))))
    (index, own), (_, other) = swarms
    far = reach[own.number]
    # What is found nearby bounds how far to look: a tick farther along the axis than that is farther away.
    distances = nearest(own, other, np.minimum(far, SPACING))
    farther = distances > SPACING
    bounds = np.minimum(far, distances)[farther]
    distances[farther] = np.minimum(distances[farther], nearest(own.some(farther), other, bounds))
    scores = np.clip((far - distances) / (far - far / NOTHING), 0, 1)
    counts = here.counts[lines]
    sums = np.add.reduceat(scores, np.cumsum(counts) - counts) if len(lines) else np.empty(0)
    return Side(here, own.number, index, scores, sums / counts)
