"""Limits of memory: of one process's addresses, as `ulimit -v` sets it, and of a group of processes, as a container or Slurm does."""

from __future__ import annotations

import contextlib
import os
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

GROUPS = Path("/sys/fs/cgroup")


def addresses(megabytes: int) -> Callable[[], None]:
    """What a process does before it becomes its program, so that it gets no more memory than this."""
    return lambda: resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))


@contextlib.contextmanager
def control_group(megabytes: int) -> Iterator[Callable[[], None]]:
    """Make a control group with so much memory; what is yielded puts a process into it before it becomes its program."""
    first = GROUPS / "memory" if (GROUPS / "memory").is_dir() else GROUPS
    group = first / f"htr_exp-test-{os.getpid()}"
    limit = "memory.limit_in_bytes" if first.name == "memory" else "memory.max"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"making a control group of memory needs root, and a system that allows it: {error}")
    try:
        try:
            (group / limit).write_text(str(megabytes << 20))
        except OSError as error:
            pytest.skip(f"this system gives control groups no limit of memory: {error}")

        def join() -> None:
            (group / "cgroup.procs").write_text(str(os.getpid()))

        yield join
    finally:
        until = time.monotonic() + 30
        while group.exists() and time.monotonic() < until:
            with contextlib.suppress(OSError):  # its last process is not gone yet
                group.rmdir()
            time.sleep(0.1)
