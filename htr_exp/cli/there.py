"""A verb with `on=SITE`: it is given there. The table of `status` is drawn here; all else is shown as it is said there."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from htr_exp.cli.on_site import is_on_word, login_named
from htr_exp.core.errors import ConfigError
from htr_exp.core.text import printable

if TYPE_CHECKING:
    from htr_exp.config.login import Login
    from htr_exp.remote.connection import Connection
    from htr_exp.runs.rows import RunRow


def run(args: argparse.Namespace, words: Sequence[str]) -> int:
    """Give a verb there and return its exit code there.

    Args:
        args: of the command line.
        words: of it behind the verb, as typed.
    """
    from htr_exp.core.terminal import say
    from htr_exp.remote.connection import Connection
    from htr_exp.remote.there import ask_tool, pass_through, said_of_version

    login = login_named(args)
    given = words_there(words)
    with Connection(login.host) as connection:
        if args.verb == "status" and args.watch is None:
            return _status(args, connection, login, given)
        if args.verb == "doctor":  # asks by the way which version there is
            answered = ask_tool(connection, login, ["--version"])
            if (note := said_of_version(answered.version, login.host)) is not None:
                say(f"note: {note}", error=True)
        return pass_through(connection, login, [args.verb, *given])


def words_there(words: Sequence[str]) -> list[str]:
    """The words of a command line that are meant for the other site.

    Raises:
        ConfigError: one of them is about this machine alone.
    """
    found: list[str] = []
    skipped = False
    for word in words:
        if skipped:
            skipped = False
        elif word == "--config-dir":
            skipped = True  # where the site itself is described
        elif word == "--workspace" or word.startswith(("--workspace=", "site=")):
            raise ConfigError(
                f"{printable(word)}: with on=SITE the workspace is the one there: `login_workspace` of the site; leave it out"
            )
        elif not is_on_word(word) and not word.startswith("--config-dir="):
            found.append(word)
    return found


def _status(args: argparse.Namespace, connection: Connection, login: Login, words: Sequence[str]) -> int:
    """Show the status of the runs there, in one round trip."""
    from htr_exp.core.console import console
    from htr_exp.core.terminal import say, say_json
    from htr_exp.remote.there import ask_tool, said_of_version
    from htr_exp.runs.status_table import show_status

    answered = ask_tool(connection, login, ["status", *words, *(["--json"] * ("--json" not in words))])
    if (note := said_of_version(answered.version, login.host)) is not None:
        say(f"note: {note}", error=True)
    for line in answered.errors:
        say(line, error=True)
    if answered.code or not isinstance(answered.value, list):
        if not answered.errors:
            say(f"error: `htr-exp status` on {login.host} did not say which runs there are", error=True)
        return answered.code or 1
    if args.json:
        say_json(answered.value)
    elif answered.value:
        show_status(console(), [_row(value) for value in answered.value])
    else:
        say(f"there are no runs on {login.host} yet")
    return 0


def _row(value: dict[str, Any]) -> RunRow:
    """A row as the tool there wrote it: its state is a word there."""
    from htr_exp.core.run_state import RunState

    row: Any = {**value, "state": RunState(value["state"])}
    return row  # type: ignore[no-any-return]
