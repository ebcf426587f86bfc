"""What a fault happens to: a run under way, the stages it goes through, its files, and what must be put right afterwards."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from helpers.fake_kraken import Scenario
from helpers.forked_runs import Forked, Server
from htr_exp.core.run_state import RunState
from htr_exp.runs.run_dir import RunDir

LONG_S = 60.0
"""How long the fake kraken takes for what is to be interrupted."""


@dataclass(frozen=True)
class Stage:
    """A stage of a run, and how a test gets hold of it."""

    name: str
    plays: tuple[str, ...] = ()  # what makes the fake kraken slow there
    verbs: tuple[str, ...] = ()  # of the kraken that is at work there: of recognition, of segmentation

    @property
    def order(self) -> int:
        """Its place among the stages."""
        return [stage.name for stage in STAGES].index(self.name)

    def slowly(self, seconds: float) -> dict[str, float]:
        """What the fake kraken plays to take so long there; an epoch, at most half a second: the first has to be over."""
        return dict.fromkeys(self.plays, min(seconds, 0.5) if self.name == "train" else seconds)


STAGES = (
    Stage("verify"),
    Stage("compile", ("compile_seconds",), ("compile",)),
    Stage("train", ("epoch_seconds",), ("train", "segtrain")),
    Stage("convert", ("convert_seconds",), ("convert",)),
    Stage("predict", ("ocr_seconds", "segment_seconds"), ("ocr", "segment")),
    Stage("score"),
)
STAGE = {stage.name: stage for stage in STAGES}


class Missed(Exception):
    """A fault has nothing to happen to, such as a file that is not there yet."""


@dataclass
class Scene:
    """A run, whoever works in it, and what a fault has changed."""

    run: RunDir
    scenario: Scenario
    workspace: Path
    server: Server
    aside: Path  # a folder for what is taken away for a while
    process: Forked | None = None
    kraken: int | None = None  # the process number of the kraken that is at work
    calls_before: int = 0
    put_right: list[Callable[[], object]] = field(default_factory=list)
    damaged: list[Callable[[], object]] = field(default_factory=list)  # put back only where a start was refused

    def calls(self, stage: Stage) -> int:
        """How often kraken was started for a stage."""
        return sum(len(self.scenario.calls(verb)) for verb in stage.verbs)

    def reached(self, stage: Stage) -> bool:
        """Whether the run is in a stage now, and kraken at work."""
        state = self.run.written_state()
        if state.stage != stage.name or state.state is not RunState.RUNNING:
            return False
        if not stage.verbs:
            return True
        begun = self.calls(stage) > self.calls_before
        return begun and (stage.name != "train" or len(self.run.epochs()) > 0)

    def krakens(self) -> list[int]:
        """The processes of kraken that are there still; a number alone says little, since numbers come back."""
        programs = str(self.scenario.file.parent.parent)
        found = []
        for pid in self.scenario.pids():
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(pid)
                if process.status() != psutil.STATUS_ZOMBIE and any(programs in word for word in process.cmdline()[:3]):
                    found.append(pid)
        return found

    def step_clock(self, seconds: float) -> None:
        """Let the clock of the run's processes jump, until `mend`; kraken's own and that of the file system do not."""
        clock = self.run.path.with_name(f"{self.run.name}.clock")
        clock.write_text(str(seconds))
        self.put_right.append(lambda: clock.unlink(missing_ok=True))

    def mend(self) -> None:
        """Put right what the user would put right before starting again."""
        while self.put_right:
            self.put_right.pop()()

    def restore(self) -> None:
        """Put back what the run did not make again."""
        while self.damaged:
            self.damaged.pop()()

    def said(self) -> str:
        """What the run's processes have printed so far."""
        return self.run.terminal.read_text("utf-8", "replace") if self.run.terminal.exists() else ""
