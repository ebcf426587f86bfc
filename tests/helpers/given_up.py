"""Questions that were given up: what they left behind, no later test is to hear of."""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
import traceback
import warnings
from pathlib import Path

from helpers.waiting import TIMEOUT_S
from htr_exp.core import time_limit


def let_go(pipe: Path | None = None) -> None:
    """Wait until those who asked have heard of it, and close the sockets that they leave.

    Args:
        pipe: what they wait for, at an end that nobody writes to; also who only comes to it now.
    """
    nobody_asks(pipe)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def nobody_asks(pipe: Path | None = None) -> None:
    """Wait until those who asked have heard of it.

    Raises:
        AssertionError: one of them still waits; it says for what, and where.
    """
    deadline = time.monotonic() + TIMEOUT_S
    while waiting := [thread for thread in threading.enumerate() if isinstance(thread, time_limit._Asked)]:
        if pipe is not None:
            os.close(os.open(pipe, os.O_RDWR))
        assert time.monotonic() < deadline, "\n".join(map(_whereabouts, waiting))
        time.sleep(0.05)


def _whereabouts(thread: threading.Thread) -> str:
    frame = sys._current_frames().get(thread.ident or 0)
    return f"{thread.name} is still waited for:\n{''.join(traceback.format_stack(frame)) if frame else ''}"
