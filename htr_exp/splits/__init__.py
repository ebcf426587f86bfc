"""Which pages are learnt from, steered by and scored on: drawn by seed or given, whole groups only, frozen to a file."""

from htr_exp.splits.folds import folds, k_fold, leave_out
from htr_exp.splits.groups import BUILT_IN, Grouping, SplitPage, UnknownColumn, grouped, image_name
from htr_exp.splits.split import NAMES, Split, draw, everything, first_pages, given
from htr_exp.splits.tables import Metadata, read_list, read_metadata, read_table

__all__ = [
    "BUILT_IN",
    "NAMES",
    "Grouping",
    "Metadata",
    "Split",
    "SplitPage",
    "UnknownColumn",
    "draw",
    "everything",
    "first_pages",
    "folds",
    "given",
    "grouped",
    "image_name",
    "k_fold",
    "leave_out",
    "read_list",
    "read_metadata",
    "read_table",
]
