"""What is written to stdout and stderr: the one place that does so, so that no text of somebody else can steer the terminal.

Names of files, ids, models, what a server or kraken says: whatever comes from outside may hold control characters, or begin a new line that
looks like ours. `say` shows such characters as escapes (`core.text.printable`), and so does `guarded` in all that libraries write. Tables
are in `core.console`.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from types import TracebackType
from typing import Any, TextIO, cast

from htr_exp.core.errors import DisplayLost, HtrExpError
from htr_exp.core.secrets import hidden, is_secret
from htr_exp.core.text import printable, printable_lines


def say(line: str = "", *, error: bool = False) -> None:
    """Print one line at once.

    Args:
        line: what is said; what could steer the terminal is escaped, newlines too, and secrets are left out.
        error: print to stderr.
    """
    _write(f"{printable(hidden(line))}\n", error=error)


def say_error(error: HtrExpError) -> None:
    """Print on stderr what cannot be done, and every reason on a line of its own."""
    say(f"error: {error.headline}", error=True)
    for problem in error.problems:
        say(f"  - {problem}", error=True)


def say_lines(text: str) -> None:
    """Print text of several lines, such as a piece of a log; all but its newlines and tabs that could steer the terminal is escaped."""
    _write(_shown(text))


def say_json(value: Any) -> None:
    """Print a value as one line of JSON; what could steer a terminal, or is not in its encoding, is escaped as JSON does it, and secrets are left out."""
    dumps = partial(json.dumps, ensure_ascii=not _is_unicode(sys.stdout))
    said = dumps(value)
    if is_secret(said):  # looked for in the whole at once: a workspace has thousands of texts
        said = dumps(_without_secrets(value))
    _write(f"{printable(said)}\n")


def say_on_one_line(words: str, *, last: bool) -> None:
    """On a terminal, replace the last line of stderr by how far something is.

    Args:
        words: what is said.
        last: nothing replaces it any more.
    """
    stream = unguarded(sys.stderr)
    if stream.isatty():
        stream.write(f"\r{printable(hidden(words))}{chr(10) * last}")
        stream.flush()


def say_within_signal(line: str) -> None:
    """Print one line on stderr from a signal handler: Python may be in the middle of writing, hence past its buffers.

    On a terminal it takes the place of a last line that changes.
    """
    stream = sys.stderr
    place = ""
    with contextlib.suppress(OSError, ValueError):
        if os.isatty(2):
            place = "\n" if os.environ.get("TERM", "dumb") in ("dumb", "unknown") else "\r\x1b[2K"
        os.write(2, f"{place}{printable(hidden(line))}\n".encode(stream.encoding or "utf-8", "backslashreplace"))


@contextmanager
def guarded(*, lasting: bool = False) -> Iterator[None]:
    """Make printable whatever anybody writes to stdout and stderr meanwhile, and the traceback of a defect.

    Args:
        lasting: work goes on where it can no longer be shown: on a full disk, with a closed pipe, without its terminal. What
            only shows ends then, by `DisplayLost` or `Unread`; without stderr it goes on, too.
    """
    sys.excepthook = _show_defect
    before = sys.stdout, sys.stderr
    _take_numbers()
    for stream in before:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # what the terminal's encoding lacks, as Latin-1 lacks ⁊
    streams = [cast("TextIO", _Losable(one, lasting)) for one in map(_there, before, ("stdout", "stderr"))]
    guards = [one if isinstance(one, _Guard) else _Guard(one) for one in streams]
    sys.stdout, sys.stderr = guards
    try:
        yield
    finally:
        for name, guard, stream in zip(("stdout", "stderr"), guards, before):
            if getattr(sys, name) is guard:
                setattr(sys, name, stream)


class _Guard:
    """A stream that writes printable text alone, without secrets."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        self.stream.write(_shown(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


class Unread(Exception):
    """Nobody reads any more what is shown, as with `| head`."""


class _Losable:
    """A stream that leads nowhere once it cannot be written any more, and says so once."""

    def __init__(self, stream: TextIO, lasting: bool) -> None:
        self.stream, self._lasting = stream, lasting

    def write(self, text: str) -> int:
        self._try(lambda: self.stream.write(text))
        return len(text)

    def flush(self) -> None:
        self._try(self.stream.flush)

    def _try(self, call: Callable[[], object]) -> None:
        try:
            call()
        except OSError as failure:
            number = self.stream.fileno()
            lose(self.stream)
            if self._lasting:
                name, other = ("stdout", 2) if number == 1 else ("stderr", 1)
                said = f"warning: {name} cannot be written any more ({failure.strerror}); the work goes on without it\n"
                with contextlib.suppress(OSError):
                    os.write(other, said.encode())
            elif number == 1:
                raise (Unread() if isinstance(failure, BrokenPipeError) else DisplayLost(failure)) from None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def _take_numbers() -> None:
    """Let the numbers of standard streams that were closed before we began lead nowhere: files that we open would get them."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDONLY)  # the lowest number that is free


def _there(stream: TextIO | None, name: str) -> TextIO:
    """A standard stream, or, where it was closed before we began (`>&-`), one that cannot be written."""
    return stream or open({"stdout": 1, "stderr": 2}[name], "w", encoding="utf-8", closefd=False)


def lose(stream: TextIO) -> None:
    """Let a stream that nobody reads any more lead nowhere, with what is still in its buffer: Python writes that when it ends."""
    try:
        number = stream.fileno()
    except io.UnsupportedOperation:  # it is no file, and Python writes nothing of it
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)


def unguarded(stream: Any) -> TextIO:
    """The stream itself, for who writes escape sequences of our own."""
    return stream.stream if isinstance(stream, _Guard) else stream


def _is_unicode(stream: TextIO) -> bool:
    """Whether a stream can write every letter."""
    return codecs.lookup(getattr(stream, "encoding", None) or "utf-8").name.startswith("utf")


def _write(text: str, *, error: bool = False) -> None:
    stream = sys.stderr if error else sys.stdout
    stream.write(text)
    stream.flush()


def _show_defect(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    sys.stderr.write(_shown("".join(traceback.format_exception(kind, error, trace))))


def _shown(text: str) -> str:
    return printable_lines(hidden(text))


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {_without_secrets(key): _without_secrets(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_secrets(inner) for inner in value]
    return hidden(value) if isinstance(value, str) else value
