"""`on=SITE` in a command line: which site is meant, and which verbs take it."""

from __future__ import annotations

import argparse
import shlex
from typing import TYPE_CHECKING

from htr_exp.core.errors import ConfigError
from htr_exp.core.own_command import own_command
from htr_exp.core.problem import Problem

if TYPE_CHECKING:
    from htr_exp.config.login import Login

MOVING = ("push", "pull")
"""Verbs that are about another site alone."""

THERE = ("status", "logs", "cancel", "resume", "compare", "doctor")
"""Verbs that can be given there instead of here."""

_WORDS = ("words", "overrides", "runs")
"""Where the words of a command line are, verb by verb."""


def is_on_word(word: str) -> bool:
    """Whether a word says which other site is meant, or how it is reached."""
    return word.startswith(("on=", "site.login"))


def take(args: argparse.Namespace) -> None:
    """Take the words of another site out of the others: `args.on` is its name or None, `args.login` what was typed of its keys.

    Raises:
        ConfigError: the verb takes no `on=`, or two sites are named.
    """
    args.on, args.login = None, {}
    for place in _WORDS:
        words = getattr(args, place, None)
        if not words or not any(word.startswith("on=") for word in words):
            continue
        names = list(dict.fromkeys(word[3:] for word in words if word.startswith("on=")))
        if args.verb not in (*MOVING, *THERE):
            remedy = f"leave it out, or log in there; on= works with {', '.join((*MOVING, *THERE))}"
            raise ConfigError(
                "the command line cannot be used:",
                [Problem(f"on={names[0]}: {args.verb} works here alone", remedy, "on")],
            )
        if len(names) > 1:
            raise ConfigError(
                "the command line cannot be used:", [Problem(f"on={','.join(names)}: name one site", where="on")]
            )
        args.on = names[0]
        typed = (word.partition("=") for word in words if word.startswith("site.login"))
        args.login = {key.removeprefix("site."): value for key, _, value in typed}
        setattr(args, place, [word for word in words if not is_on_word(word)])


def needs_on(args: argparse.Namespace) -> None:
    """Refuse a verb that is about another site and names none.

    Raises:
        ConfigError: there is no `on=`.
    """
    if args.on is None:
        raise ConfigError(f"{args.verb}: which site? Name it: `{own_command(f'{args.verb} on=SITE')}`")


def on_words(args: argparse.Namespace) -> str:
    """The words by which another command means the same site, as they are typed."""
    return shlex.join([f"on={args.on}", *(f"site.{key}={value}" for key, value in args.login.items())])


def login_named(args: argparse.Namespace) -> Login:
    """How the site is reached that `on=` names.

    Raises:
        ConfigError: there is no such site, or no login host.
    """
    from htr_exp.config.choices import overlays
    from htr_exp.config.login import login_of

    return login_of(args.on, overlays(args.config_dir), args.login)
