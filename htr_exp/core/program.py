"""One question to another program: it has a time limit, and nothing of the program is left when the time is over."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

KILLED_S = 1.0
"""How long a program that is killed may take to be gone; one that waits for a dead file server does not go at all."""


class NoAnswer(Exception):
    """Something outside did not answer. The text says what, and how long it was waited for."""


@dataclass(frozen=True)
class Answer:
    """What a program has said when it ended."""

    code: int  # its exit code; negative: the signal that ended it
    output: str
    errors: str

    @property
    def words(self) -> str:
        """All that it printed: its output, then its errors."""
        return self.output + self.errors

    @property
    def last_line(self) -> str:
        """The last line that says something, of the errors where there are some; else the exit code in words."""
        lines = [line.strip() for line in (self.errors.strip() or self.output).splitlines() if line.strip()]
        return lines[-1] if lines else f"exit code {self.code}"


def ask(
    argv: Sequence[str],
    *,
    timeout_s: float,
    name: str = "",
    environment: Mapping[str, str] | None = None,
    stdin: str = "",
    undecodable: str = "replace",
) -> Answer:
    """Run a program to its end and hear what it says, whatever its exit code is.

    It runs in a session of its own, where neither Ctrl-C nor a terminal reaches it, and in C.UTF-8, so that it speaks
    English. When the time is over, or we are interrupted, it is killed with its children.

    Args:
        argv: the program and its arguments.
        timeout_s: how long it may take, seconds.
        name: how messages call it, where that is not `argv[0]`.
        environment: its variables; None: ours.
        stdin: what it reads.
        undecodable: what becomes of bytes that are no UTF-8, as of `bytes.decode`.

    Raises:
        NoAnswer: it does not start, or takes too long.
    """
    name = name or argv[0]
    variables = dict(os.environ if environment is None else environment) | {"LC_ALL": "C.UTF-8"}
    try:
        process = subprocess.Popen(
            list(argv),
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=variables,
            start_new_session=True,
        )
    except OSError as failure:
        # A script whose interpreter is missing is not found either.
        if isinstance(failure, FileNotFoundError) and shutil.which(argv[0], path=variables.get("PATH")) is None:
            raise NoAnswer(f"{name} is not on this machine") from None
        raise NoAnswer(f"{name} does not start: {failure.strerror or failure}") from None
    try:
        output, errors = process.communicate(stdin.encode() if stdin else None, timeout=timeout_s)
    except BaseException as ended:
        _kill(process)
        if isinstance(ended, subprocess.TimeoutExpired):
            raise NoAnswer(f"{name} does not answer within {timeout_s:g} s") from None
        raise
    return Answer(process.returncode, output.decode("utf-8", undecodable), errors.decode("utf-8", undecodable))


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    for stream in (process.stdin, process.stdout, process.stderr):
        with contextlib.suppress(OSError):
            if stream is not None:
                stream.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(KILLED_S)
