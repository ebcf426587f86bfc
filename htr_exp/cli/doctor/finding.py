"""One thing that was looked at."""

from __future__ import annotations

from dataclasses import dataclass

from htr_exp.core.problem import Problem

TIMEOUT_S = 10.0
"""How long anything outside may take to answer."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    name: str
    state: str  # ok; note: nothing to correct; warning: it works, but not as well as it could; error: it does not work
    found: str  # one sentence, with the values
    remedy: str | None = None  # what to do


def ok(name: str, found: str) -> Finding:
    return Finding(name, "ok", found)


def note(name: str, found: str, remedy: str | None = None) -> Finding:
    return Finding(name, "note", found, remedy)


def warning(name: str, found: str, remedy: str | None = None) -> Finding:
    return Finding(name, "warning", found, remedy)


def error(name: str, found: str, remedy: str | None = None) -> Finding:
    return Finding(name, "error", found, remedy)


def finding_of(name: str, problem: Problem, remedy: str, state: str = "error") -> Finding:
    """A problem as a finding; `remedy` stands in where the problem has none."""
    return Finding(name, state, problem.what, problem.remedy or remedy)
