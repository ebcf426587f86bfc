"""What an examination has found so far: the pages that can be used, and what is wrong, in the order of the files."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from htr_exp.groundtruth.file_tree import Tree, shown
from htr_exp.groundtruth.folders import Source
from htr_exp.groundtruth.model import GroundTruthPage, Problem
from htr_exp.groundtruth.problem_codes import CODES

Forms = dict[str, list[str]]
"""Unicode normal form -> ids of the lines that show it."""


class Findings:
    """Pages and problems."""

    def __init__(self) -> None:
        self.pages: list[GroundTruthPage] = []
        self.problems: list[tuple[int, Problem]] = []  # with their place: files are looked at in two rounds
        self.pages_read = 0
        self.lines_read = 0
        self.forms: list[tuple[str, Forms]] = []  # of each page
        self.place = 0

    def add(
        self,
        code: str,
        file: str,
        message: str,
        line: str | None = None,
        lines: tuple[str, ...] = (),
        files: tuple[str, ...] = (),
    ) -> None:
        """Add a problem; how grave it is stands in `CODES`."""
        self.problems.append((self.place, Problem(code, CODES[code].severity, file, line, message, lines, files)))

    def source(
        self, folder: Path, prefix: str, visited: set[tuple[int, int]], only: Collection[str] | None
    ) -> Source | None:
        """What a folder holds, or None with the reason added."""
        try:
            found = Source(Tree(folder, visited), prefix, only)
        except OSError as error:
            self.add("no_pages", shown(str(folder)), f"the folder cannot be read: {error.strerror or error}")
            return None
        for name, reason in found.tree.unreadable:
            self.add("folder_unreadable", found.label(name), f"the folder cannot be read: {reason}")
        return found

    def in_order(self) -> tuple[Problem, ...]:
        """The problems, by the place of what they are about."""
        return tuple(problem for _, problem in sorted(self.problems, key=lambda one: one[0]))
