"""htr_exp: fine-tune kraken models for medieval manuscripts, and prove what you publish."""

import os
import sys

__version__ = "0.1.0"


def _leave_out_current_directory() -> None:
    """Take the current directory from Python's search path, and from that of the programs that we start.

    The current directory may be somebody else's: a `rich.py` in it must not run. `python -m` puts it first, and an empty
    entry of PYTHONPATH means it, too, as does a relative one. It stays where the package itself lies in it.
    """
    ours = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
    try:
        here = os.path.realpath(os.getcwd())
    except OSError:  # it was deleted
        return
    if here == ours:
        return
    inherited = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    left_out = {here, *(os.path.realpath(entry) for entry in inherited if not os.path.isabs(entry))}

    def kept(entry: str) -> bool:
        return os.path.isabs(entry) and os.path.realpath(entry) not in left_out

    sys.path[:] = filter(kept, sys.path)
    if "PYTHONPATH" in os.environ:
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(kept, inherited))
        if not os.environ["PYTHONPATH"]:
            del os.environ["PYTHONPATH"]


_leave_out_current_directory()  # before anything else is imported
