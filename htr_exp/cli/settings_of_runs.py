"""Settings given to a verb that takes runs: a run keeps those that it was written with."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from htr_exp.config.choices import options
from htr_exp.config.misread_words import keys_meant, quoted_for_shell, types_of_keys, with_key
from htr_exp.config.overrides import key_problem, tasks_chosen
from htr_exp.core.errors import ConfigError
from htr_exp.core.own_command import own_command
from htr_exp.core.problem import Problem
from htr_exp.runs.run_dir import RunDir

TAKE_SLURM = ("resume", "test")
"""The verbs that start runs which are there already."""


def refuse_settings(verb: str, settings: Sequence[str], runs: Sequence[RunDir], names: Sequence[str]) -> None:
    """Say what to type instead of settings.

    Args:
        verb: that takes runs.
        settings: the words with `=` that are no run.
        runs: all of the workspace.
        names: the words that mean runs.

    Raises:
        ConfigError: always.
    """
    raise ConfigError("the command line cannot be used:", [_problem(verb, word, runs, names) for word in settings])


def _problem(verb: str, word: str, runs: Sequence[RunDir], names: Sequence[str]) -> Problem:
    typed, _, value = word.partition("=")
    groups, tasks = options(), tasks_chosen(())
    known = typed in groups or typed in types_of_keys()
    keys = [typed] if known else keys_meant(typed, tasks)
    if not keys:
        return (key_problem(word, typed, groups, tasks) or [Problem(f"{word}: there is no such run")])[0]
    taken = ("slurm.", "site.") if verb in TAKE_SLURM else ("site.",)
    own = [key for key in keys if key.startswith(taken)]
    meant = with_key((own or keys)[0], value, groups, tasks)
    if own:
        return Problem(f"{word}: there is no key `{typed}`", f"write {meant}", typed)
    if verb not in TAKE_SLURM:
        return Problem(
            f"{word}: `{verb}` takes runs and no settings but site=... and site.KEY=...",
            f"for another run: {_again([], meant)}",
            typed,
        )
    what = (
        f"{word}: a run keeps the settings that it was written with; `{verb}` changes slurm=... and slurm.KEY=... alone"
    )
    return Problem(what, f"begin another run: {_again(_command_of(runs, names), meant)}", typed)


def _command_of(runs: Sequence[RunDir], names: Sequence[str]) -> list[str]:
    """The command line of the one run that is meant, without the program's name; [] if there is no such one."""
    named = [run for run in runs if any(run.name.startswith(name) for name in names)]
    if not named and "last" in names and runs:
        named = [max(runs, key=lambda run: run.manifest.stat().st_mtime_ns)]
    return [str(word) for word in named[0].facts()["command"][1:]] if len(named) == 1 else []


def _again(command: Sequence[str], meant: str) -> str:
    """The words of a run with one that is changed."""
    if not command:
        return f"`{own_command('train')} ... {meant}`"
    key = shlex.split(meant)[0].partition("=")[0]
    kept = [word for word in command if word.partition("=")[0] != key]
    return f"`{own_command(' '.join([*map(quoted_for_shell, kept), meant]))}`"
