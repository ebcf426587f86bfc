"""A program that runs another one and passes on what that prints behind a mark: what a login shell prints first would be in the way of rsync.

It imports nothing of ours, and is started by its path: `python after_mark.py MARK PROGRAM...`.
"""

from __future__ import annotations

import os
import subprocess
import sys

BLOCK = 1 << 18
MOST_NOISE = 1 << 20
"""How much is looked through for the mark, bytes."""


def main(mark: str, argv: list[str]) -> int:
    """Run a program; what it prints behind the line `mark` is printed, and its exit code is ours."""
    wanted = f"\n{mark}\n".encode()
    process = subprocess.Popen(argv, stdout=subprocess.PIPE)
    if process.stdout is None:
        raise OSError("it has no stdout")
    source = process.stdout.fileno()
    waiting: bytes | None = b"\n"
    while block := os.read(source, BLOCK):
        if waiting is None:
            _write(block)
            continue
        waiting += block
        _, found, rest = waiting.partition(wanted)
        if found:
            waiting = None
            _write(rest)
        elif len(waiting) > MOST_NOISE:
            process.kill()
            break
    return process.wait()


def _write(block: bytes) -> None:
    while block:
        block = block[os.write(1, block) :]


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1], sys.argv[2:]))
    except BrokenPipeError:
        sys.exit(141)
