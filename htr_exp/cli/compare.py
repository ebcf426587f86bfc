"""`compare`: runs side by side."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from htr_exp.cli.chosen_runs import chosen_runs, record_new
from htr_exp.core.errors import ConfigError
from htr_exp.core.own_command import own_command


def run(args: argparse.Namespace) -> int:
    """Put runs side by side, best validation CER first."""
    from htr_exp.core.console import console
    from htr_exp.core.terminal import say, say_json
    from htr_exp.runs import compare_csv, compare_table, told_apart
    from htr_exp.runs.experiments import condition_records
    from htr_exp.runs.rows import compared_rows

    if args.margin is not None and not 0 < args.margin <= 100:
        raise ConfigError(
            f"--margin {args.margin:g}: it must be above 0, in points of percent, for example --margin 0.5"
        )
    margin = None if args.margin is None else args.margin / 100
    runs = chosen_runs(args)
    record_new(args, runs, servers=False)
    rows, varied, broken = compared_rows(runs, every_digest=args.digests)
    for said in broken:
        say(f"warning: {said}", error=True)
    if args.csv or args.json:
        conditions = condition_records(rows)
        found: list[dict[str, Any]] = [{**row, "condition": conditions.get(row["folder"])} for row in rows]
        if margin is not None:
            no_worse = told_apart.no_worse(rows, margin)
            found = [{**row, "no_worse": no_worse.get(row["folder"])} for row in found]
        if args.csv:
            compare_csv.write_csv(sys.stdout, found, varied)
        else:
            say_json(found)
    elif rows:
        compare_table.show_table(console(), rows, varied, margin)
    else:
        say(f"there are no runs here yet: `{own_command('train dataset=... model=...')}` makes one")
    return 0
