"""A run done in this process, without a word."""

from __future__ import annotations

from pathlib import Path

from htr_exp.core.signals import Stop
from htr_exp.core.task import Epoch, Task
from htr_exp.pipeline.run import run_stages
from htr_exp.runs.run_dir import RunDir, StateRecord


class Quiet:
    """Hears and says nothing; asks for a stop once so many epochs are validated."""

    def __init__(self, stop: Stop | None = None, at_epoch: int = -1, word: str = "user") -> None:
        self.stages: list[str] = []
        self._stop, self._at, self._word = stop, at_epoch, word

    def stage(self, name: str) -> None:
        self.stages.append(name)

    def advance(self, done: int, total: int, noun: str) -> None:
        pass

    def within(self, epoch: int, of: int | None, done: float, total: float | None, noun: str) -> None:
        pass

    def note(self, text: str) -> None:
        pass

    def epoch(self, task: Task, record: Epoch, best: Epoch, left_s: float | None) -> None:
        if self._stop is not None and record["epoch"] >= self._at:
            self._stop.asked = self._word


def do(run: RunDir, *, word: str | None = None, at_epoch: int = 2) -> StateRecord:
    """Do what is left of a run; with a word, ask for a stop after so many epochs."""
    stop = Stop()
    return run_stages(run, stop=stop, observer=Quiet(stop if word else None, at_epoch, word or ""))


def staged(run: RunDir, side: str) -> list[Path]:
    return [Path(line) for line in (run.live / f"{side}.pages").read_text().splitlines()]
