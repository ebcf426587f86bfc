"""`logs`: what a run said."""

from __future__ import annotations

import argparse

from htr_exp.cli.chosen_runs import chosen_runs
from htr_exp.core.errors import ConfigError


def run(args: argparse.Namespace) -> int:
    """Show a run's log."""
    from htr_exp.core import terminal
    from htr_exp.runs.logs import follow, last_lines

    if not args.runs:
        args.runs = ["last"]
    run, *others = chosen_runs(args)
    if others:
        names = ", ".join([run.name, *(other.name for other in others)])
        raise ConfigError(f"logs shows one run at a time: choose one of {names}")
    if not args.follow:
        lines = last_lines(run, args.lines)
        for line in lines or [f"{run.name}: {run.state().state}: it has not said anything yet"]:
            terminal.say_lines(f"{line}\n")
        return 0
    try:
        follow(
            run,
            terminal.say_lines,
            lambda text: terminal.say(f"== {text}", error=True),
            lines=args.lines,
        )
    except KeyboardInterrupt:
        return 0
    return 0
