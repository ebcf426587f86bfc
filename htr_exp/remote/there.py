"""Our own tool on another site: the command line that starts it there, and its answer."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from htr_exp import __version__
from htr_exp.config.login import FOLDERS, Login
from htr_exp.config.site_choice import VARIABLE
from htr_exp.core.errors import HtrExpError
from htr_exp.core.terminal import say_lines
from htr_exp.core.text import printable
from htr_exp.remote.connection import Connection
from htr_exp.remote.failures import CONNECTION_LOST, lost
from htr_exp.remote.rsync import word

NO_WORKSPACE = 93
NO_PROGRAM = 94
"""Exit codes of our own words there, which the tool does not have."""

_MARK = "htr-exp-version "


class ToolUnusable(HtrExpError):
    """There is no htr-exp there that can be used."""


@dataclass(frozen=True)
class Answered:
    """What the tool there said.

    Attributes:
        code: its exit code.
        value: its last line, as JSON; None where that is none.
        errors: what it said on stderr, a line each.
        version: of the tool there.
    """

    code: int
    value: Any
    errors: list[str]
    version: str


def start(login: Login, words: Sequence[str]) -> str:
    """The script that starts the tool in the workspace there, with the folders of the site.

    A site of the user's own is not known by its name there: its folders are said, in words of the command line.

    Args:
        login: the site.
        words: of the command line, a verb first.
    """
    return "\n".join([*_set_up(login), f"exec {_call(login, words)}"])


def _program(login: Login) -> str:
    return "htr-exp" if login.environment is None else f"{word(login.environment)}/bin/htr-exp"


def _set_up(login: Login) -> list[str]:
    site = login.site if login.is_shipped else "laptop"
    return [
        f"cd {word(login.workspace)} || exit {NO_WORKSPACE}",
        f"command -v {_program(login)} >/dev/null || exit {NO_PROGRAM}",
        f"{VARIABLE}={shlex.quote(site)}; export {VARIABLE}",
    ]


def _call(login: Login, words: Sequence[str]) -> str:
    folders = [f"site.{key}={login.folders[key]}" for key in FOLDERS if key in login.folders]
    more = [] if login.is_shipped or words[0].startswith("-") else [f"site.name={login.site}", *folders]
    return f"{_program(login)} {shlex.join([*words, *more])}"


def ask_tool(connection: Connection, login: Login, words: Sequence[str]) -> Answered:
    """Ask the tool there something that it answers as JSON, and which version it is, in one round trip.

    Args:
        connection: to the site.
        login: the site.
        words: of the command line; `--json` is among them.

    Raises:
        ToolUnusable: there is no workspace or no tool there, or it answers something else.
        ConnectionFailed: the machine cannot be reached, or was lost.
    """
    version = f"printf '{_MARK}%s\\n' \"$({_program(login)} --version 2>&1 | tail -n 1)\""
    heard = connection.run("\n".join([*_set_up(login), version, _call(login, words)]))
    if heard.code in (NO_WORKSPACE, NO_PROGRAM):
        raise unusable(login, heard.code)
    first, _, rest = heard.text.partition("\n")
    lines = rest.strip().splitlines()
    errors = [line for line in heard.errors.splitlines() if line.strip()]
    try:
        value = json.loads(lines[-1]) if lines else None
    except ValueError:
        value = None
    return Answered(heard.code, value, errors, first.removeprefix(_MARK).removeprefix("htr_exp ").strip())


def unusable(login: Login, code: int) -> ToolUnusable:
    """The error that tells a user why there is nothing to ask there."""
    file = f"conf/site/{login.site}.yaml"
    if code == NO_WORKSPACE:
        what = f"there is no folder {printable(login.workspace)} on {login.host}"
        return ToolUnusable(
            f"on={login.site} cannot be used:", [f"{what}; make it, or correct `login_workspace` in {file}"]
        )
    where = (
        "on the PATH of commands that come over ssh"
        if login.environment is None
        else f"in {printable(login.environment)}"
    )
    remedy = f"install it there and write `login_environment: FOLDER` (the Python environment with htr-exp) in {file}, or type site.login_environment=FOLDER"
    return ToolUnusable(f"on={login.site} cannot be used:", [f"there is no htr-exp {where} on {login.host}; {remedy}"])


def said_of_version(version: str, host: str) -> str | None:
    """What is said where the tool there is another version than here; None where it is the same."""
    if version == __version__:
        return None
    return f"htr_exp there is {printable(version)[:80] or 'of an unknown version'} ({host}), here it is {__version__}"


def pass_through(connection: Connection, login: Login, words: Sequence[str]) -> int:
    """Run a verb there as if it were here, with a terminal where there is one; return its exit code.

    Args:
        connection: open.
        login: the site.
        words: of the command line, a verb first.

    Raises:
        ToolUnusable: there is no workspace or no tool there.
        ConnectionFailed: the connection was lost.
    """
    script = start(login, words)
    if sys.stdin.isatty() and sys.stdout.isatty():
        sys.stdout.flush()
        code = subprocess.call([*connection.argv, "-t", connection.host, f"exec /bin/sh -c {shlex.quote(script)}"])
    else:
        code = _without_terminal(connection, script)
    if code in (NO_WORKSPACE, NO_PROGRAM):
        raise unusable(login, code)
    if code == CONNECTION_LOST:
        raise lost(login.host)
    return code


def _without_terminal(connection: Connection, script: str) -> int:
    """Run a script there and pass on what it prints, without what its login shell prints first."""
    columns = os.environ.get("COLUMNS", "")
    shown = f"COLUMNS={columns}; export COLUMNS\n" if columns.isdecimal() else ""
    whole = f"printf '\\n%s\\n' {connection.mark}\n{shown}{script}"
    ours = shlex.split(connection.shell_for_others())
    command = [*ours, "-T", connection.host, f"exec /bin/sh -c {shlex.quote(whole)}"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        try:
            for line in process.stdout or ():
                say_lines(line.decode("utf-8", "replace"))
            return process.wait()
        except BaseException:
            process.terminate()
            raise
