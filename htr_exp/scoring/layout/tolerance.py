"""How far a predicted baseline may lie from a true one without loss: a quarter of the distance between lines."""

from __future__ import annotations

import numpy as np
import shapely

from htr_exp.scoring.layout.baseline_points import SPACING, Swarm, Ticks, nearest
from htr_exp.scoring.layout.model import Floats, Integers

SHARE = 0.25  # of the distance to the next line (`relTol`)
FARTHEST = 250  # pixels; a line farther away is no neighbour (`maxD`)
BESIDE = 2 * SPACING  # pixels along a line within which a point of another counts as above or below it


def tolerances(ticks: Ticks) -> Floats:
    """The tolerance of each true baseline of a page, in pixels, as the published tool computes it.

    Source: Grüning et al., READ-BAD (arXiv 1705.03311), as in the tool of cBAD 2017 and 2019 (Transkribus
    BaseLineEvaluationScheme, `Util.calcTols`). The distance of a line is the least between one of its ticks and one of
    another line that lies beside it (at most 10 px on or back along the line), measured across the line's direction,
    which is that of its regression line; lines that end before it begins, or begin after its end, are not looked at.
    Where there is none nearer than 250 px, or one crosses the line (distance 0), it is the mean of the distances on the
    page; without any, 250 px. No distance counts for more than that mean. The tolerance is a quarter of it.

    The tool also passes over a tick that is farther from another line's box than the least distance so far, along both
    axes together. That depends on the order of the lines; it is left out here.
    """
    distances = _distances(ticks)
    known = (distances > 0) & (distances < FARTHEST)
    mean = distances[known].mean() if known.any() else float(FARTHEST)
    return np.minimum(np.where(known, distances, mean), mean) * SHARE


def _distances(ticks: Ticks) -> Floats:
    """How far each line is from the next; infinity where there is none near."""
    found = np.full(len(ticks.starts), np.inf)
    low, high = ticks.low, ticks.high
    tree = shapely.STRtree(shapely.box(low[:, 0], low[:, 1], high[:, 0], high[:, 1]))
    margin = FARTHEST + BESIDE  # along both axes, whatever the direction
    lines, others = tree.query(
        shapely.box(low[:, 0] - margin, low[:, 1] - margin, high[:, 0] + margin, high[:, 1] + margin)
    )
    lines, others = lines[lines != others], others[lines != others]
    directions = _directions(ticks)
    begins, ends = ticks.points[ticks.starts], ticks.points[ticks.starts + ticks.counts - 1]
    along = np.stack(
        [_dot(end[others] - own[lines], directions[lines]) for end in (begins, ends) for own in (begins, ends)]
    )
    overlap = (along.min(axis=0) <= 0) & (along.max(axis=0) >= 0)
    lines, others = lines[overlap], others[overlap]
    bounds = _least_possible(ticks, directions, lines, others)
    # The nearest boxes first: they leave few others that could lie nearer still.
    order = np.lexsort((others, bounds, lines))
    lines, others, bounds = lines[order], others[order], bounds[order]
    first = np.flatnonzero(np.diff(lines, prepend=-1))
    rest = np.ones(len(lines), dtype=bool)
    rest[first] = False
    np.minimum.at(found, lines[first], _across(ticks, directions, lines[first], others[first]))
    rest &= bounds < np.minimum(found[lines], FARTHEST)
    np.minimum.at(found, lines[rest], _across(ticks, directions, lines[rest], others[rest]))
    return found


def _directions(ticks: Ticks) -> Floats:
    """The direction of each line's regression line as a unit vector (x, y); upright where it has no width."""
    if not len(ticks.starts):
        return np.empty((0, 2))
    centre = np.repeat(np.add.reduceat(ticks.points, ticks.starts) / ticks.counts[:, None], ticks.counts, axis=0)
    x, y = (ticks.points - centre).T
    slope = np.add.reduceat(x * y, ticks.starts) / np.maximum(np.add.reduceat(x * x, ticks.starts), 1e-9)
    width = ticks.high[:, 0] - ticks.low[:, 0]
    upright = ((width < 1) | ((width < 2) & (ticks.counts > 2))) & (ticks.counts > 1)
    vectors = np.where(upright[:, None], [0.0, 1.0], np.stack([np.ones_like(slope), slope], axis=1))
    return vectors / np.hypot(vectors[:, 0], vectors[:, 1])[:, None]


def _least_possible(ticks: Ticks, directions: Floats, lines: Integers, others: Integers) -> Floats:
    """For each pair what its distance cannot be less than: the gap between the other's box and the line."""
    across = directions[:, ::-1] * (-1.0, 1.0)
    pair = np.repeat(np.arange(len(ticks.starts)), ticks.counts)
    own = _dot(ticks.points, across[pair])
    low, high = np.minimum.reduceat(own, ticks.starts), np.maximum.reduceat(own, ticks.starts)
    centre, half = (ticks.low + ticks.high)[others] / 2, (ticks.high - ticks.low)[others] / 2
    middle, spread = _dot(centre, across[lines]), _dot(half, np.abs(across[lines]))
    gaps: Floats = np.maximum(np.maximum(middle - spread - high[lines], low[lines] - middle - spread), 0)
    return gaps


def _across(ticks: Ticks, directions: Floats, lines: Integers, others: Integers) -> Floats:
    """For each pair how near the other line comes, across the direction of the first."""
    swarms = []
    for of in (lines, others):
        number, index = ticks.gathered(of)
        points, vectors = ticks.points[index], directions[lines][number]
        across = points[:, 1] * vectors[:, 0] - points[:, 0] * vectors[:, 1]
        swarms.append(Swarm(number, _dot(points, vectors), (across,)))
    here, there = swarms
    distances = nearest(here, there, np.full(len(here.number), float(BESIDE)))
    counts = ticks.counts[lines]
    return np.minimum.reduceat(distances, np.cumsum(counts) - counts) if len(lines) else distances


def _dot(points: Floats, vectors: Floats) -> Floats:
    products: Floats = points[:, 0] * vectors[:, 0] + points[:, 1] * vectors[:, 1]
    return products
