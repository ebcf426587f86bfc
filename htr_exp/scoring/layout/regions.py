"""The score of predicted regions: how far their areas agree, and how many of them are found one by one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely

from htr_exp.groundtruth.model import Region
from htr_exp.scoring.layout.model import Floats, kind
from htr_exp.scoring.layout.relations import one_to_one

THRESHOLDS = np.linspace(0.5, 0.95, 10)
"""Least intersection over union of a region that counts as found: those of COCO (`COCOeval.Params.iouThrs`)."""

Counted = dict[str, "RegionCounts"]  # by type


@dataclass(frozen=True, slots=True)
class RegionCounts:
    """What the regions of one type add to a score.

    Attributes:
        shared, covered: areas of the intersection and of the union of both sides, px²; where regions of one side overlap,
            the area counts once.
        regions, predicted: how many with an area there are on each side.
        hits: how many are found at each of `THRESHOLDS`.
    """

    shared: float = 0.0
    covered: float = 0.0
    regions: int = 0
    predicted: int = 0
    hits: tuple[int, ...] = (0,) * len(THRESHOLDS)

    def __add__(self, other: RegionCounts) -> RegionCounts:
        return RegionCounts(
            self.shared + other.shared,
            self.covered + other.covered,
            self.regions + other.regions,
            self.predicted + other.predicted,
            tuple(one + another for one, another in zip(self.hits, other.hits)),
        )

    @property
    def iou(self) -> float | None:
        """Intersection over union of the areas, from 0 to 1; None if there are no regions on either side."""
        return min(self.shared / self.covered, 1.0) if self.covered else None

    @property
    def precisions(self) -> tuple[float, ...] | None:
        """The average precision at each of `THRESHOLDS`; None if there is no true region.

        It is the area under the curve of precision over recall (PASCAL VOC from 2010 on, COCO). kraken gives its regions
        no confidence, so that nothing ranks them and the curve is one point: precision P up to the recall R that was
        reached, nothing beyond. Its area is P times R.
        """
        if not self.regions:
            return None
        return tuple(found / self.regions * found / self.predicted if found else 0.0 for found in self.hits)

    @property
    def ap50(self) -> float | None:
        """The average precision at an intersection over union of one half."""
        return self.precisions[0] if self.precisions else None

    @property
    def map(self) -> float | None:
        """The mean of the average precisions from .50 to .95."""
        return sum(self.precisions) / len(THRESHOLDS) if self.precisions else None


def counted(reference: Sequence[Region], hypothesis: Sequence[Region]) -> tuple[Counted, RegionCounts]:
    """Compare the regions of a page; one without an area cannot be compared and does not count.

    Returns:
        what each type adds, and what all regions add if types do not matter (areas and numbers alone, no hits).
    """
    true, types = _with_area(reference)
    predicted, predicted_types = _with_area(hypothesis)
    by_type = {}
    for name in sorted({*types, *predicted_types}):
        ours, theirs = true[types == name], predicted[predicted_types == name]
        by_type[name] = RegionCounts(*_areas(ours, theirs), len(ours), len(theirs), _hits(ours, theirs))
    if len(by_type) == 1:
        (only,) = by_type.values()
        return by_type, RegionCounts(only.shared, only.covered, only.regions, only.predicted)
    return by_type, RegionCounts(*_areas(true, predicted), len(true), len(predicted))


def over_types(values: Iterable[float | None], predicted: int) -> float | None:
    """The mean over the types that the truth has.

    Without any it is 0 if something was predicted; if not, None: there is nothing to be right or wrong about.

    Args:
        values: one of each type; None: a type that the truth does not have.
        predicted: regions predicted, of whatever type.
    """
    known = [value for value in values if value is not None]
    if known:
        return sum(known) / len(known)
    return 0.0 if predicted else None


def polygons(outlines: Sequence[Sequence[tuple[int, int]]]) -> Any:
    """Outlines as valid shapely geometries: an array.

    One that crosses itself becomes its parts; one of fewer than three points, or of no area, an empty polygon.
    """
    drawn = [number for number, points in enumerate(outlines) if len(points) > 2]
    shapes = np.full(len(outlines), shapely.Polygon(), dtype=object)
    if drawn:
        points = np.array([point for number in drawn for point in outlines[number]], dtype=float)
        rings = np.repeat(np.arange(len(drawn)), [len(outlines[number]) for number in drawn])
        shapes[drawn] = shapely.polygons(shapely.linearrings(points, indices=rings))
    broken = ~shapely.is_valid(shapes)
    shapes[broken] = shapely.make_valid(shapes[broken], method="structure", keep_collapsed=False)
    return shapes


def _with_area(regions: Sequence[Region]) -> tuple[Any, Any]:
    """The shapes of the regions that have an area, and their types."""
    shapes = polygons([region.polygon for region in regions])
    types = np.array([kind(region) for region in regions], dtype=object)
    keep = shapely.area(shapes) > 0
    return shapes[keep], types[keep]


def _areas(ours: Any, theirs: Any) -> tuple[float, float]:
    """The areas of intersection and union of what two sets of shapes cover, px²."""
    one, other = shapely.union_all(ours), shapely.union_all(theirs)
    whole = float(shapely.area(one))
    if shapely.equals_identical(one, other):  # computed, the intersection would differ in its last digits
        return whole, whole
    shared = float(shapely.area(shapely.intersection(one, other)))
    return shared, whole + float(shapely.area(other)) - shared


def _hits(ours: Any, theirs: Any) -> tuple[int, ...]:
    """How many pairs there are, one to one, the best first, at each threshold."""
    second, first = shapely.STRtree(ours).query(theirs)
    shared: Floats = shapely.area(shapely.intersection(ours[first], theirs[second]))
    whole = shapely.area(ours)[first] + shapely.area(theirs)[second] - shared
    overlap = np.divide(shared, whole, out=np.zeros_like(shared), where=whole > 0)
    order = np.lexsort((second, first, -overlap))
    best = overlap[list(one_to_one(first, second, order))]
    return tuple(int((best >= threshold - 1e-9).sum()) for threshold in THRESHOLDS)
