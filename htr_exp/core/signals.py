"""What the world asks of a job while it works, by signals."""

from __future__ import annotations

import ctypes
import signal
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from htr_exp.core.terminal import say, say_within_signal


class Interrupted(Exception):
    """The job was told to stop at once."""


@contextmanager
def said_if_interrupted(words: str) -> Iterator[None]:
    """Say what it means that a Ctrl-C ends the body."""
    try:
        yield
    except KeyboardInterrupt:
        say(words, error=True)
        raise


SIGNALS = {signal.SIGINT: "user", signal.SIGTERM: "terminated", signal.SIGUSR2: "preempted"}
"""What each signal asks: stop and score; stop at once; stop at once, since the job's time is up or another needs the node."""


MOMENT_S = 2.0
"""How far apart the same signal may reach two processes, seconds. Whoever ends a job or a machine tells all of its processes at
once, which takes a busy one some tenths of a second; and 5 s are the shortest time in use between SIGTERM and SIGKILL, in
which a run still has to write down how it ended."""


class Stop:
    """What the world has asked of this process: a word of `SIGNALS`, or None.

    Attributes:
        asked: that word.
        at_once: the user pressed Ctrl-C again: nothing that takes time is to be begun any more.
    """

    def __init__(self) -> None:
        self.asked: str | None = None
        self.at_once = False
        self._answer: Callable[[], str] = lambda: "stopping"

    def __call__(self) -> str | None:
        return self.asked

    @contextmanager
    def answered(self, answer: Callable[[], str]) -> Iterator[None]:
        """Say what a Ctrl-C makes of what the body does, at once to who presses it.

        Args:
            answer: the words, such as "stopping: scores the best model"; called in a signal handler, so that it only looks.
        """
        before, self._answer = self._answer, answer
        try:
            yield
        finally:
            self._answer = before

    @contextmanager
    def listening(self, *, afterwards: signal.Handlers | None = None) -> Iterator[None]:
        """Turn signals into words while the body runs, also those that were held until now; a second Ctrl-C ends it by KeyboardInterrupt.

        Args:
            afterwards: what the other signals do when it is over; None: what they did before.
        """

        def note(number: int, _frame: FrameType | None) -> None:
            if number == signal.SIGINT and self.asked is not None:
                self.at_once = True
                raise KeyboardInterrupt
            if self.asked in (None, "user"):
                self.asked = SIGNALS[signal.Signals(number)]
            if number == signal.SIGINT:
                say_within_signal(f"{self._answer()}; Ctrl-C again ends now")

        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, note) for number in SIGNALS}
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler if afterwards is None or number == signal.SIGINT else afterwards)


def asked_within(stop: Callable[[], str | None], seconds: float = MOMENT_S) -> str | None:
    """What is asked of this process by now, or within a moment from now: a signal to all may end a child before we hear it."""
    until = time.monotonic() + seconds
    while (word := stop()) is None and time.monotonic() < until:
        time.sleep(0.05)
    return word


def bound_to_us(
    ends_by: signal.Signals, *, deaf_to: Sequence[signal.Signals] = (), held: Collection[signal.Signals] = ()
) -> Callable[[], None] | None:
    """What a child process does before it becomes its program: it will end with us, and does not get signals meant for us.

    Args:
        ends_by: the signal that it gets when we end; on Linux alone, elsewhere None is returned.
        deaf_to: signals that it ignores. Slurm sends its own to every process of a job.
        held: signals that wait until it listens (`Stop.listening`): it takes a second or more to import what it needs, and one
            that came meanwhile would end it without a word, or be lost.
    """

    def prepare() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, held)
        ctypes.CDLL(None).prctl(1, ends_by)  # PR_SET_PDEATHSIG of linux/prctl.h
        for number in deaf_to:
            signal.signal(number, signal.SIG_IGN)

    return prepare if sys.platform == "linux" else None
