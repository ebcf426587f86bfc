"""`completion`: prints the script that lets a shell complete our words with TAB, and answers that script."""

from __future__ import annotations

import argparse
import os
import re
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path

from htr_exp.cli.arguments import VERBS, verb_parser
from htr_exp.core.terminal import say

SCRIPTS = {
    "bash": r"""_htr_exp() {
    mapfile -t COMPREPLY < <("$1" completion answer bash "${COMP_LINE:0:COMP_POINT}" 2>/dev/null)
    case "${COMPREPLY[0]}" in *[=./]) compopt -o nospace ;; esac
}
complete -o default -F _htr_exp htr-exp ./htr-exp""",
    "zsh": r"""#compdef htr-exp
_htr_exp() {
    local -a found
    found=("${(@f)$("${words[1]}" completion answer zsh "${(j: :)words[1,CURRENT]}" 2>/dev/null)}")
    compadd -Q -S '' -- ${(M)found:#*[=./]}
    compadd -Q -- ${found:#*[=./]}
}
compdef _htr_exp htr-exp ./htr-exp""",
    "fish": r"""complete -c htr-exp -f -k -a '(set -l words (commandline -op); $words[1] completion answer fish (commandline -cp) 2>/dev/null)'""",
}
"""Of each shell: it hands over the line as far as the cursor, and gets the words that may stand there, one a line."""

INSTALLING = {
    "bash": 'eval "$(htr-exp completion bash)"     # in ~/.bashrc',
    "zsh": 'eval "$(htr-exp completion zsh)"      # in ~/.zshrc, behind compinit',
    "fish": "htr-exp completion fish | source      # in ~/.config/fish/config.fish",
}

PATHS = re.compile(
    r".*\.(path|file|table|image|metadata|characters|trained_on|ketos|workspace|ground_truth|models|runs|cache|images)|split\.lists\..*"
)
"""Keys whose values are files and folders."""


def run(args: argparse.Namespace) -> int:
    """Print the script of a shell, or the answer to it, or how to use both."""
    if args.shell == "answer":
        for word in answers(args.line or "", args.of or ""):
            say(word)
    elif args.shell is not None:
        for line in SCRIPTS[args.shell].splitlines():
            say(line)
    else:
        say("To complete verbs, groups, choices, keys and names of runs with TAB, write one of these lines:")
        for line in INSTALLING.values():
            say(f"  {line}")
    return 0


def answers(line: str, shell: str) -> Iterator[str]:
    """The words that may stand where a line ends, as its shell takes them.

    Args:
        line: the command line as far as the cursor, with the program's name.
        shell: bash replaces what stands behind the last = or : alone.
    """
    *before, typed = _words(line)
    kept = max(typed.rfind("="), typed.rfind(":")) + 1 if shell == "bash" else 0
    for word in dict.fromkeys(_candidates(before[1:], typed)):
        if word.startswith(typed) and word.isprintable():
            yield word[kept:] if shell == "fish" else re.sub(r"([^\w@%+=:,./~-])", r"\\\1", word[kept:])


def _words(line: str) -> list[str]:
    """The words of a line; the last is the one that is being typed, "" behind a blank."""
    for closing in ("", "'", '"'):
        try:
            words = shlex.split(line + closing)
        except ValueError:  # a quote is open
            continue
        return [*words, ""] if (not closing and re.search(r"(?<!\\)\s$", line)) or not words else words
    return [""]


def _candidates(before: list[str], typed: str) -> Iterable[str]:
    if not before:
        return [*VERBS, "--help", "--version"]
    verb = before[0]
    if verb not in VERBS:
        return []
    if typed.startswith("-"):
        return re.findall(r"^ +(?:-\w(?: \w+)?, )?(--?[\w-]+)", verb_parser(verb).format_help(), re.MULTILINE)
    family = VERBS[verb].family
    if family == "completion":
        return SCRIPTS
    if family in ("runs", "store", "ui"):
        settings = _settings(typed, ("site", "slurm") if verb == "resume" else ("site",))
        return ["last", *_runs(before), *settings]
    if family == "options":
        return _groups_and_keys()
    return [*_settings(typed), *(_paths(typed) if family == "check" and "=" not in typed else ())]


def _settings(typed: str, groups: Iterable[str] = ()) -> Iterator[str]:
    """The settings that a word can become; only of some groups, if they are named."""
    key, equals, value = typed.partition("=")
    bare = key.lstrip("+")
    if groups and "." not in bare and not equals:
        yield from (f"{group}{sign}" for group in groups for sign in "=.")
        return
    from htr_exp.config.choices import options, overlays  # they take a moment, which names of runs do not need
    from htr_exp.config.misread_words import kind_of, types_of_keys
    from htr_exp.config.schema import CHOICES

    chosen = options(overlays())
    if not equals:
        signs, keys = key[: len(key) - len(bare)], types_of_keys()
        known = [name for name in keys if not groups or name.partition(".")[0] in groups]
        if "." in bare:
            yield from (f"{signs}{name}=" for name in known)
        else:
            yield from (f"{signs}{group}=" for group in chosen)
            yield from (f"{signs}{name.partition('.')[0]}." if "." in name else f"{signs}{name}=" for name in known)
        return
    first = value[: value.rfind(",") + 1]  # of a sweep
    if bare in chosen:
        yield from (f"{key}={first}{name}" for name in chosen[bare])
    elif PATHS.fullmatch(bare):
        yield from (f"{key}={path}" for path in _paths(value))
    else:
        words = CHOICES.get(bare) or (("true", "false") if kind_of(bare) is bool else ())
        yield from (f"{key}={first}{word}" for word in words)


def _groups_and_keys() -> list[str]:
    from htr_exp.config.choices import options, overlays
    from htr_exp.config.misread_words import types_of_keys

    return [*options(overlays()), *types_of_keys()]


def _runs(before: list[str]) -> list[str]:
    """The names of the run folders of the workspace."""
    place = before[before.index("--workspace") + 1 : before.index("--workspace") + 2] if "--workspace" in before else []
    try:
        return sorted(entry.name for entry in os.scandir(Path(*place) / "runs") if entry.is_dir())
    except OSError:
        return []


def _paths(typed: str) -> Iterator[str]:
    """The files and folders that a path can become."""
    folder, _, last = typed.rpartition("/")
    before = f"{folder}/" if "/" in typed else ""
    try:
        for entry in sorted(os.scandir(Path(before or ".").expanduser()), key=lambda entry: entry.name):
            if not entry.name.startswith(".") or last.startswith("."):
                yield f"{before}{entry.name}{'/' * entry.is_dir()}"
    except (OSError, RuntimeError):
        return
