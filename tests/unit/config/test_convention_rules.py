"""The limits of what is convention: a share and a number of pages that can be met, and none without effect."""

from __future__ import annotations

import pytest

from htr_exp.config.convention_rules import convention_problems
from htr_exp.config.schema import RecognitionScores

DEFAULTS = RecognitionScores(pad=16)


@pytest.mark.parametrize(
    ("share", "pages", "said"),
    [
        (None, 2, []),
        (0.4, 1, []),
        (1.0, 5, []),
        (0.0, 2, ["scores.convention_share=0.0: it must be more than 0 and at most 1"]),
        (40.0, 0, ["scores.convention_share=40.0: it must be", "scores.convention_pages=0: it must be at least 1"]),
        (None, 3, ["scores.convention_pages=3 changes nothing with scores.convention_share=null"]),
    ],
)
def test_limits_that_cannot_be_met_or_change_nothing_are_refused(
    share: float | None, pages: int, said: list[str]
) -> None:
    scores = RecognitionScores(pad=16, convention_share=share, convention_pages=pages)
    found = [problem.what for problem in convention_problems(scores, DEFAULTS)]
    assert len(found) == len(said)
    assert all(what.startswith(begin) for what, begin in zip(found, said))
