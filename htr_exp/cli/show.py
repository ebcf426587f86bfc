"""`show`: the report of a run, in the browser."""

from __future__ import annotations

import argparse
import os
import sys
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING

from htr_exp.cli.chosen_runs import chosen_runs, run_names
from htr_exp.core.errors import ConfigError, HtrExpError

if TYPE_CHECKING:
    from htr_exp.runs.run_dir import RunDir


def run(args: argparse.Namespace) -> int:
    """Show the report of the run that is named, or of the newest."""
    from htr_exp.core.terminal import say, say_json

    if not run_names(args):
        args.runs.append("last")
    runs = chosen_runs(args)
    if len(runs) != 1:
        raise ConfigError(
            f"{', '.join(one.name for one in runs)}: show takes one run; compare puts several side by side"
        )
    report, made = _report(runs[0])
    if args.json:
        say_json({"run": str(runs[0].path), "report": str(report), "made": made})
        return 0
    say(f"report: {report.as_uri()}")
    if not args.no_open and _has_display():
        webbrowser.open(report.as_uri())
    return 0


def _report(run: RunDir) -> tuple[Path, bool]:
    """Where the report of a run is, and whether it had to be made.

    It is made of the records each time, and written where another one or none is there: what somebody has put in its
    place is never opened. Where the run folder cannot be written, it is kept in the cache of this account.

    Raises:
        HtrExpError: it cannot be made, or written anywhere.
    """
    from htr_exp.report.page import report_of

    try:
        content = report_of(run)
    except (OSError, TypeError, AttributeError, KeyError, ValueError) as error:
        raise HtrExpError(
            f"{run.path}: the report cannot be made, the run folder is damaged or was edited ({type(error).__name__}: {error})"
        ) from None
    if _holds(run.report, content):
        return run.report, False
    try:
        return _written(run.report, content), True
    except OSError as error:
        where = _own_place(run)
        if _holds(where, content):
            return where, False
        try:
            where.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            return _written(where, content), True
        except OSError:
            raise HtrExpError(f"{run.report} cannot be written: {error.strerror or error}") from None


def _holds(path: Path, content: bytes) -> bool:
    try:
        return path.stat().st_size == len(content) and path.read_bytes() == content
    except OSError:
        return False


def _written(path: Path, content: bytes) -> Path:
    from htr_exp.core.files import write_atomically

    write_atomically(path, content)
    return path


def _own_place(run: RunDir) -> Path:
    import platformdirs

    from htr_exp.core.files import sha256_bytes

    digest = sha256_bytes(os.fsencode(run.path))
    return platformdirs.user_cache_path("htr_exp") / "reports" / f"{run.name}-{digest[:8]}.html"


def _has_display() -> bool:
    """Whether a browser has a screen here; without one, a text browser would take the terminal."""
    return sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
