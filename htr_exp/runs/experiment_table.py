"""The table of an experiment, on the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from htr_exp.core.console import Text
from htr_exp.core.task import Task, task_of
from htr_exp.core.text import between
from htr_exp.runs.experiments import Condition, Experiment, experiments
from htr_exp.runs.rows import ComparedRow

TWO_SPREADS = (
    "sd over seeds: how far the runs lie apart by chance in training; 95 % over pages: where their mean would be on other "
    "pages like these. They are two sources of variance: neither holds the other"
)
"""What stands below a table with both."""


def show_experiments(out: Console, rows: Sequence[ComparedRow]) -> None:
    """Print the table of each experiment among some trainings."""
    for found in experiments(rows):
        out.print()
        out.print(Text(f"{found.question}:", style="bold"))
        _show(out, found)


def _show(out: Console, found: Experiment) -> None:
    task = task_of(found.task)
    known = found.conditions
    columns = {"": [one.name for one in known], "runs": [_runs(one) for one in known]}
    if not found.curve and any(one.zero_shot is not None for one in known):
        columns["zero-shot"] = [task.shown(one.zero_shot) for one in known]
    columns[f"{found.side} {task.score_label}"] = [task.shown(one.mean) for one in known]
    if found.has_seeds:
        columns["sd over seeds"] = ["" if one.spread is None else task.shown(one.spread) for one in known]
    if any(one.interval for one in known):
        columns["95 % over pages"] = [_interval(task, one) for one in known]
    table = Table(box=None, pad_edge=False)
    for name in columns:
        table.add_column(name, overflow="fold", justify="right" if name not in ("", "runs") else "left")
    for cells in zip(*columns.values()):
        table.add_row(*map(Text, cells))
    out.print(table)
    if "sd over seeds" in columns and "95 % over pages" in columns:
        out.print(Text(TWO_SPREADS))
    for said in found.sentences:
        out.print(Text(said, style="yellow"))


def _runs(one: Condition) -> str:
    if not one.runs:
        return ""
    return str(one.runs) if one.scored == one.runs else f"{one.scored} of {one.runs}"


def _interval(task: Task, one: Condition) -> str:
    if one.interval is None:
        return ""
    return between(task.shown(one.interval.low), task.shown(one.interval.high))
