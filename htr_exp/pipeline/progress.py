"""The progress of one run on the terminal: a line for each epoch, and a last line that says how far it is."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import rich.progress
from rich.console import Console
from rich.table import Column

from htr_exp.core.console import Text
from htr_exp.core.task import Epoch, Task
from htr_exp.core.text import counted, duration
from htr_exp.runs.status_table import STAGES

SPARSE_S = 300.0
"""Between two lines about how far something is, where there is no terminal, seconds."""

BAR_FROM = 60
"""Columns of a terminal that has room for a bar."""

REDRAWN = 2
"""How often a second the last line is drawn: more takes CPU from the training."""


class Progress:
    """Tells of one run, a line for each epoch; on a terminal a last line that changes says how far it is.

    Elsewhere, in a file or a pipe, that is a line now and then.

    Args:
        out: where it is told; None keeps silent.
        clock: seconds.
    """

    def __init__(self, out: Console | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._out, self._clock = out, clock
        self._stage = ""
        self._what, self._done = "", 0.0
        self._since = self._told = clock()
        self._last_line = _LastLine(out) if out is not None and out.is_terminal else None

    def __enter__(self) -> Progress:
        if self._last_line is not None:
            self._last_line.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._last_line is not None:
            self._last_line.stop()

    def stage(self, name: str) -> None:
        self._stage = STAGES.get(name, name)
        self._begin(self._stage)
        if self._last_line is None:
            self._say(f"  {self._stage}")

    def advance(self, done: int, total: int, noun: str) -> None:
        self._reached(self._stage, done, total, noun)

    def within(self, epoch: int, of: int | None, done: float, total: float | None, noun: str) -> None:
        self._reached(f"epoch {epoch} of {of}" if of else f"epoch {epoch}", done, total, noun)

    def epoch(self, task: Task, record: Epoch, best: Epoch, left_s: float | None) -> None:
        figure, best_figure = (task.shown(task.figure(one)) for one in (record, best))
        is_best = best["epoch"] == record["epoch"]
        mark = "  best" if is_best else f"  best {best_figure} in epoch {best['epoch']}"
        left = f"   at most {duration(left_s)} left" if left_s else ""
        line = f"  epoch {record['epoch']:3d}   validation {task.curve_label} {figure:>8}{mark:26}   {record['seconds']:.0f} s{left}"
        if self._out is not None and len(line) > self._out.width:
            mark = ", the best" if is_best else f", best {best_figure} in {best['epoch']}"
            left = f", < {duration(left_s)} left" if left_s else ""
            line = f"  epoch {record['epoch']}: {task.curve_label} {figure}{mark}, {duration(record['seconds'])}{left}"
        self._say(line)

    def note(self, text: str) -> None:
        self._say(f"  {text}")

    def _begin(self, what: str) -> None:
        self._what, self._done, self._since = what, 0.0, self._clock()
        if self._last_line is not None:
            self._last_line.show(what, "", 0.0, None)

    def _reached(self, what: str, done: float, total: float | None, noun: str) -> None:
        if what != self._what or done < self._done:
            self._begin(what)
        self._done = done
        words = _words(done, total, noun, self._clock() - self._since)
        if self._last_line is not None:
            self._last_line.show(what, words, done, total)
        elif self._clock() - max(self._told, self._since) >= SPARSE_S:
            self._say(f"  {what}: {words}")

    def _say(self, text: str) -> None:
        self._told = self._clock()
        if self._out is not None:
            self._out.print(text)


def _words(done: float, total: float | None, noun: str, spent_s: float) -> str:
    """How far something is, and how long it takes from here if it goes on so."""
    if noun == "s":
        left_s = max(total - done, 0.0) if total else 0.0
        words = [f"{duration(done)}{f' of about {duration(total)}' if total else ''}"]
    else:
        left_s = spent_s * ((total or 0) - done) / done if done else 0.0
        words = [f"{done:.0f} of {counted(round(total or 0), noun)}"]
    return ", ".join([*words, *[f"{duration(left_s)} left"] * (left_s >= 1)])


class _LastLine:
    """A line that changes, with a bar where there is room for one; what has none at its end is left out."""

    def __init__(self, out: Console) -> None:
        self._has_bar = out.width >= BAR_FROM
        cropped = Column(no_wrap=True, overflow="crop")  # not every terminal has an ellipsis
        text = partial(rich.progress.TextColumn, markup=False, table_column=cropped)
        columns = [text("  {task.description}"), rich.progress.BarColumn(bar_width=16), text("{task.fields[words]}")]
        self._bar = rich.progress.Progress(
            *(columns if self._has_bar else columns[:1]), console=out, transient=True, refresh_per_second=REDRAWN
        )
        self._task = self._bar.add_task("", total=None, words="", visible=False)

    def start(self) -> None:
        self._bar.start()

    def stop(self) -> None:
        self._bar.stop()

    def show(self, what: str, words: str, done: float, total: float | None) -> None:
        said = str(Text(what if self._has_bar or not words else f"{what}: {words}"))
        self._bar.update(self._task, description=said, completed=done, total=total, words=words, visible=True)
