"""The terminal: a console that never breaks words where there is no terminal, and warnings on it."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text


def console(*, stderr: bool = False) -> Console:
    """A console that never breaks words where there is no terminal."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, highlight=False, width=None if stream.isatty() else 240)


def show_warnings(out: Console, warnings: Sequence[str]) -> None:
    """Print each warning once."""
    for warning in dict.fromkeys(warnings):
        out.print(Text(f"warning: {warning}", style="yellow"))
