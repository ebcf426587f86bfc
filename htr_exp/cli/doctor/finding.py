"""One thing that was looked at, and how the world is asked without ever waiting for it for long."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from htr_exp.core.problem import Problem
from htr_exp.core.program import NoAnswer

TIMEOUT_S = 10.0
"""How long anything outside may take to answer."""

Answer = TypeVar("Answer")


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


class _Asked(threading.Thread, Generic[Answer]):
    def __init__(self, question: Callable[[], Answer]) -> None:
        super().__init__(daemon=True)  # at the end of the program nobody waits for it either
        self._question = question
        self.answer: Answer
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            self.answer = self._question()
        except BaseException as failure:  # noqa: BLE001 - raised again where it was asked
            self.failure = failure


def within(seconds: float, question: Callable[[], Answer], what: str) -> Answer:
    """Wait for the answer to a question, whatever it hangs on: a dead file server, a name that is never resolved.

    Args:
        seconds: how long it is waited for.
        question: asks; what it raises is raised here.
        what: who is asked, for the text of the error.

    Raises:
        NoAnswer: there was none in that time.
    """
    asked = _Asked(question)
    asked.start()
    asked.join(seconds)
    if asked.is_alive():
        raise NoAnswer(f"{what} does not answer within {seconds:g} s")
    if asked.failure is not None:
        raise asked.failure
    return asked.answer
