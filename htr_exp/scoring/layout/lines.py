"""The score of predicted baselines: precision and recall as cBAD defines them, and counts that add up over pages."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from htr_exp.scoring.layout.coverage import Coverage
from htr_exp.scoring.layout.model import Booleans
from htr_exp.scoring.layout.relations import Relations, one_to_one, relations_of


@dataclass(frozen=True, slots=True)
class LineCounts:
    """What a set of lines adds to a score.

    Attributes:
        covered: the shares of the true lines that predicted ones cover, summed.
        lying: the shares of the predicted lines that lie on their true ones, summed.
        lines, predicted: true and predicted lines that have a baseline.
        found, missed, invented, merged, split: how many of each `Relations` has.
    """

    covered: float = 0.0
    lying: float = 0.0
    lines: int = 0
    predicted: int = 0
    found: int = 0
    missed: int = 0
    invented: int = 0
    merged: int = 0
    split: int = 0

    def __add__(self, other: LineCounts) -> LineCounts:
        return LineCounts(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))

    @property
    def precision(self) -> float:
        """cBAD's P over these lines, from 0 to 1."""
        return share(self.lying, self.predicted)

    @property
    def recall(self) -> float:
        """cBAD's R over these lines, from 0 to 1."""
        return share(self.covered, self.lines)

    @property
    def f1(self) -> float:
        """The harmonic mean of both."""
        return harmonic(self.precision, self.recall)


def share(covered: float, lines: int) -> float:
    """A mean over lines; 1 where there is no line of which anything could be wrong.

    So of a page without true lines all is found, and where nothing was predicted nothing is wrong: with no lines on either
    side precision and recall are 1, with invented lines alone they are 0 and 1, with missed ones alone 1 and 0, and the
    harmonic mean of these is 0. That is what the published tool does.
    """
    return min(covered / lines, 1.0) if lines else 1.0


def harmonic(precision: float, recall: float) -> float:
    """The harmonic mean of two shares; 0 if both are."""
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def counted(compared: Coverage, true: Booleans, predicted: Booleans) -> tuple[LineCounts, Relations]:
    """Score some lines of a page as if there were no others; tolerances are those of the whole page.

    Source: Grüning et al., READ-BAD (arXiv 1705.03311), as in the tool of cBAD 2017 and 2019 (Transkribus
    BaseLineEvaluationScheme, `Metric_BL_eval`). Recall: each true line counts for the share of it that all predicted
    lines together cover, so that a split costs none. Precision: each predicted line counts for the share of it that lies
    on its true line. Each has at most one: the pair with the greatest share is taken first, and so on; a predicted line
    that gets none counts 0, so that pieces beyond the first and what is merged cost precision.
    """
    found = relations_of(compared, true, predicted)
    keep = true[compared.first] & predicted[compared.second]
    shares = compared.hypothesis.shares
    candidates = np.flatnonzero(keep & (shares > 0))
    # Of equal shares the tool takes the first predicted line, and of its true lines the first.
    order = np.lexsort((compared.first[candidates], compared.second[candidates], -shares[candidates]))
    taken = one_to_one(compared.first, compared.second, candidates[order])
    covered = compared.reference.together(keep)[true]
    counts = LineCounts(
        float(covered.sum()),
        float(sum(shares[at] for at in taken)),
        int(true.sum()),
        int(predicted.sum()),
        *(len(group) for group in (found.found, found.missed, found.invented, found.merged, found.split)),
    )
    return counts, found
