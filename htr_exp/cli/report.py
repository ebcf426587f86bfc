"""`report`: the paper bundle of some runs."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from htr_exp.cli.chosen_runs import chosen_runs, run_names
from htr_exp.core.errors import ConfigError, HtrExpError

if TYPE_CHECKING:
    from htr_exp.report.paper.evidence import Evidence
    from htr_exp.runs.run_dir import RunDir

DAMAGE = (TypeError, AttributeError, KeyError, ValueError)
"""What a record that somebody edited ends in."""


def run(args: argparse.Namespace) -> int:
    """Write tables, figures, methods, checklist, commands and references of the runs that are named."""
    from htr_exp.core.own_command import own_command
    from htr_exp.core.terminal import say, say_json
    from htr_exp.core.text import counted, first_of
    from htr_exp.report.paper.bundle import write_bundle
    from htr_exp.report.paper.evidence import evidence

    if args.out is None:
        raise ConfigError(f"report writes a folder: say which: `{own_command('report RUN --out FOLDER')}`")
    runs = chosen_runs(args)
    try:
        found = evidence(" ".join(run_names(args)) or "all runs of this workspace", runs)
        written = write_bundle(found, Path(args.out).expanduser())
    except DAMAGE as error:
        damaged = _damaged(runs)
        names = first_of([run.name for run in damaged], 3) or f"one of {counted(len(runs), 'run')}"
        what = "the report cannot be made, a run folder is damaged or was edited"
        raise HtrExpError(f"{names}: {what} ({type(error).__name__}: {error})") from None
    if args.json:
        say_json(
            {
                "out": str(written.folder),
                "files": list(written.files),
                "changed": list(written.changed),
                "runs": [one.row["run"] for one in found.runs],
                "without": [{"run": name, "reason": why} for name, why in found.without],
            }
        )
        return 0
    for name, why in found.without:
        say(f"warning: {name} has no scores and is not in the table: {why}", error=True)
    say(f"{counted(len(found.runs), 'run')}: {(written.folder / 'index.html').resolve().as_uri()}")
    say(f"  {', '.join(written.files)}")
    return 0


def _damaged(runs: Sequence[RunDir]) -> list[RunDir]:
    """The runs of which no report can be made, each asked alone: for texts, and for pictures only where these tell nothing."""
    from htr_exp.report.paper.bundle import files_of, texts_of

    return [run for run in runs if _fails(run, texts_of)] or [run for run in runs if _fails(run, files_of)]


def _fails(run: RunDir, make: Callable[[Evidence], object]) -> bool:
    from htr_exp.report.paper.evidence import evidence

    try:
        make(evidence(run.name, [run]))
    except ConfigError:
        return False  # it has no scores: that is said otherwise
    except DAMAGE:
        return True
    return False
