"""Which predicted line is which true one, and what became of the others: missed, invented, merged, split."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from htr_exp.groundtruth.model import Line
from htr_exp.scoring.layout.coverage import Coverage, compare_baselines
from htr_exp.scoring.layout.model import Booleans, Integers

MOST_OF = 0.5
"""A line is covered, or lies on another, if more than this share of it does."""

Group = tuple[int, tuple[int, ...]]  # a line, and those of the other side that it takes part in


@dataclass(frozen=True, slots=True)
class Relations:
    """What became of the lines of a page; numbers are places among the lines compared, from 0, and sorted.

    A line without a baseline is nowhere. Of the others, each true one is found or missed, each predicted one found or
    invented. Where two true lines run together into one predicted, one of them is found and the other missed, and the
    predicted one is named in `merged`; of a split line one piece is found and the others are invented.

    Attributes:
        found: (true, predicted) of each pair, one to one.
        missed: true lines without a predicted one of their own.
        invented: predicted lines without a true one of their own.
        merged: each predicted line that covers most of two or more true ones, with these.
        split: each true line that covers most of two or more predicted ones, with these; doubles count as well.
    """

    found: tuple[tuple[int, int], ...]
    missed: tuple[int, ...]
    invented: tuple[int, ...]
    merged: tuple[Group, ...]
    split: tuple[Group, ...]


def relate(reference: Sequence[Line], hypothesis: Sequence[Line]) -> Relations:
    """Say what became of the true lines of a page, and what the predicted ones are.

    Coverage is that of `coverage`. A line is there if the lines of the other side together cover most of it. A true and a
    predicted line that are both there belong together if one covers most of the other; of all that belong together,
    those that cover each other best (mean of both shares) are paired first, one to one.
    """
    true, predicted = with_baseline(reference), with_baseline(hypothesis)
    compared = compare_baselines([reference[at].baseline for at in true], [hypothesis[at].baseline for at in predicted])
    found = relations_of(compared, np.ones(len(true), dtype=bool), np.ones(len(predicted), dtype=bool))
    return Relations(
        tuple((true[one], predicted[other]) for one, other in found.found),
        tuple(true[one] for one in found.missed),
        tuple(predicted[one] for one in found.invented),
        tuple((predicted[one], tuple(true[other] for other in others)) for one, others in found.merged),
        tuple((true[one], tuple(predicted[other] for other in others)) for one, others in found.split),
    )


def with_baseline(lines: Sequence[Line]) -> list[int]:
    """The places of the lines that have a baseline."""
    return [at for at, line in enumerate(lines) if line.baseline]


def relations_of(compared: Coverage, true: Booleans, predicted: Booleans) -> Relations:
    """What became of some lines of a page, as if there were no others.

    Args:
        compared: all lines of the page.
        true: which of the true lines to look at.
        predicted: which of the predicted lines to look at.
    """
    first, second = compared.first, compared.second
    keep = true[first] & predicted[second]
    there = compared.reference.together(keep)[first] > MOST_OF
    there &= compared.hypothesis.together(keep)[second] > MOST_OF
    covered, lies_on = compared.reference.shares > MOST_OF, compared.hypothesis.shares > MOST_OF
    related = np.flatnonzero(keep & there & (covered | lies_on))
    # Of equally good pairs the order must not depend on which side is called true; those left equal share no line.
    sums = compared.reference.shares[related] + compared.hypothesis.shares[related]
    order = np.lexsort((np.abs(first - second)[related], (first + second)[related], -sums))
    found = sorted((int(first[at]), int(second[at])) for at in one_to_one(first, second, related[order]))
    partners, pieces = {one for one, _ in found}, {other for _, other in found}
    return Relations(
        tuple(found),
        tuple(one for one in np.flatnonzero(true).tolist() if one not in partners),
        tuple(one for one in np.flatnonzero(predicted).tolist() if one not in pieces),
        _groups(second[keep & covered], first[keep & covered]),
        _groups(first[keep & lies_on], second[keep & lies_on]),
    )


def one_to_one(first: Integers, second: Integers, order: Integers) -> Iterator[int]:
    """Yield the pairs, from the first of `order` on, of which neither line is taken yet."""
    ones, others = set(), set()
    for at, one, other in zip(order.tolist(), first[order].tolist(), second[order].tolist()):
        if one not in ones and other not in others:
            ones.add(one)
            others.add(other)
            yield at


def _groups(ones: Integers, others: Integers) -> tuple[Group, ...]:
    members: dict[int, list[int]] = defaultdict(list)
    for one, other in zip(ones.tolist(), others.tolist()):
        members[one].append(other)
    return tuple((one, tuple(sorted(members[one]))) for one in sorted(members) if len(members[one]) > 1)
