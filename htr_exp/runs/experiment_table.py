"""The table of an experiment: its cells, and how the terminal shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from htr_exp.core.console import Text, aligned
from htr_exp.core.task import Task, task_of
from htr_exp.core.text import between
from htr_exp.runs import reading_part
from htr_exp.runs.experiment_cells import Measured
from htr_exp.runs.experiments import Experiment, experiments
from htr_exp.runs.rows import ComparedRow
from htr_exp.scoring.forecast import LEVEL
from htr_exp.scoring.intervals import Interval

TWO_SPREADS = (
    "sd over seeds: how far the runs lie apart by chance in training; 95 % over pages: where their mean would be on other "
    "pages like these. They are two sources of variance: neither holds the other"
)
"""What stands below a table with both."""


NAMES = {"test", "model", "", "runs"}
"""The headings of columns that hold no figures."""


def show_experiments(out: Console, rows: Sequence[ComparedRow]) -> None:
    """Print the table of each experiment among some trainings."""
    for found in experiments(rows):
        out.print()
        out.print(Text(f"{found.question}:", style="bold"))
        _show(out, found)


def _show(out: Console, found: Experiment) -> None:
    shown = columns(found)
    out.print(aligned(shown, shown.keys() - NAMES, out.width) or _folded(shown))
    for said in notes(found):
        out.print(Text(said, style="" if said in (TWO_SPREADS, reading_part.SAID) else "yellow"))


def _folded(shown: Mapping[str, Sequence[str]]) -> Table:
    """The same columns on a terminal that has no room for them: their cells are broken."""
    table = Table(box=None, pad_edge=False)
    for name in shown:
        table.add_column(name, overflow="fold", justify="left" if name in NAMES else "right")
    for cells in zip(*shown.values()):
        table.add_row(*map(Text, cells))
    return table


def columns(found: Experiment) -> dict[str, list[str]]:
    """Headings -> the cells of the table of an experiment, wherever it is printed; a column without any cell is left out.

    What was tried stands in the rows, of a matrix the models on one test below each other: columns for each test fit no page.
    """
    task = task_of(found.task)
    if found.is_matrix:
        rows = [
            (test, one.name, cell)
            for number, test in enumerate(found.tests)
            for one in found.conditions
            if (cell := one.on[number]) is not None
        ]
        shown = {"test": [test for test, _, _ in rows], "model": [name.removeprefix("model=") for _, name, _ in rows]}
        cells: list[Measured] = [cell for _, _, cell in rows]
    else:
        shown = {"": [one.name for one in found.conditions]}
        cells = [one.only for one in found.conditions]
    figures = {
        "runs": ["" if found.is_matrix else _runs(one) for one in cells],
        "zero-shot": ["" if found.curve else _figure(task, one.zero_shot) for one in cells],
        "zero-shot reading": ["" if found.curve else _figure(task, one.zero_shot_reading) for one in cells],
        task.score_label if found.is_matrix else f"{found.side} {task.score_label}": [
            task.shown(one.mean) for one in cells
        ],
        "sd over seeds": [_figure(task, one.spread) for one in cells],
        "95 % over pages": [_interval(task, one.interval) for one in cells],
        reading_part.HEADING: [_figure(task, one.reading) for one in cells],
        reading_part.INTERVAL_HEADING: [_interval(task, one.reading_interval) for one in cells],
        "ins/del/sub": ["/".join(map(str, one.kinds)) if one.kinds else "" for one in cells],
        "group": [str(one.group) if one.group else "" for one in cells],
    }
    shown |= {name: column for name, column in figures.items() if any(column)}
    if found.forecast:
        promised = {
            "": [f"{one.pages} pages, forecast" for one in found.forecast],
            f"{found.side} {task.score_label}": [task.shown(one.rate) for one in found.forecast],
            f"{100 * LEVEL:.0f} % of the forecast": [_interval(task, one.interval) for one in found.forecast],
        }
        known, none = [""] * len(found.conditions), [""] * len(found.forecast)
        shown = {name: shown.get(name, known) + promised.get(name, none) for name in dict.fromkeys([*shown, *promised])}
    return shown


def notes(found: Experiment) -> list[str]:
    """What stands below the table, sentences without a full stop."""
    both = found.has_seeds and any(one.interval for one in found.measured)
    return [*[TWO_SPREADS] * both, *found.sentences]


def _runs(one: Measured) -> str:
    if not one.runs:
        return ""
    return str(one.runs) if one.scored == one.runs else f"{one.scored} of {one.runs}"


def _figure(task: Task, value: float | None) -> str:
    return "" if value is None else task.shown(value)


def _interval(task: Task, interval: Interval | None) -> str:
    return "" if interval is None else between(task.shown(interval.low), task.shown(interval.high))
