"""Page layout: what a segmentation model found, scored against the ground truth and shown on the page."""

from htr_exp.layout.model import UNTYPED, Layout, PagePair
from htr_exp.layout.overlay import overlay
from htr_exp.layout.relations import Relations, relate
from htr_exp.layout.result import PageScore, Score
from htr_exp.layout.score import score, score_page, worst

__all__ = [
    "UNTYPED",
    "Layout",
    "PagePair",
    "PageScore",
    "Relations",
    "Score",
    "overlay",
    "relate",
    "score",
    "score_page",
    "worst",
]
