"""Spreads looking at many files over the processors of this machine; a file that ends its process costs no other."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from htr_exp.core.machine import usable_cpus
from htr_exp.core.own_python import spawn_context

Task = TypeVar("Task")
Result = TypeVar("Result")

FEW = 200
"""Below so many files a second process would cost more than it saves: it has to import everything again."""
_CHUNK = 16  # files at a time


def spread(look: Callable[[Task], Result], tasks: Sequence[Task], died: Callable[[Task], Result]) -> Iterator[Result]:
    """Yield `look(task)` of each task, in their order.

    Args:
        look: a function of a module, whose results can be pickled.
        tasks: what to look at.
        died: the result of a task that ended the process which looked at it.
    """
    processes = min(usable_cpus(), len(tasks) // _CHUNK)
    if len(tasks) < FEW or processes < 2:
        yield from map(look, tasks)
        return
    done = 0
    try:
        for result in _in_pool(look, tasks, processes, _CHUNK):
            yield result
            done += 1
        return
    except BrokenProcessPool:
        pass
    for start in range(done, len(tasks), _CHUNK):
        yield from _one_by_one(look, tasks[start : start + _CHUNK], died)


def _one_by_one(
    look: Callable[[Task], Result], tasks: Sequence[Task], died: Callable[[Task], Result]
) -> Iterator[Result]:
    done = 0
    while done < len(tasks):
        try:
            for result in _in_pool(look, tasks[done:], 1, 1):
                yield result
                done += 1
        except BrokenProcessPool:
            yield died(tasks[done])
            done += 1


def _in_pool(look: Callable[[Task], Result], tasks: Sequence[Task], processes: int, chunk: int) -> Iterator[Result]:
    pool = ProcessPoolExecutor(processes, mp_context=spawn_context(), initializer=_deaf)
    try:
        yield from pool.map(look, tasks, chunksize=chunk)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _deaf() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that gives the work
