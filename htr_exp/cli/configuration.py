"""The options of Hydra that show a configuration and start nothing: `--cfg`, `--info`, `--hydra-help`, `hydra.verbose=true`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from htr_exp.cli.arguments import INFO
from htr_exp.core.errors import ConfigError
from htr_exp.core.terminal import say


def shows_configuration(args: argparse.Namespace, folders: Sequence[Path]) -> bool:
    """Show what the command line asks to be shown of a configuration; whether that was all that it asks for.

    Args:
        args: of a verb that takes an experiment.
        folders: the user's config folders.

    Raises:
        ConfigError: options do not go together, or the words cannot be composed.
    """
    from htr_exp.config import compose, hydra_words

    if args.hydra_help:
        _say_lines(hydra_words.help_text())
        return True
    if args.info not in (None, *INFO):  # --info KEY=VALUE
        args.overrides, args.info = [args.info, *args.overrides], "all"
    if problems := _problems(args):
        raise ConfigError("the command line cannot be used:", problems)
    if args.cfg:
        said = compose.configuration(
            args.overrides, folders, part=args.cfg, package=args.package, resolved=args.resolve
        )
    elif args.info:
        said = compose.composition(args.overrides, folders, what=args.info)
    else:
        if f"{hydra_words.VERBOSE}=true" in [word.lstrip("+") for word in args.overrides] and not args.multirun:
            _say_lines(compose.composition(args.overrides, folders), error=True)
        return False
    _say_lines(said)
    return True


def _say_lines(text: str, *, error: bool = False) -> None:
    for line in text.expandtabs(4).strip("\n").splitlines():
        say(line.rstrip(), error=error)


def _problems(args: argparse.Namespace) -> list[str]:
    found = []
    if args.cfg and args.info:
        found.append("--cfg and --info: choose one of them")
    if not args.cfg:
        found += [f"{option}: it is for --cfg; write --cfg job {option}" for option in _only_with_cfg(args)]
    if (args.cfg or args.info) and args.multirun:
        found.append("-m: --cfg and --info show one configuration; `train -m --dry-run` shows the points of a sweep")
    return found


def _only_with_cfg(args: argparse.Namespace) -> list[str]:
    return ["--resolve"] * args.resolve + [f"--package {args.package}"] * (args.package is not None)
