"""Folders as `check` shows them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from htr_exp.cli.check.result import Checked
from htr_exp.groundtruth.examine import examine_folders
from htr_exp.groundtruth.model import Problem


def checked(folder: Path, *problems: Problem) -> Checked:
    """A folder as it was checked, with more problems."""
    dataset = examine_folders([folder])
    return Checked(replace(dataset, problems=(*dataset.problems, *problems)), folder.name)
