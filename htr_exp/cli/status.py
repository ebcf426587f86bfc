"""`status`: how runs stand."""

from __future__ import annotations

import argparse

from htr_exp.cli.arguments import LOOK_EVERY_S
from htr_exp.cli.chosen_runs import chosen_runs, record_new
from htr_exp.core.errors import ConfigError
from htr_exp.core.own_command import own_command

DAY_S = 86_400


def run(args: argparse.Namespace) -> int:
    """Say how runs stand."""
    from htr_exp.core.console import console
    from htr_exp.core.terminal import say, say_json
    from htr_exp.runs import status as runs_status
    from htr_exp.runs import status_table
    from htr_exp.runs.rows import RunRow, rows_of

    every_s = _watched(args)
    runs = chosen_runs(args)
    if args.sync:
        record_new(args, runs, servers=True)

    def look() -> tuple[list[RunRow], list[str]]:
        found, notes = runs_status.look(runs)
        return rows_of(runs, found, every_digest=args.digests), notes

    if every_s is not None and runs:
        try:
            status_table.watch_status(console(), look, every_s=every_s)
        except KeyboardInterrupt:  # as `watch` does: who only looks has nothing to interrupt
            return 0
        return 0
    rows, notes = look()
    if args.json:
        say_json(rows)
    elif rows:
        status_table.show_status(console(), rows)
    else:
        say(f"there are no runs here yet: `{own_command('train dataset=... model=...')}` makes one")
    for note in notes:
        say(f"note: {note}", error=True)
    return 0


def _watched(args: argparse.Namespace) -> float | None:
    """The seconds of `--watch`, None without it; a word that is no number is the run that follows it."""
    if args.watch is None:
        return None
    if args.json:
        raise ConfigError("--watch is for people: ask for --json again and again instead")
    try:
        every_s = float(args.watch)
        if not 0 <= every_s <= DAY_S:
            raise ConfigError(f"--watch {args.watch[:40]}: give seconds, at most a day")
        return max(every_s, 1.0)
    except ValueError:
        args.runs.append(args.watch)
        return LOOK_EVERY_S
