"""Waiting for what other processes do."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

TIMEOUT_S = 300
"""How long anything may take before a test gives up: generous, since nothing here measures speed."""


def until(condition: Callable[[], Any], what: str = "it", timeout: float = TIMEOUT_S) -> Any:
    """Wait for a condition and return its value."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"waited {timeout} s for {what}")
