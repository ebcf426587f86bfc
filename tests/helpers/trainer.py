"""A training in a folder of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from htr_exp.config.defaults import shipped
from htr_exp.core.errors import TrainingError
from htr_exp.core.files import read_jsonl
from htr_exp.core.task import RECOGNITION, Epoch, Task
from htr_exp.kraken.checkpoints import LegCheckpoints
from htr_exp.kraken.runtime import Kraken
from htr_exp.pipeline import training
from htr_exp.runs.records import StartRecord
from htr_exp.runs.run_dir import RunDir


@dataclass
class Heard:
    """Remembers what it is shown."""

    epochs: list[int] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    within_epochs: list[tuple[int, int | None, float, float | None, str]] = field(default_factory=list)

    def epoch(self, task: Task, record: Epoch, best: Epoch, left_s: float | None) -> None:
        self.epochs.append(record["epoch"])

    def within(self, epoch: int, of: int | None, done: float, total: float | None, noun: str) -> None:
        self.within_epochs.append((epoch, of, done, total, noun))

    def note(self, text: str) -> None:
        self.notes.append(text)


class Trainer:
    """One training in a folder of its own, started as often as a test likes."""

    def __init__(self, folder: Path, program: Path, base: Path, version: str = "7.1.1") -> None:
        self.run = RunDir(folder)
        self.run.live.mkdir(parents=True)
        self.run.manifest.write_text("{}")  # a folder without it is no run
        compiled = folder / "lines.arrow"
        compiled.touch()
        for side in ("train", "validation"):
            (self.run.live / f"{side}.list").write_text(f"{compiled}\n")
        self._kraken, self._base = Kraken(version, folder=program.parent), str(base)
        self.settings = replace(shipped().training, device="cpu", quit="fixed", epochs=4)
        self.heard = Heard()
        self.device = "cpu"

    def start(
        self,
        *,
        stop: Callable[[], str | None] = lambda: None,
        heard: Heard | None = None,
        samples: int | None = None,
        **changes: Any,
    ) -> training.Outcome:
        self.settings = replace(self.settings, **changes)
        self.heard = heard or Heard()
        live = self.run.live
        inputs = training.TrainingInputs(
            self.settings,
            self._kraken,
            self.device,
            0,
            1,
            self._base,
            None,
            live / "train.list",
            live / "validation.list",
            RECOGNITION,
            samples=samples,
        )
        return training.train(self.run, inputs, stop=stop, observer=self.heard)

    def killed(self, **changes: Any) -> None:
        """Start, and expect that kraken ends by SIGKILL."""
        with pytest.raises(TrainingError, match="exit code -9"):
            self.start(**changes)

    def after(self, epochs: int, word: str) -> Callable[[], str | None]:
        """Ask for a stop once so many epochs are validated."""
        return lambda: word if len(self.run.epochs()) >= epochs else None

    @property
    def curve(self) -> list[int]:
        return [record["epoch"] for record in self.run.epochs()]

    @property
    def starts(self) -> list[StartRecord]:
        return read_jsonl(self.run.starts)

    def checkpoints(self, leg: str) -> dict[int, Path]:
        return LegCheckpoints(self.run.training, self.settings, RECOGNITION)._of(self.run.training / leg)

    def kept(self, leg: str = "leg-01") -> list[int]:
        return sorted(self.checkpoints(leg))


def value(argv: list[str], option: str) -> str:
    return argv[argv.index(option) + 1]
