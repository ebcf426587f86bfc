"""Our own command as this user can type it again: every hint that we print goes through it."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

_REPEATED = "HTR_EXP_REPEATED"
"""A variable, so that the processes that we start give the same hints."""

_ANYWHERE = ("options", "VERB")
"""Verbs that need not know where they are."""


def own_command(words: str = "") -> str:
    """A command line of ours that works when it is typed as printed.

    Args:
        words: what comes behind the program: a verb and its words; "" for the program alone.
    """
    verb, _, rest = words.partition(" ")
    needed = "" if verb in ("", *_ANYWHERE) or "--help" in rest else os.environ.get(_REPEATED, "")
    repeated = [quoted for word in shlex.split(needed) if (quoted := shlex.quote(word)) not in rest]
    return " ".join(part for part in (_program(), verb, *repeated, rest) if part)


def repeat_words(words: Sequence[str]) -> None:
    """Let every command line from now on say these words: without them it would not find the folders of this one."""
    os.environ[_REPEATED] = shlex.join(words)


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
