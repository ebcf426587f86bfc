"""`clean`: shows what takes room in a workspace, and removes what can be made again."""

from __future__ import annotations

import argparse
import time

from htr_exp.cli.chosen_runs import chosen_runs, places_named, run_names
from htr_exp.core.errors import ConfigError
from htr_exp.core.own_command import own_command
from htr_exp.core.problem import Problem

DAY_S = 86_400.0


def run(args: argparse.Namespace) -> int:
    """Say what lies where and how big it is; with --yes remove what can be made again."""
    from htr_exp.core.console import Text, aligned, console
    from htr_exp.core.errors import plainly
    from htr_exp.core.terminal import say, say_json
    from htr_exp.core.text import counted, first_of, size, thousands
    from htr_exp.runs import disk_use
    from htr_exp.runs import status as runs_status
    from htr_exp.runs.selection import runs_in

    if args.keep_days is not None and args.keep_days < 0:
        raise ConfigError(f"--keep-days {args.keep_days:g}: it must be 0 or more")
    places = places_named(args)
    runs, named = runs_in(places.runs), chosen_runs(args) if run_names(args) else []
    found, notes = runs_status.look(runs)
    unsettled = [one for one in runs if not found[one.path].state.is_settled]
    if working := [one for one in named if one in unsettled]:
        said = [
            Problem(
                f"{one.name}: it is {found[one.path].state}", f"`{own_command(f'cancel {one.name}')}` ends it", one.name
            )
            for one in working
        ]
        raise ConfigError("these runs have not ended:", said)
    since = time.time() - DAY_S * (args.keep_days or 0)
    uses = disk_use.uses(places, runs, open_runs=unsettled, named={one.path for one in named}, unused_since=since)
    removable = sum(disk_use.taken(one.removable) for one in uses)
    freed = None
    if args.yes:
        try:
            freed = sum(map(disk_use.remove, uses))
        except OSError as error:
            raise plainly(error, places.cache) from None
    if args.json:
        rows = [
            {"what": one.what, "folder": str(one.folder), "files": len(one.files), "bytes": disk_use.taken(one.files),
             "removable": len(one.removable), "why": one.why}
            for one in uses
        ]  # fmt: skip
        say_json({"uses": rows, "removable_bytes": removable, "freed_bytes": freed})
        return 0
    for note in notes:
        say(f"warning: {note}", error=True)
    if freed is not None:
        say(f"freed {size(freed)}")
        return 0
    out = console()
    if uses:
        columns = {
            "what": [one.what for one in uses],
            "files": [thousands(len(one.files)) for one in uses],
            "size": [size(disk_use.taken(one.files)) for one in uses],
            "can go": [size(disk_use.taken(one.removable)) if one.removable else "-" for one in uses],
            "": [one.why for one in uses],
        }
        table = aligned(columns, {"files", "size", "can go"}, 10**6)
        out.print(table, soft_wrap=True)
    if unsettled:
        names = first_of([f"{one.name} ({found[one.path].state})" for one in unsettled], 3)
        out.print(Text(f"{counted(len(unsettled), 'run')} not ended, so the cache is kept: {names}"))
    again = own_command(
        " ".join(["clean", *args.runs, *([f"--keep-days {args.keep_days:g}"] if args.keep_days else []), "--yes"])
    )
    say(f"{size(removable)} can be removed: `{again}`" if removable else "nothing can be removed")
    return 0
