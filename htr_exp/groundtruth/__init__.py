"""Ground truth: PAGE and ALTO read, checked, identified by digest, and staged for kraken."""

from htr_exp.core.task import Task
from htr_exp.groundtruth.codes import CODES
from htr_exp.groundtruth.examine import examine, summary
from htr_exp.groundtruth.kraken_values import refused
from htr_exp.groundtruth.looking import image_digests
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
    UsedLine,
)
from htr_exp.groundtruth.read import read_page
from htr_exp.groundtruth.remembered import user_cache
from htr_exp.groundtruth.rules import fault
from htr_exp.groundtruth.stage import Naming, named, staged_xml, type_name

__all__ = [
    "CODES",
    "Dataset",
    "GroundTruthPage",
    "Line",
    "Naming",
    "NotGroundTruth",
    "NotWellFormed",
    "Page",
    "Points",
    "Problem",
    "Region",
    "Severity",
    "Task",
    "UsedLine",
    "examine",
    "fault",
    "image_digests",
    "named",
    "read_page",
    "refused",
    "staged_xml",
    "summary",
    "type_name",
    "user_cache",
]
