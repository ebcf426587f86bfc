"""What is wrong with the table of `cer_folded`, whose replacements `scoring/folding.py` makes."""

from __future__ import annotations

from collections.abc import Iterator
from unicodedata import normalize

from htr_exp.config.schema import RecognitionScores
from htr_exp.core.problem import Problem


def folding_problems(scores: RecognitionScores, defaults: RecognitionScores) -> Iterator[Problem]:
    """Yield each reason why lines cannot be scored by this table.

    Args:
        scores: as composed.
        defaults: the shipped ones.
    """
    if scores.folding is None:
        for key in ("folding_case", "folding_punctuation"):
            if getattr(scores, key) != getattr(defaults, key):
                what = f"scores.{key} changes nothing with scores.folding=null"
                yield Problem(what, "remove it, or give scores.folding rows", f"scores.{key}")
    first: dict[str, str] = {}
    for row in scores.folding or ():
        written = _written(row, case=scores.folding_case)
        if not 1 <= len(row.split()) <= 2:
            what = f"scores.folding: {row!r} is no row of it"
            remedy = (
                "write what is written, a blank, and what it counts as (`ſ s`); what is to be left out stands alone"
            )
            yield Problem(what, remedy, "scores.folding")
        elif first.setdefault(written, row) != row:
            what = f"scores.folding: {first[written]!r} and {row!r} say two things of {written}"
            yield Problem(what, "keep one of them", "scores.folding")


def _written(row: str, *, case: bool) -> str:
    words = normalize("NFC", row.lower() if case else row).split()
    return words[0] if words else ""
