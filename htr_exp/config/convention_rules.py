"""What is wrong with the limits of what `scoring/conventions.py` calls convention."""

from __future__ import annotations

from collections.abc import Iterator

from htr_exp.config.schema import RecognitionScores
from htr_exp.core.problem import Problem


def convention_problems(scores: RecognitionScores, defaults: RecognitionScores) -> Iterator[Problem]:
    """Yield each reason why the CER cannot be divided so.

    Args:
        scores: as composed.
        defaults: the shipped ones.
    """
    share, pages = scores.convention_share, scores.convention_pages
    if share is not None and not 0 < share <= 1:
        what = f"scores.convention_share={share}: it must be more than 0 and at most 1"
        yield Problem(what, "write a share, as 0.4", "scores.convention_share")
    if pages < 1:
        yield Problem(f"scores.convention_pages={pages}: it must be at least 1", where="scores.convention_pages")
    if share is None and pages != defaults.convention_pages:
        what = f"scores.convention_pages={pages} changes nothing with scores.convention_share=null"
        yield Problem(what, "remove it, or give scores.convention_share", "scores.convention_pages")
