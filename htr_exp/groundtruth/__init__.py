"""Ground truth: PAGE and ALTO read, checked, identified by digest, and staged for kraken."""

from htr_exp.groundtruth.examine import examine, summary
from htr_exp.groundtruth.facts import FileFacts, ImageFacts
from htr_exp.groundtruth.model import (
    Dataset,
    GroundTruthPage,
    Line,
    NotGroundTruth,
    NotWellFormed,
    Page,
    Points,
    Problem,
    Region,
    Severity,
    Task,
)
from htr_exp.groundtruth.read import read_page
from htr_exp.groundtruth.rules import fault
from htr_exp.groundtruth.stage import staged_xml

__all__ = [
    "Dataset",
    "FileFacts",
    "GroundTruthPage",
    "ImageFacts",
    "Line",
    "NotGroundTruth",
    "NotWellFormed",
    "Page",
    "Points",
    "Problem",
    "Region",
    "Severity",
    "Task",
    "examine",
    "fault",
    "read_page",
    "staged_xml",
    "summary",
]
