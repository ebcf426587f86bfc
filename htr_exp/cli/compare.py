"""`compare`: runs side by side."""

from __future__ import annotations

import argparse
import sys

from htr_exp.cli.chosen_runs import chosen_runs, record_new
from htr_exp.core.own_command import own_command


def run(args: argparse.Namespace) -> int:
    """Put runs side by side, best validation CER first."""
    from htr_exp.core.console import console
    from htr_exp.core.terminal import say, say_json
    from htr_exp.runs import compare_csv, compare_table
    from htr_exp.runs.rows import compared_rows

    runs = chosen_runs(args)
    record_new(args, runs, servers=False)
    rows, varied, broken = compared_rows(runs, every_digest=args.digests)
    for said in broken:
        say(f"warning: {said}", error=True)
    if args.csv:
        compare_csv.write_csv(sys.stdout, rows, varied)
    elif args.json:
        say_json(rows)
    elif rows:
        compare_table.show_table(console(), rows, varied)
    else:
        say(f"there are no runs here yet: `{own_command('train dataset=... model=...')}` makes one")
    return 0
