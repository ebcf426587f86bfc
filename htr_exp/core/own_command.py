"""Our own command as this user can type it again: every hint that we print goes through it."""

from __future__ import annotations

import os
import shutil
import sys
from functools import cache
from pathlib import Path


def own_command(words: str = "") -> str:
    """A command line of ours that works when it is typed as printed.

    Args:
        words: what comes behind the program: a verb and its words; "" for the program alone.
    """
    return f"{_program()} {words}".rstrip()


@cache
def _program() -> str:
    """The launcher that started us, else `htr-exp` where the environment is active, else the program by its path."""
    if launcher := os.environ.get("HTR_EXP_LAUNCHER"):  # ./htr-exp of a checkout names itself
        return launcher
    ours = Path(sys.executable).parent

    def active(name: str) -> bool:
        found = shutil.which(name)
        return found is not None and Path(found).parent == ours

    if active("htr-exp"):
        return "htr-exp"
    program = ours / "htr-exp"
    if program.exists():
        return str(program)
    return f"{'python' if active('python') else sys.executable} -m htr_exp"
