"""What people see of a search: what it looks for, its trials and their validation scores, and the words for a final run."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from htr_exp.config.misread_words import quoted_for_shell
from htr_exp.config.schema import Experiment, Search
from htr_exp.config.search_space import Point, Space, words_of
from htr_exp.core.console import Text
from htr_exp.core.own_command import own_command
from htr_exp.core.run_state import RunState
from htr_exp.core.task import task_of
from htr_exp.core.terminal import say
from htr_exp.core.text import counted
from htr_exp.runs.search_trials import Trial, best_of
from htr_exp.runs.sweep_points import short

KEEP_OPEN = (
    "Slurm trains the trials, and this command asks for the next ones: keep this terminal open, or run it in tmux. "
    "If this command ends, the jobs go on, and the same command goes on with the search"
)


def show_space(out: Console, space: Space, search: Search) -> None:
    """Print what a search looks for, before the plan of its ends."""
    out.print(Text(f"a search: {_settings(search)}"))
    table = Table(box=None, show_header=False, pad_edge=False)
    for key, values in space.items():
        table.add_row(Text(f"  {key}"), Text(str(values)))
    out.print(table)
    out.print("the points at its ends, which are checked before the first trial:")


def _settings(search: Search) -> str:
    return f"{counted(search.trials or 0, 'trial')}, {search.at_a_time} at a time, launch.search.sampler={search.sampler}, launch.search.seed={search.seed}"


def show_beginning(out: Console, search: str, space: Space, experiment: Experiment, known: Sequence[Trial]) -> None:
    """Print what a search is called, by what it chooses, and what there is of it already."""
    task = task_of(experiment.task.name)
    own = f"`{own_command(f'status {search}')}`, `{own_command(f'compare {search}')}`"
    out.print(f"search {search}: {_settings(experiment.launch.search)}; its name means all of its runs: {own}")
    out.print(
        f"It looks for the best {task.score_label} of the validation pages; scores of the test pages choose nothing"
    )
    for key, values in space.items():
        out.print(f"  {key}: {values}")
    if known:
        done = sum(one.value is not None for one in known)
        out.print(f"It goes on: {counted(len(known), 'trial')} so far, {done} done")
    if experiment.slurm.submit:
        out.print(KEEP_OPEN)


def called(number: int, point: Point, search: Search) -> str:
    """What a trial is called while it is worked on."""
    return f"trial {number} of {search.trials}, {described(point)}"


def described(point: Point) -> str:
    """A point in a few words: `lrate=0.00123 augment=true`."""
    return " ".join(f"{short(key, list(point))}={_value(value)}" for key, value in point.items())


def _value(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def show_wave(out: Console, trials: Sequence[Trial], numbers: Collection[int], search: Search) -> None:
    """Print what became of some trials, and which is the best by now."""
    best = best_of(list(trials))
    for one in trials:
        if one.number in numbers:
            out.print(
                Text(
                    f"{called(one.number, one.point, search)}: {_outcome(one)}",
                    style="" if one.value is not None else "red",
                )
            )
    if best is not None and len(trials) > 1:
        out.print(f"  best by now: trial {best.number}, {_outcome(best)}")


def _outcome(trial: Trial) -> str:
    if trial.value is not None:
        return f"validation {_label(trial)} {_score(trial)}"
    reason = trial.row["reason"]
    return f"{_state(trial)}: {reason}" if reason else _state(trial)


def _state(trial: Trial) -> str:
    row = trial.row
    if row["state"] is RunState.DONE:
        return "no score" if row["seals"] == "ok" else "its results were changed"
    return str(row["state"])


def _label(trial: Trial) -> str:
    return task_of(trial.row["task"]).score_label


def _score(trial: Trial) -> str:
    return task_of(trial.row["task"]).shown(trial.row["val"])


def say_unfinished(search: str) -> None:
    """Say how a search is gone on with."""
    say(f"search {search} is not at its end: the same command goes on with it", error=True)


def show_end(out: Console, search: str, space: Space, trials: Sequence[Trial], words: Sequence[str]) -> None:
    """Print the table of trials, the best of them, and the words to type for a final run."""
    best = best_of(list(trials))
    if not trials:
        return
    keys = list(space)
    table = Table(box=None, pad_edge=False)
    table.add_column("trial", justify="right")
    for key in keys:
        table.add_column(Text(short(key, keys)), overflow="fold")
    table.add_column(Text(f"val {_label(trials[0])}"), justify="right")
    for name in ("state", "run"):
        table.add_column(name, overflow="fold")
    for one in trials:
        figure = _score(one) if one.value is not None else "-"
        cells = [
            str(one.number),
            *(_value(one.point[key]) for key in keys),
            figure,
            _state(one) if one.value is None else "done",
            one.run.name,
        ]
        style = "bold" if one is best else "red" if one.row["state"] is RunState.FAILED else ""
        table.add_row(*(Text(cell, style=style) for cell in cells))
    out.print(table)
    for one in trials:
        if one.value is None and one.row["reason"]:
            out.print(Text(f"trial {one.number}: {_outcome(one)}", style="red"))
    if best is None:
        out.print(
            f"no trial has a score: `{own_command(f'logs {trials[0].run.name}')}` shows what the first one said; the same command tries again"
        )
        return
    out.print(Text(f"the best: trial {best.number}, {described(best.point)}: {_outcome(best)}", style="bold"))
    out.print(
        "  It was chosen by this score, which is therefore too good; how good its model is, the test pages say: "
        f"`{own_command(f'show {best.run.name}')}`"
    )
    out.print(f"  its words, here with other seeds: `{final_words(best.point, words)}`", soft_wrap=True)
    out.print(f"`{own_command('ui')}` shows the search in MLflow, `{own_command(f'compare {search}')}` all scores")


def final_words(point: Point, words: Sequence[str]) -> str:
    """The command line that trains a point of a search with other seeds."""
    seed = next((word.partition("=")[2] for word in words if word.lstrip("+").startswith("seed=")), "1")
    first = int(seed) + 1 if seed.isdigit() else 2
    kept = [
        word
        for word in words
        if not word.lstrip("+").startswith(("launch/search=", "launch.search.", "seed="))
        and word.lstrip("+").partition("=")[0] not in point
    ]
    if not any(word.lstrip("+").startswith("launch/search=") for word in words):
        kept.append("launch/search=none")  # a file of an experiment chooses the search
    whole = [*kept, *words_of(point), f"seed={first},{first + 1}"]
    return own_command(" ".join(["train", "-m", *map(quoted_for_shell, whole)]))
