"""The progress of one run on the terminal: a line for each epoch."""

from __future__ import annotations

from rich.console import Console

from htr_exp.core.console import Text
from htr_exp.core.task import Epoch, Task
from htr_exp.core.text import counted, duration
from htr_exp.runs.status_table import STAGES


class Progress:
    """Tells of one run, a line for each epoch; on a terminal a last line that changes says what is going on.

    Args:
        out: where it is told; None keeps silent.
    """

    def __init__(self, out: Console | None) -> None:
        self._out = out
        self._stage = ""
        self._status = out.status("") if out is not None and out.is_terminal else None

    def __enter__(self) -> Progress:
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            self._status.stop()

    def stage(self, name: str) -> None:
        self._stage = STAGES.get(name, name)
        self._doing(self._stage)

    def advance(self, done: int, total: int) -> None:
        if self._status is not None:
            self._status.update(Text(f"{self._stage}: {done} of {counted(total, 'page')}"))

    def epoch(self, task: Task, record: Epoch, best: Epoch, left_s: float | None) -> None:
        left = f"   at most {duration(left_s)} left" if left_s else ""
        figure, best_figure = (task.shown(task.figure(one)) for one in (record, best))
        mark = "  best" if best["epoch"] == record["epoch"] else f"  best {best_figure} in epoch {best['epoch'] + 1}"
        self._say(
            f"  epoch {record['epoch'] + 1:3d}   validation {task.curve_label} {figure:>8}{mark:22}   {record['seconds']:.0f} s{left}"
        )

    def note(self, text: str) -> None:
        self._say(f"  {text}")

    def _doing(self, text: str) -> None:
        if self._status is not None:
            self._status.update(Text(text))
        else:
            self._say(f"  {text}")

    def _say(self, text: str) -> None:
        if self._out is not None:
            self._out.print(text)
