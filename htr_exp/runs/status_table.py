"""How runs stand, on the terminal: once, or again and again until all have ended."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from datetime import datetime

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.table import Table

from htr_exp.core.console import Text, stacked
from htr_exp.core.run_state import RunState
from htr_exp.core.task import TASKS, Task, task_of
from htr_exp.core.text import duration, first_of, printable
from htr_exp.runs import narrow, resumptions, test_sets
from htr_exp.runs.remarks import interim
from htr_exp.runs.rows import RunRow, changed, compared_on, figure

STAGES = {
    "verify": "verifies data and base model",
    "compile": "compiles the lines",
    "train": "trains",
    "convert": "keeps the best model",
    "predict": "predicts the held-out pages",
    "score": "scores",
    "report": "makes the report",
    "record": "records the run in MLflow",
}
"""What a run is at, for people; the last one comes when it has ended."""


FOLDED = ("run", "job")
"""Columns whose cells may be broken."""


def show_status(out: Console, rows: Sequence[RunRow]) -> None:
    """Print how runs stand."""
    out.print(_status(rows, out.width))


def watch_status(
    out: Console,
    look: Callable[[], tuple[Sequence[RunRow], Sequence[str]]],
    *,
    every_s: float,
) -> None:
    """Show how runs stand until none of them is at work or waits for Slurm.

    On a terminal the table is drawn again each time; elsewhere each change is a line.

    Args:
        out: where it is shown.
        look: returns the rows of all runs, and notes.
        every_s: the time between two looks, seconds.
    """
    told: dict[str, str] = {}
    with Live(console=out, auto_refresh=False) if out.is_terminal else nullcontext() as live:
        while True:
            rows, notes = look()
            if live is not None:
                live.update(_watched(rows, notes, told, out.width), refresh=True)
            for row in rows:
                line = _status_line(row)
                if not _is_active(row) and row["run"] not in told:
                    continue
                if live is None and told.get(row["run"]) != line:
                    out.print(Text(f"{datetime.now():%H:%M:%S} {line}"))
                told[row["run"]] = line
            if not any(_is_active(row) for row in rows):
                if not told and live is None:
                    show_status(out, rows)
                return
            time.sleep(every_s)


def _is_active(row: RunRow) -> bool:
    """Whether something may change without anybody doing anything."""
    return row["state"] is RunState.RUNNING or bool(row["state"] is RunState.QUEUED and row["job"])


def _watched(rows: Sequence[RunRow], notes: Sequence[str], seen: Mapping[str, str], width: int) -> Group:
    """The runs at work and those that ended while one watched, and how many there are of each kind."""
    shown = [row for row in rows if _is_active(row) or row["run"] in seen] or rows
    counts = Counter(row["state"] for row in rows)
    summary = ", ".join(f"{number} {state}" for state, number in counts.most_common())
    return Group(
        _status(shown, width),
        Text(f"{datetime.now():%H:%M:%S}  {summary}", style="dim"),
        *(Text(note) for note in notes),
    )


def _status_line(row: RunRow) -> str:
    words = [f"{row['run']}: {row['state']}"]
    if row["stage"] and row["state"] is RunState.RUNNING:
        words.append(STAGES.get(row["stage"], row["stage"]))
    task = task_of(row["task"])
    if row["epoch"]:
        words.append(f"epoch {_epoch(row)}, validation {task.label(row['metric'])} {task.shown(row['val'])}")
    if row["test"] is not None:
        words.append(f"test {task.label(row['metric'])} {task.shown(row['test'])}")
    if row["job"]:
        words.append(f"job {_job(row)}")
    return ", ".join([*words, *([row["reason"]] if row["reason"] else [])])


def _figure(task: Task, key: str, metric: str) -> Callable[[RunRow], str]:
    """A cell: a figure of a run of this task that is judged by it."""

    def cell(row: RunRow) -> str:
        if row["task"] != task.name or row["metric"] != metric:
            return ""
        value = figure(row, key)
        return task.shown(value) if value is not None or task.always_in_status else ""

    return cell


STATE_STYLES = {
    RunState.DONE: "green",
    RunState.FAILED: "red",
    RunState.RUNNING: "cyan",
    RunState.TIMED_OUT: "yellow",
    RunState.INTERRUPTED: "yellow",
}


def _status(rows: Sequence[RunRow], width: int) -> Group:
    """A table of runs, and below it why they stand so: each reason once, since many runs may wait for the same."""
    tested = [row for row in rows if row["test"] is not None or row["test_sealed"]]
    tests = test_sets.numbered(tested)
    columns: dict[str, Callable[[RunRow], str]] = {
        "run": lambda row: str(row["run"]),
        "state": lambda row: (
            f"running: {row['stage']}" if row["state"] is RunState.RUNNING and row["stage"] else str(row["state"])
        ),
        "epoch": _epoch,
        **{
            heading: _figure(task, key, metric)
            for task in TASKS.values()
            for heading, (key, metric) in task.status_columns.items()
        },
        "test": lambda row: tests[compared_on(row)] if len(tests) > 1 and row["test"] is not None else "",
        "job": _job,
        "job left": lambda row: duration(row["left_s"]) if row["left_s"] is not None else "",
        "training left": lambda row: f"< {duration(row['training_left_s'])}" if row["training_left_s"] else "",
        "restarts": lambda row: str(max(row["restarts"], row["requeued"]) or ""),
        "resumed at": resumptions.shown,
        "seals": lambda row: "changed" if changed(row) else "",
        "left out": test_sets.left_out,
        "leakage": lambda row: ", ".join(row["leakage"]),
        "trained on": lambda row: row["trained_on"] if row["unknown_data"] else "",
        "convention": lambda row: row["conventions"] or "" if row["convention_mismatch"] else "",
    }
    there = [task for name, task in TASKS.items() if any(row["task"] == name for row in rows)]
    always = ["run", "state", "epoch"]
    always += [heading for task in there if task.always_in_status for heading in task.status_columns]
    cells = {name: [printable(cell(row)) for row in rows] for name, cell in columns.items()}
    cells = {name: column for name, column in cells.items() if name in always or any(column)}
    styles = [STATE_STYLES.get(row["state"], "") for row in rows]
    table = _lines(cells, styles, width)
    if table is None:
        table = (
            _folded(cells, styles)
            if narrow.fits(cells, width, FOLDED, whole=True)
            else narrow.blocks(cells, width, styles)
        )
    reasons: dict[str, list[tuple[str, str]]] = {}  # without the job's number -> runs, and with it
    for row in rows:
        if row["reason"]:
            own = row["jobs"][-1] if row["jobs"] else "-"
            reasons.setdefault(row["reason"].replace(f"job {own}", "job"), []).append((row["run"], row["reason"]))
        if said := changed(row):
            reasons.setdefault(said, []).append((row["run"], said))
        if said := test_sets.left_out_in_words(row):
            reasons.setdefault(said, []).append((row["run"], said))
        if row["fallback"]:
            text = f"{row['fallback']}: kraken {row['kraken']} of {row['runtime']} instead"
            reasons.setdefault(text, []).append((row["run"], text))
        if row["resumed_exactly"] is False:
            reasons.setdefault(resumptions.INEXACT, []).append((row["run"], resumptions.INEXACT))
    lines = [Padding(_reason(reason, of), (0, 0, 0, 2)) for reason, of in reasons.items()]
    lines += [Padding(Text(line), (0, 0, 0, 2)) for line in (*test_sets.briefly(tested), *interim(rows))]
    untold = dict.fromkeys(said for row in rows for said in row["unknown_data"])
    return Group(table, *lines, *(Padding(Text(said, style="yellow"), (0, 0, 0, 2)) for said in untold))


def _lines(cells: Mapping[str, Sequence[str]], styles: Sequence[str], width: int) -> RenderableType | None:
    """A table of cells that need no folding, or None: rich takes seconds over one of thousands of rows."""
    widths = {name: max(len(name), *map(len, column)) for name, column in cells.items()}
    if sum(widths.values()) + 2 * (len(widths) - 1) > width:
        return None

    def line(values: Sequence[str]) -> list[str]:
        return [
            value.rjust(room) if _is_figure(name) else value.ljust(room) for value, (name, room) in zip(values, widths.items())
        ]  # fmt: skip

    table = [Text("  ".join(line(list(cells))).rstrip(), style="bold")]
    for values, style in zip(zip(*cells.values()), styles):
        name, state, *rest = line(values)
        table.append(Text.assemble(f"{name}  ", (state, style), f"  {'  '.join(rest)}".rstrip()))
    return stacked(table)


def _folded(cells: Mapping[str, Sequence[str]], styles: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in cells:
        right = _is_figure(name)
        table.add_column(name, overflow="fold", justify="right" if right else "left", no_wrap=name not in FOLDED)
    for values, style in zip(zip(*cells.values()), styles):
        table.add_row(
            *(Text(value, style=style if name == "state" else "") for name, value in zip(cells, values))
        )  # fmt: skip
    return table


def _is_figure(column: str) -> bool:
    return "left" in column or any(column in task.status_columns for task in TASKS.values())


def _reason(reason: str, runs: Sequence[tuple[str, str]]) -> Text:
    """Why runs stand as they do; for a single one with its job, and with the commands to be copied."""
    if len(runs) == 1:
        ((name, whole),) = runs
        reason = re.sub(r"`(resume|logs|cancel) RUN\b", rf"`\1 {name}", whole)
    return Text.assemble((_several([name for name, _ in runs]), "bold"), f": {reason}")


def _several(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 3 else first_of(names, 1)


def _epoch(row: RunRow) -> str:
    if row["epoch"] is None:
        return ""
    return f"{row['epoch']}/{row['epochs']}" if row["epochs"] else str(row["epoch"])


def _job(row: RunRow) -> str:
    job = row["job"] or (row["jobs"][-1] if row["jobs"] else "")
    return f"{job}@{row['node']}" if row["node"] else job
