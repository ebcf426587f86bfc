"""`sync`: records run folders in MLflow."""

from __future__ import annotations

import argparse

from htr_exp.cli.chosen_runs import chosen_runs, places_named, run_names
from htr_exp.core.text import counted


def run(args: argparse.Namespace) -> int:
    """Record run folders in MLflow, each where its experiment says; doing it again changes nothing."""
    from htr_exp.core import terminal
    from htr_exp.runs import status as runs_status
    from htr_exp.tracking.sync import store_of, sync_runs

    workspace, runs = places_named(args).workspace, chosen_runs(args)
    runs_status.look(runs)  # what Slurm alone knows of a run's end goes into its folder
    paths = [run.path for run in runs]
    asked_for = args.uri is not None or bool(run_names(args))
    if not asked_for:
        paths = [path for path in paths if store_of(path, workspace)]
    say = None if args.json else terminal.say
    done = sync_runs(paths, workspace=workspace, uri=args.uri, ask=asked_for, every_digest=args.digests, progress=say)
    if args.json:
        keys = ("run", "run_id", "changed", "problem", "store")
        terminal.say_json([{key: getattr(one, key) for key in keys} for one in done])
    else:
        recorded = [one for one in done if one.problem is None]
        for store in dict.fromkeys(one.store for one in recorded):
            there = [one for one in recorded if one.store == store]
            changed = sum(one.changed for one in there)
            news = f"{changed} new or changed" if changed else "nothing new"
            terminal.say(f"{counted(len(there), 'run')} recorded, {news}: {store}")
        if lacking := len(done) - len(recorded):
            terminal.say(f"{counted(lacking, 'run')} not recorded", error=True)
        if not done:
            terminal.say("no runs to record")
        if aside := len(runs) - len(paths):
            terminal.say(
                f"{counted(aside, 'run')} {'has' if aside == 1 else 'have'} tracking=none: a run that is named is recorded, too"
            )
    problems = list(dict.fromkeys(one.problem for one in done if one.problem))
    for problem in problems:
        terminal.say(f"error: {problem}", error=True)
    return 1 if problems else 0
