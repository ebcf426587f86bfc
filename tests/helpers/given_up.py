"""Questions that were given up: what they left behind, no later test is to hear of."""

from __future__ import annotations

import gc
import os
import threading
import time
import warnings
from pathlib import Path

from helpers.waiting import TIMEOUT_S
from htr_exp.core import time_limit


def let_go(pipe: Path | None = None) -> None:
    """Wait until those who asked have heard of it; the sockets that they leave are closed.

    Args:
        pipe: what they wait for, at an end that nobody writes to; also who only comes to it now.
    """
    asked = [thread for thread in threading.enumerate() if isinstance(thread, time_limit._Asked)]
    deadline = time.monotonic() + TIMEOUT_S
    while any(thread.is_alive() for thread in asked):
        if pipe is not None:
            os.close(os.open(pipe, os.O_RDWR))
        assert time.monotonic() < deadline, "a question of this or an earlier test still waits for its answer"
        time.sleep(0.05)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
