"""Where what was read differs from what is written, character by character: the edits that `lines` counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from rapidfuzz.distance import Levenshtein

from htr_exp.scoring.lines import Codes, clusters, numbers


class Step(NamedTuple):
    """A character of the reference beside what was read there; both are grapheme clusters.

    Attributes:
        expected: "" where something was read that is not written.
        read: "" where nothing was read.
    """

    expected: str
    read: str

    @property
    def is_error(self) -> bool:
        """Whether it is an edit."""
        return self.expected != self.read


Confusions = Counter[Step]
"""How often each edit was made."""


def aligned(expected: str, recognised: str, codes: Codes) -> tuple[Step, ...]:
    """Two texts side by side, with as few edits as possible: as many as `lines.counts` counts.

    Args:
        expected: the reference, normalised (`lines.normalise`).
        recognised: what was read, likewise.
        codes: numbers of clusters, shared by all texts.
    """
    reference, prediction = clusters(expected), clusters(recognised)
    if expected == recognised:
        return tuple(Step(one, one) for one in reference)
    edits = Levenshtein.editops(numbers(reference, codes), numbers(prediction, codes))
    steps: list[Step] = []
    here = there = 0
    for edit in edits:
        while here < edit.src_pos:
            steps.append(Step(reference[here], prediction[there]))
            here, there = here + 1, there + 1
        is_more, is_missing = edit.tag == "insert", edit.tag == "delete"
        steps.append(Step("" if is_more else reference[here], "" if is_missing else prediction[there]))
        here, there = here + (not is_more), there + (not is_missing)
    steps += [Step(one, one) for one in reference[here:]]
    return tuple(steps)


def errors(steps: Iterable[Step]) -> int:
    """The number of edits."""
    return sum(step.is_error for step in steps)


def confusions(lines: Iterable[Iterable[Step]]) -> Confusions:
    """The edits of lines, each with how often it was made."""
    return Counter(step for steps in lines for step in steps if step.is_error)
