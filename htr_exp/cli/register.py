"""`register`: puts the model of a run into MLflow's registry, under a name."""

from __future__ import annotations

import argparse

from htr_exp.cli.chosen_runs import chosen_runs, places_named, run_names
from htr_exp.core.errors import ConfigError
from htr_exp.core.own_command import own_command


def run(args: argparse.Namespace) -> int:
    """Record a run where its experiment says, and register its model there; doing it again changes nothing."""
    from htr_exp.core.terminal import say, say_json
    from htr_exp.tracking.registry import register
    from htr_exp.tracking.store import StoreTroubleError

    words = run_names(args)
    if len(words) != 2:
        raise ConfigError(f"register takes a run and a name for its model: `{own_command('register RUN NAME')}`")
    name = words[1].strip()
    if not name or any(sign in name for sign in "/:") or not name.isprintable():
        raise ConfigError(f"{words[1]}: a name in MLflow's registry is not empty, and has no / and no :")
    args.runs.remove(words[1])
    runs = chosen_runs(args)
    if len(runs) != 1:
        raise ConfigError(f"{words[0]}: this is a sweep of {len(runs)} runs; name the one whose model it is to be")
    try:
        done = register(runs[0], name, workspace=places_named(args).workspace, uri=args.uri)
    except StoreTroubleError as trouble:
        if args.json:
            say_json({"run": runs[0].name, "name": name, "version": None, "changed": False, "problem": str(trouble)})
        say(f"error: {trouble}", error=True)
        return 1
    if args.json:
        say_json(
            {
                "run": runs[0].name,
                "name": name,
                "version": done.version,
                "changed": done.changed,
                "store": done.store,
                "problem": None,
            }
        )
    else:
        news = "registered" if done.changed else "is registered already"
        say(f"{runs[0].name} {news}: {name}, version {done.version}, in {done.store}")
    return 0
