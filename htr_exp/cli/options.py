"""`options`: every choice of every group, and the keys of a group with meaning and default."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from htr_exp.core.errors import ConfigError
from htr_exp.core.problem import Problem

if TYPE_CHECKING:
    from htr_exp.config.key_meanings import KeyMeaning


def run(args: argparse.Namespace) -> int:
    """List every choice of every group, or what was named."""
    from htr_exp.config.choices import options, overlays
    from htr_exp.core.terminal import say, say_json

    groups = options(overlays(args.config_dir))
    if not args.names:
        if args.json:
            say_json(groups)
            return 0
        for group, choices in groups.items():
            _show_choices(group, choices)
        say("`options GROUP` shows the keys of a group with meaning and default, as `options training`")
        say("`options evaluate` shows those that `evaluate` has alone")
        return 0
    asked = _asked(args.names, groups)
    if args.json:
        say_json(
            [{"key": key.key, "choice": name, "default": key.default, "meaning": key.meaning} for key, name in asked]
        )
        return 0
    for group in dict.fromkeys(name for name in args.names if name in groups):
        _show_choices(group, groups[group])
    _show_keys(asked)
    return 0


def _asked(names: Sequence[str], groups: Mapping[str, Mapping[str, str]]) -> list[tuple[KeyMeaning, str]]:
    """The keys that words name, each with the choice of its group that gives it its default; `evaluate`: those it has alone.

    Raises:
        ConfigError: with all words that name neither a group nor a key.
    """
    from htr_exp.config.key_meanings import keys_of
    from htr_exp.config.misread_words import did_you_mean, keys_meant, types_of_keys
    from htr_exp.config.predictions_rules import OWN
    from htr_exp.core.task import TASKS

    found: list[tuple[KeyMeaning, str]] = []
    problems = []
    for name in names:
        wanted = [name] if name in types_of_keys() else keys_meant(name, list(TASKS.values()), misspelt=False)
        if name == "evaluate":
            found += [(key, "") for key in keys_of("")[""] if key.key in OWN]
        elif name in groups:
            found += [(key, choice) for choice, keys in keys_of(name).items() for key in keys]
        elif wanted:
            for group in dict.fromkeys(_group_of(key, groups) for key in wanted):
                found += [
                    (key, choice)
                    for choice, keys in keys_of(group).items()
                    for key in keys
                    if any(f"{one}.".startswith(f"{key.key}.") for one in wanted)
                ]
        else:
            what = f"{name}: there is no such group or key{did_you_mean(name, [*groups, *types_of_keys()])}"
            problems.append(Problem(what, f"choose among {', '.join(groups)}", name))
    if problems:
        raise ConfigError("the command line cannot be used:", problems)
    return found


def _group_of(key: str, groups: Iterable[str]) -> str:
    """The group whose choices set a key, the innermost one; "" for a key of an experiment itself."""
    return max((group for group in groups if key.startswith(f"{group.replace('/', '.')}.")), key=len, default="")


def _show_choices(group: str, choices: Mapping[str, str]) -> None:
    from htr_exp.core.terminal import say

    say(f"{group}=")
    for name, sentence in choices.items():
        say(f"  {name:18} {sentence}")


def _show_keys(asked: Sequence[tuple[KeyMeaning, str]]) -> None:
    from rich.table import Table

    from htr_exp.core.console import Text, console

    if not asked:
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("key", no_wrap=True)
    table.add_column("default", overflow="fold", max_width=24)
    table.add_column("meaning", overflow="fold")
    several = len({name for _, name in asked}) > 1
    told = ""
    for key, name in asked:
        if several and name != told:
            group = key.key.partition(".")[0]
            table.add_row(Text(f"{group}={name}:" if name else "of an experiment:", style="bold"))
        told = name
        table.add_row(*map(Text, (key.key, key.default, key.meaning)))
    console().print(table)
