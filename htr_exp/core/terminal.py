"""What is written to stdout and stderr: the one place that does so, so that no text of somebody else can steer the terminal.

Names of files, ids, models, what a server or kraken says: whatever comes from outside may hold control characters, or begin a new line that
looks like ours. `say` shows such characters as escapes (`core.text.printable`), and so does `guarded` in all that libraries write. Tables
are in `core.console`.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, TextIO

from htr_exp.core.text import printable, printable_lines


def say(line: str = "", *, error: bool = False) -> None:
    """Print one line at once.

    Args:
        line: what is said; what could steer the terminal is escaped, newlines too.
        error: print to stderr.
    """
    _write(f"{printable(line)}\n", error=error)


def say_lines(text: str) -> None:
    """Print text of several lines, such as a piece of a log; all but its newlines and tabs that could steer the terminal is escaped."""
    _write(printable_lines(text))


def say_json(value: Any) -> None:
    """Print a value as one line of JSON; what could steer a terminal is escaped as JSON does it."""
    _write(f"{printable(json.dumps(value, ensure_ascii=False))}\n")


def say_on_one_line(words: str, *, last: bool) -> None:
    """On a terminal, replace the last line of stderr by how far something is.

    Args:
        words: what is said.
        last: nothing replaces it any more.
    """
    stream = unguarded(sys.stderr)
    if stream.isatty():
        stream.write(f"\r{printable(words)}{chr(10) * last}")
        stream.flush()


@contextmanager
def guarded() -> Iterator[None]:
    """Make printable whatever anybody writes to stdout and stderr meanwhile, and the traceback of a defect."""
    sys.excepthook = _show_defect
    before = sys.stdout, sys.stderr
    guards = [one if isinstance(one, _Guard) else _Guard(one) for one in before]
    sys.stdout, sys.stderr = guards
    try:
        yield
    finally:
        for name, guard, stream in zip(("stdout", "stderr"), guards, before):
            if getattr(sys, name) is guard:
                setattr(sys, name, stream)


class _Guard:
    """A stream that writes printable text alone."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        self.stream.write(printable_lines(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def unguarded(stream: Any) -> TextIO:
    """The stream itself, for who writes escape sequences of our own."""
    return stream.stream if isinstance(stream, _Guard) else stream


def _write(text: str, *, error: bool = False) -> None:
    stream = sys.stderr if error else sys.stdout
    stream.write(text)
    stream.flush()


def _show_defect(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    sys.stderr.write(printable_lines("".join(traceback.format_exception(kind, error, trace))))
