"""`cancel`: ends runs."""

from __future__ import annotations

import argparse

from htr_exp.cli.chosen_runs import chosen_runs
from htr_exp.core.errors import ConfigError
from htr_exp.core.own_command import own_command


def run(args: argparse.Namespace) -> int:
    """End runs."""
    from htr_exp.core.errors import plainly
    from htr_exp.core.terminal import say, say_json
    from htr_exp.runs import logs as runs_logs

    if not [word for word in args.runs if not word.startswith(("site=", "site."))]:
        raise ConfigError(f"cancel which runs? Name them, or a sweep; `{own_command('status')}` lists them")
    runs = chosen_runs(args)
    try:
        done, problems = runs_logs.cancel(runs)
    except OSError as error:
        raise plainly(error, runs[0].path) from None
    if args.json:
        say_json([{"run": str(one.run.path), "state": one.state} for one in done])
    else:
        for one in done:
            say(one.said)
    for problem in problems:
        say(f"warning: {problem}", error=True)
    return 1 if problems else 0
