"""How the world is asked without ever waiting for it for long, whatever it hangs on: a time limit for the whole of a question.

The limits of sockets are for each read: a server that sends a byte now and then never meets one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from htr_exp.core.program import NoAnswer

Answer = TypeVar("Answer")


class _Asked(threading.Thread, Generic[Answer]):
    def __init__(self, question: Callable[[], Answer], what: str) -> None:
        super().__init__(daemon=True, name=what)  # at the end of the program nobody waits for it either
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
    asked = _Asked(question, what)
    asked.start()
    asked.join(seconds)
    if asked.is_alive():
        raise NoAnswer(f"{what} does not answer within {seconds:g} s")
    if asked.failure is not None:
        raise asked.failure
    return asked.answer
