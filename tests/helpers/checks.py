"""What `check` says."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from htr_exp.cli.check.result import Checked
from htr_exp.groundtruth.examine import examine_folders
from htr_exp.groundtruth.model import Problem


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Check = Callable[..., Said]


def checked(folder: Path, *problems: Problem) -> Checked:
    """Return a folder as it was checked, with more problems."""
    dataset = examine_folders([folder])
    return Checked(replace(dataset, problems=(*dataset.problems, *problems)), folder.name)
