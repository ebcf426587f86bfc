"""The score of a layout: figures of a page and of a set of pages, and how they are written.

All figures are shares from 0 to 1, not percent. Two kinds of mean stand side by side: `line_precision`, `line_recall` and
`line_f1` are the published ones of cBAD, means over pages, in which a page of three lines weighs as much as one of a
hundred; those with `_micro` are over all lines of all pages, and so are those of each type.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from htr_exp.scoring.layout.lines import LineCounts, harmonic
from htr_exp.scoring.layout.regions import RegionCounts, over_types

_LINE_COUNTS = ("found", "missed", "invented", "merged", "split")


@dataclass(frozen=True, slots=True)
class PageScore:
    """The score of one page.

    Attributes:
        page: its name.
        lines: of all lines, whatever their types.
        line_types: of the lines of each type, as if there were no others; by type.
        region_types: of the regions of each type; by type.
        any_region: areas and numbers of all regions, whatever their types; without hits.
        order_agreement: share of pairs of found lines that are read in the true order; None with fewer than two.
        lines_without_baseline: true and predicted lines that cannot be compared, and count nowhere else.
        regions_without_area: true and predicted regions that cannot be compared, and count nowhere else.
    """

    page: str
    lines: LineCounts
    line_types: dict[str, LineCounts]
    region_types: dict[str, RegionCounts]
    any_region: RegionCounts
    order_agreement: float | None
    lines_without_baseline: int
    regions_without_area: int

    def to_json(self) -> dict[str, Any]:
        """The score as an entry of `per_page`."""
        return {
            "page": self.page,
            "line_precision": self.lines.precision,
            "line_recall": self.lines.recall,
            "line_f1": self.lines.f1,
            **_line_counts(self.lines, self.lines_without_baseline),
            **_region_figures(self.region_types, self.any_region, self.regions_without_area),
            "order_agreement": self.order_agreement,
        }


@dataclass(frozen=True, slots=True)
class Score:
    """The score of a set of pages: those of the pages, by name in code point order, and what follows from them."""

    per_page: tuple[PageScore, ...]

    @property
    def pages(self) -> int:
        """How many were scored."""
        return len(self.per_page)

    @property
    def lines(self) -> LineCounts:
        """What the lines of all pages add up to."""
        return sum((page.lines for page in self.per_page), LineCounts())

    @property
    def line_types(self) -> dict[str, LineCounts]:
        """What the lines of each type add up to, by type in code point order."""
        found: dict[str, LineCounts] = {}
        for page in self.per_page:
            for name, counts in page.line_types.items():
                found[name] = found.get(name, LineCounts()) + counts
        return dict(sorted(found.items()))

    @property
    def region_types(self) -> dict[str, RegionCounts]:
        """What the regions of each type add up to, by type in code point order."""
        found: dict[str, RegionCounts] = {}
        for page in self.per_page:
            for name, counts in page.region_types.items():
                found[name] = found.get(name, RegionCounts()) + counts
        return dict(sorted(found.items()))

    @property
    def line_precision(self) -> float:
        """cBAD's P: the mean over pages; 1 without pages."""
        return _mean(page.lines.precision for page in self.per_page)

    @property
    def line_recall(self) -> float:
        """cBAD's R: the mean over pages; 1 without pages."""
        return _mean(page.lines.recall for page in self.per_page)

    @property
    def line_f1(self) -> float:
        """cBAD's F: the harmonic mean of the two means, not the mean of the pages' own."""
        return harmonic(self.line_precision, self.line_recall)

    @property
    def order_agreement(self) -> float | None:
        """The mean over the pages that have one; None if none has."""
        known = [page.order_agreement for page in self.per_page if page.order_agreement is not None]
        return sum(known) / len(known) if known else None

    def to_json(self, *, per_page: bool = True) -> dict[str, Any]:
        """The score as it stands in `results.json`: figures on top, then `classes`, then `per_page`.

        Args:
            per_page: add the list `per_page`, one entry a page.
        """
        lines, region_types = self.lines, self.region_types
        record: dict[str, Any] = {
            "line_precision": self.line_precision,
            "line_recall": self.line_recall,
            "line_f1": self.line_f1,
            "line_precision_micro": lines.precision,
            "line_recall_micro": lines.recall,
            "line_f1_micro": lines.f1,
            **_line_counts(lines, sum(page.lines_without_baseline for page in self.per_page)),
            **_region_figures(
                region_types,
                sum((page.any_region for page in self.per_page), RegionCounts()),
                sum(page.regions_without_area for page in self.per_page),
            ),
            "order_agreement": self.order_agreement,
            "pages": self.pages,
            "classes": {
                "lines": {name: _line_class(counts) for name, counts in self.line_types.items()},
                "regions": {name: _region_class(counts) for name, counts in region_types.items()},
            },
        }
        if per_page:
            record["per_page"] = [page.to_json() for page in self.per_page]
        return record


def _mean(values: Iterable[float]) -> float:
    known = list(values)
    return sum(known) / len(known) if known else 1.0


def _line_counts(counts: LineCounts, without_baseline: int) -> dict[str, int]:
    return {
        "lines": counts.lines,
        "lines_predicted": counts.predicted,
        **{f"lines_{name}": getattr(counts, name) for name in _LINE_COUNTS},
        "lines_without_baseline": without_baseline,
    }


def _region_figures(
    by_type: dict[str, RegionCounts], any_region: RegionCounts, without_area: int
) -> dict[str, float | int | None]:
    true = [counts for counts in by_type.values() if counts.regions]
    return {
        "region_iou": over_types((counts.iou for counts in true), any_region.predicted),
        "region_iou_any": any_region.iou,
        "region_ap50": over_types((counts.ap50 for counts in true), any_region.predicted),
        "region_map": over_types((counts.map for counts in true), any_region.predicted),
        "regions": any_region.regions,
        "regions_predicted": any_region.predicted,
        "regions_without_area": without_area,
    }


def _line_class(counts: LineCounts) -> dict[str, float | int]:
    return {
        "precision": counts.precision,
        "recall": counts.recall,
        "f1": counts.f1,
        "lines": counts.lines,
        "lines_predicted": counts.predicted,
        **{f"lines_{name}": getattr(counts, name) for name in _LINE_COUNTS},
    }


def _region_class(counts: RegionCounts) -> dict[str, float | int | None]:
    return {
        "iou": counts.iou,
        "ap50": counts.ap50,
        "map": counts.map,
        "regions": counts.regions,
        "regions_predicted": counts.predicted,
    }
