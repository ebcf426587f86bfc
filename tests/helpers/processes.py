"""Processes that may have ended."""

from __future__ import annotations

import os
import signal

import psutil


def hit(pid: int | None, number: signal.Signals) -> None:
    """Send a signal to a process, if it is still there."""
    if pid is not None and lives(pid):
        os.kill(pid, number)


def lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def died(pid: int) -> bool:
    return not lives(pid)
