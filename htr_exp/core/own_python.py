"""Python programs that we start: they find their modules where we do, never in the current directory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multiprocessing.context import BaseContext

# `python -m` would look for modules in the current directory first, `python FILE` in the file's folder.
# -P does neither, but only Python 3.11 and later have it. `-c` puts an empty entry first, which the first statement removes.
_START = "import sys; sys.path[:] = [sys.argv.pop(1), *filter(None, sys.path)]; import runpy; runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"

_ROOT = str(Path(__file__).resolve().parents[2])
"""The folder that our own package lies in: a child imports the same code as we did."""


def python_module(name: str, *words: str) -> list[str]:
    """The arguments that run a module as a program, as `python -m` does, without the current directory.

    Args:
        name: the module, for example `htr_exp.pipeline.launch`.
        words: its own arguments.
    """
    return [sys.executable, "-c", _START, _ROOT, name, *words]


def spawn_context() -> BaseContext:
    """The context of `multiprocessing` that starts each process from nothing, and without the current directory.

    A forked child would inherit the locks of our threads.
    """
    import multiprocessing
    from multiprocessing import util

    # It starts `python -c`, and has no setting for the flags. The children are told our search path before they import anything.
    util._args_from_interpreter_flags = lambda: [*subprocess._args_from_interpreter_flags(), "-I"]  # type: ignore[attr-defined]
    return multiprocessing.get_context("spawn")
