"""`test`: opens the sealed test for the run that validation chose, and scores it, here or as a job."""

from __future__ import annotations

import argparse

from htr_exp.cli.chosen_runs import chosen_runs, places_named, run_names
from htr_exp.core.errors import ConfigError


def run(args: argparse.Namespace) -> int:
    """Score the run that validation chose, of each question, on its test pages."""
    from htr_exp.cli.resume import resumed
    from htr_exp.cli.start import StartRequest
    from htr_exp.config.choices import overlays
    from htr_exp.core.lock import Locked
    from htr_exp.core.terminal import say
    from htr_exp.runs import openings
    from htr_exp.runs.choice_by_validation import choose
    from htr_exp.runs.selection import runs_in

    words = [word for word in args.runs if word.startswith(("slurm=", "slurm."))]
    args.runs = [word for word in args.runs if word not in words]
    if not run_names(args):
        raise ConfigError("the test of which runs? Name a sweep, or all runs of a question")
    found = choose(chosen_runs(args), runs_in(places_named(args).runs), again=args.again)

    def open_tests() -> None:
        for one in found:
            if one.opening is None:
                continue
            if not args.json:
                say(f"opens the test for {one.run.name}, {openings.in_words(one.opening)}")
            try:
                openings.open_test(one.run, one.opening)
            except Locked as other:
                owner = other.owner
                raise ConfigError(f"{one.run.name}: process {owner.pid} on {owner.host} works in it") from None

    request = StartRequest("test", args.runs, json=args.json)
    return resumed([one.run for one in found], words, overlays(args.config_dir), request, before=open_tests)
