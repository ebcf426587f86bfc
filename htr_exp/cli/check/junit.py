"""A check as JUnit XML, which GitLab, GitHub's and Jenkins' reporters show beside the tests of a project.

A test case is a kind of problem, not a file: their names are the same in each run, so that CI says what is new and what
is corrected, and ten thousand pages stay readable. Errors are failures. What is dropped or warned of passes, with the list
as its output: CI is red exactly where `check` ends with 2, and `skipped` would say that nobody looked.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from junitparser import Failure, JUnitXml, TestCase, TestSuite

from htr_exp.cli.check.result import Checked, KindFound
from htr_exp.core.text import and_more
from htr_exp.groundtruth.model import Problem
from htr_exp.groundtruth.problem_codes import CODES

LISTED = 1000
"""Problems of a kind that are listed; the others are counted."""

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def document(checked: Checked) -> bytes:
    """A check as a JUnit document: each kind of problem is a test case, those that do not occur too."""
    suite = TestSuite(_clean(f"check {checked.name}"))
    dataset = checked.dataset
    for name, value in (
        ("pages", len(dataset.pages)),
        ("lines", dataset.lines),
        ("characters", dataset.characters),
        ("digest", dataset.digest),
    ):
        suite.add_property(name, str(value))
    found = {kind.code: kind for kind in checked.kinds}
    for code, kind in CODES.items():
        case = TestCase(name=f"{code}: {kind.title}", classname=f"check.{kind.severity}")
        if code in found:
            _add(case, found[code])
        suite.add_testcase(case)
    case = TestCase(name="refused: what else training refuses", classname="check.error")
    if checked.refusals:
        case.result = [_failure("refused", f"{len(checked.refusals)} more", "\n".join(checked.refusals))]
    suite.add_testcase(case)
    document = JUnitXml("htr_exp check")
    document.add_testsuite(suite)
    written: bytes = document.tostring()  # type: ignore[no-untyped-call]
    return written


def _add(case: TestCase, kind: KindFound) -> None:
    told = f"{kind.extent}; {kind.remedy}"
    if kind.severity == "error":
        case.result = [_failure(kind.code, told, listed(kind.problems))]
    else:
        case.system_out = _clean(f"{kind.severity}: {told}\n{listed(kind.problems)}")


def _failure(code: str, told: str, text: str) -> Failure:
    failure = Failure(_clean(told), code)
    failure.text = _clean(text)
    return failure


def listed(problems: Sequence[Problem]) -> str:
    """Problems, one a line."""
    lines = [f"{where(problem)}: {problem.message}" for problem in problems[:LISTED]]
    if more := and_more(len(problems) - LISTED):
        lines.append(f"{more}: `check --json` lists all")
    return "\n".join(lines)


def where(problem: Problem) -> str:
    """Where a problem is: the file, and the line or the first of the lines."""
    line = problem.line or next((one for one in problem.lines if one), None)
    return f"{problem.file}:{line}" if line else problem.file


def _clean(text: str) -> str:
    """A text that XML can hold."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
