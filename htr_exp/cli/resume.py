"""`resume`: goes on with runs that ended before they were done, here or as new jobs."""

from __future__ import annotations

import argparse

from htr_exp.cli.chosen_runs import chosen_runs, run_names
from htr_exp.core.errors import ConfigError


def run(args: argparse.Namespace) -> int:
    """Go on with runs that ended before they were done: here, or as new jobs."""
    from htr_exp.cli import start
    from htr_exp.config.choices import overlays

    words = [word for word in args.runs if word.startswith(("slurm=", "slurm."))]
    args.runs = [word for word in args.runs if word not in words]
    if not run_names(args):
        raise ConfigError("nothing to resume: name runs, or a sweep")
    request = start.StartRequest("resume", args.runs, json=args.json)
    return start.resume(chosen_runs(args), words, overlays(args.config_dir), request, trusted=args.trust)
