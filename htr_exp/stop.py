"""What the world asks of a job while it works, by signals."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupted(Exception):
    """The job was told to stop at once."""


SIGNALS = {signal.SIGINT: "user", signal.SIGTERM: "terminated", signal.SIGUSR2: "make_room"}
"""What each signal asks: stop and score; stop at once; stop at once, since the job's time is up or another needs the node."""


class Stop:
    """What the world has asked of this process: a word of `SIGNALS`, or None."""

    def __init__(self) -> None:
        self.asked: str | None = None

    def __call__(self) -> str | None:
        return self.asked

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Turn signals into words while the body runs; a second Ctrl-C ends it by KeyboardInterrupt."""

        def hear(number: int, frame: FrameType | None) -> None:
            if number == signal.SIGINT and self.asked is not None:
                raise KeyboardInterrupt
            if self.asked in (None, "user"):
                self.asked = SIGNALS[signal.Signals(number)]

        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, hear) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
