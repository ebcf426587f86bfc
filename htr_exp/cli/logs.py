"""`logs`: what a run said."""

from __future__ import annotations

import argparse
import sys

from htr_exp.cli.chosen_runs import chosen_runs
from htr_exp.core.errors import ConfigError


def run(args: argparse.Namespace) -> int:
    """Show a run's log."""
    from htr_exp.runs.logs import follow, last_lines

    if not args.runs:
        args.runs = ["last"]
    run, *others = chosen_runs(args)
    if others:
        names = ", ".join([run.name, *(other.name for other in others)])
        raise ConfigError(f"logs shows one run at a time: choose one of {names}")
    if not args.follow:
        lines = last_lines(run, args.lines)
        print("\n".join(lines) if lines else f"{run.name}: {run.state().state}: it has not said anything yet")
        return 0
    try:
        follow(
            run,
            lambda text: print(text, end="", flush=True),
            lambda text: print(f"== {text}", file=sys.stderr, flush=True),
            lines=args.lines,
        )
    except KeyboardInterrupt:
        return 0
    return 0
