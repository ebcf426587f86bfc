"""How whole pages are scored, whatever lines a text was read in: what a segmentation costs, and its order of lines.

The texts of a page's lines are joined by blanks, in reading order, and normalised as for the scores of lines. The bag of
words does not see the order: E. Vidal, A. H. Toselli, A. Ríos-Vila and J. Calvo-Zaragoza, End-to-End Page-Level Assessment
of Handwritten Text Recognition, Pattern Recognition 142 (2023), arXiv:2301.05935, eq. 3.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from htr_exp.scoring.lines import LinePair, normalise, rate, score


@dataclass(frozen=True, slots=True)
class PageText:
    """One page: the texts of its lines, and what was read there, both in reading order."""

    page: str
    reference: Sequence[str]
    hypothesis: Sequence[str]


def score_pages(pages: Iterable[PageText]) -> dict[str, Any]:
    """Score whole pages; micro averages over all pages.

    Returns:
        `page_cer` and `page_wer` (shares: edits of the whole page's grapheme clusters and words), `bag_wer` (words that are
        missing or too many, whatever their order), and the counts that they are made of.
    """
    joined, bag_errors = [], 0
    for page in pages:
        reference, hypothesis = (normalise(" ".join(lines)) for lines in (page.reference, page.hypothesis))
        joined.append(LinePair(page.page, "", reference, hypothesis))
        bag_errors += bag_distance(reference.split(), hypothesis.split())
    found = score(joined)
    return {
        "page_cer": found.cer,
        "page_wer": found.wer,
        "bag_wer": rate(bag_errors, found.words),
        "errors": found.errors,
        "characters": found.characters,
        "word_errors": found.word_errors,
        "bag_errors": bag_errors,
        "words": found.words,
        "pages": len(joined),
    }


def bag_distance(reference: Sequence[str], hypothesis: Sequence[str]) -> int:
    """Return the fewest words to change, add or take away until two bags of words are equal."""
    expected, found = Counter(reference), Counter(hypothesis)
    return max((expected - found).total(), (found - expected).total())
