"""Questions to servers that were given up."""

from __future__ import annotations

import gc
import threading
import warnings

from helpers.waiting import TIMEOUT_S
from htr_exp.core import time_limit


def let_go() -> None:
    """Wait until those who asked have heard of it. They leave sockets that nobody closed: no later test is to hear of that."""
    for thread in threading.enumerate():
        if isinstance(thread, time_limit._Asked):
            thread.join(TIMEOUT_S)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
