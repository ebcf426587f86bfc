"""The command line: exit 0 done, 1 failed, 2 to be changed by the user, 130 after Ctrl-C; errors in plain words."""

from __future__ import annotations

import argparse
import gc
import importlib
import os
import signal
import sys
from collections.abc import Sequence

from htr_exp.cli import on_site
from htr_exp.cli.arguments import VERBS, parser, verb_parser
from htr_exp.core.errors import ConfigError, DisplayLost, HtrExpError, of_memory
from htr_exp.core.machine import settle_home
from htr_exp.core.memory_reserve import keep_memory_back
from htr_exp.core.terminal import Unread, guarded, say, say_error

OBJECTS_BETWEEN_COLLECTIONS = 100_000
"""Instead of Python's 700: a start makes as many that stay (modules, classes, the configuration), and a tenth of it was spent on looking at them."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit code."""
    keep_memory_back()
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    settle_home()
    words = list(sys.argv[1:] if argv is None else argv)
    works = bool(words) and words[0] in VERBS and VERBS[words[0]].works
    if works:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the terminal is closed
    with guarded(lasting=works):
        try:
            try:
                return _main(words)
            finally:
                sys.stdout.flush()  # when Python ends, nobody can say any more what is in its way
        except DisplayLost as lost:
            say_error(lost)
            return 2
        except Unread:  # `| head`
            return 0


def _main(words: list[str]) -> int:
    try:
        os.getcwd()
    except FileNotFoundError:
        say("error: the current directory was deleted or moved: go to another one", error=True)
        return 2
    try:
        args = _parsed(words)
        if not hasattr(args, "verb"):
            parser().print_help()
            return 2
        on_site.take(args)
        if args.on is not None and args.verb in on_site.THERE:
            from htr_exp.cli import there

            return there.run(args, words[1:])
        # A verb's modules are imported once it is asked for: `--help` and `status` start in a moment on a login node.
        verb = importlib.import_module(f"htr_exp.cli.{VERBS[args.verb].module}")
        return int(verb.run(args))
    except HtrExpError as error:
        say_error(error)
        return 2
    except ImportError as error:
        if (lacking := of_memory(error)) is not None:
            say_error(lacking)
            return 2
        library = (error.name or "").partition(".")[0]
        if library in ("", "htr_exp"):
            raise
        from htr_exp.cli.doctor import software

        say(f"error: the Python library {library} cannot be used ({error})", error=True)
        say(f"  - install it and all else that is needed: {software.installing()}", error=True)
        return 2
    except (MemoryError, OSError, RuntimeError, SystemError) as error:
        if (lacking := of_memory(error)) is None:
            raise
        say_error(lacking)
        return 2
    except KeyboardInterrupt:
        return 130


def _parsed(words: list[str]) -> argparse.Namespace:
    if not words or words[0] not in VERBS:
        return parser().parse_intermixed_args(words)
    of_verb = verb_parser(words[0])
    if VERBS[words[0]].family != "experiment":
        return of_verb.parse_intermixed_args(words[1:])
    args, unknown = of_verb.parse_known_intermixed_args(words[1:])
    if unknown:
        from htr_exp.cli import kraken_options

        ours = {word.strip("[]|,") for word in of_verb.format_usage().split()}
        raise ConfigError("the command line cannot be used:", kraken_options.of_words(_unknown(words, unknown), ours))
    return args


def _unknown(words: list[str], unknown: list[str]) -> list[str]:
    """The words of a command line that are unknown options, each with the words behind it that are no settings."""
    found: list[str] = []
    for number, word in enumerate(words):
        follows = bool(found) and words[number - 1] == found[-1] and "=" not in word and not word.startswith("-")
        if word in unknown or follows:
            found.append(word)
    return found
