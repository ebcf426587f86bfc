"""`pull`: fetches runs that have ended on another site."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from htr_exp.cli.chosen_runs import places_named, record_new, run_names
from htr_exp.cli.on_site import login_named, needs_on, on_words
from htr_exp.core.own_command import own_command
from htr_exp.core.text import counted, printable, size

if TYPE_CHECKING:
    from htr_exp.remote.pull import Pulled


def run(args: argparse.Namespace) -> int:
    """Fetch runs that have ended, and record them in MLflow here; doing it again changes nothing."""
    from htr_exp.core.errors import plainly
    from htr_exp.core.terminal import say, say_json
    from htr_exp.remote.connection import Connection
    from htr_exp.remote.pull import pull
    from htr_exp.remote.there import ask_tool, said_of_version
    from htr_exp.runs.run_dir import RunDir

    needs_on(args)
    login = login_named(args)
    names, folder = run_names(args), places_named(args).runs
    done: list[Pulled] = []
    with Connection(login.host) as there:
        answered = ask_tool(there, login, ["status", "--json", *names])
        if (note := said_of_version(answered.version, login.host)) is not None:
            say(f"note: {note}", error=True)
        if answered.code or not isinstance(answered.value, list):
            for line in answered.errors:
                say(line, error=True)
            say(f"error: `htr-exp status` on {login.host} did not say which runs there are", error=True)
            return answered.code or 1
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for one in pull(there, answered.value, folder, (lambda name: None) if args.json else _progress):
                done.append(one)
                if not args.json:
                    _show(one, on_words(args))
        except OSError as error:
            raise plainly(error, folder) from None
    new = [RunDir(folder / one.run) for one in done if one.done in ("new", "updated")]
    record_new(args, new, servers=False)
    if args.json:
        say_json([{**vars(one), "folder": str(folder / one.run)} for one in done])
    else:
        if same := sum(one.done == "same" for one in done):
            say(f"{counted(same, 'run')} {'is' if same == 1 else 'are'} here already")
        if not done:
            say("there are no runs there yet")
    refused = any(one.done == "refused" for one in done)
    return 1 if refused or (names and any(one.done == "waits" for one in done)) else 0


def _show(one: Pulled, on: str) -> None:
    """Say what became of a run."""
    from htr_exp.core.terminal import say

    name = printable(one.run)
    if one.done in ("new", "updated"):
        again = "" if one.done == "new" else ", in place of its earlier state"
        say(f"{name}: {one.state}; {counted(one.files, 'file')} fetched, {size(one.size)}{again}")
    elif one.done == "waits":
        follow = own_command(f"logs {one.run} {on} -f")
        say(f"{name}: {one.state}: not fetched before it has ended; `{follow}` follows it")
    elif one.done == "refused":
        say(f"error: {name}: {one.why}", error=True)


def _progress(name: str) -> Callable[[int, int], None] | None:
    """What shows somebody how far it is; None where nobody looks."""
    from htr_exp.core.terminal import say_on_one_line

    def show(files: int, count: int) -> None:
        say_on_one_line(f"Fetching {name}: {counted(files, 'file')}, {size(count)}    ", last=False)

    return show if sys.stderr.isatty() else None
