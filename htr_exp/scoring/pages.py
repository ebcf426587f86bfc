"""How whole pages are scored, whatever lines a text was read in: what a segmentation costs, and its order of lines.

The texts of a page's lines, each reordered and normalised as for the scores of lines, are joined by blanks in reading
order. The bag of words does not see the order: E. Vidal, A. H. Toselli, A. Ríos-Vila and J. Calvo-Zaragoza, End-to-End Page-Level Assessment
of Handwritten Text Recognition, Pattern Recognition 142 (2023), arXiv:2301.05935, eq. 3.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from htr_exp.scoring.lines import Codes, counts, normalise, rate
from htr_exp.scoring.text_order import Release, display_order


@dataclass(frozen=True, slots=True)
class PageText:
    """One page: the texts of its lines in logical order, and what was read there in display order, both in reading order."""

    page: str
    reference: Sequence[str]
    hypothesis: Sequence[str]


def score_pages(pages: Iterable[PageText], release: Release = "7.1") -> dict[str, Any]:
    """Score whole pages; micro averages over all pages.

    Args:
        pages: the pages.
        release: of the kraken that read them, whose display order the predictions have.

    Returns:
        `page_cer` and `page_wer` (shares: edits of the whole page's grapheme clusters and words), `bag_wer` (words that are
        missing or too many, whatever their order), and the counts that they are made of.
    """
    codes = Codes()
    totals = dict.fromkeys(("errors", "characters", "word_errors", "words", "bag_errors", "pages"), 0)
    for page in pages:
        reference = _joined(display_order(line, release) for line in page.reference)
        hypothesis = _joined(page.hypothesis)
        found = (*counts(reference, hypothesis, codes), bag_distance(reference.split(), hypothesis.split()), 1)
        totals = {name: total + count for (name, total), count in zip(totals.items(), found)}
    return {
        "page_cer": rate(totals["errors"], totals["characters"]),
        "page_wer": rate(totals["word_errors"], totals["words"]),
        "bag_wer": rate(totals["bag_errors"], totals["words"]),
        **totals,
    }


def _joined(displayed: Iterable[str]) -> str:
    return " ".join(filter(None, map(normalise, displayed)))


def bag_distance(reference: Sequence[str], hypothesis: Sequence[str]) -> int:
    """The fewest words to change, add or take away until two bags of words are equal."""
    expected, found = Counter(reference), Counter(hypothesis)
    return max((expected - found).total(), (found - expected).total())
