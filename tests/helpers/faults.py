"""Faults as data: what happens to the processes of a run, when, and at which stage; and the driver that lets it happen.

A driver takes one run through faults in the order of its stages, and looks after each whether the run stands as it must. Nothing is
drawn here: any sequence of faults will do, also a random one.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import psutil

from helpers.fake_kraken import Scenario
from helpers.forked_runs import HOLD, Server
from helpers.waiting import until
from htr_exp.core.files import read_json
from htr_exp.core.run_state import RunState
from htr_exp.runs.run_dir import RunDir

KRAKEN, RUN = "kraken", "run"
CALM = {"epoch_seconds": 0.1}
"""What the fake kraken plays where nothing is to happen: an epoch is long enough to be the last one."""
LONG_S = 60.0
"""How long the fake kraken takes for what is to be interrupted."""


@dataclass(frozen=True)
class Stage:
    """A stage of a run, and how a test gets hold of it."""

    name: str
    plays: tuple[tuple[str, float], ...] = ()  # what makes the fake kraken slow there
    verb: str | None = None  # of the kraken that is at work there

    @property
    def order(self) -> int:
        """Its place among the stages."""
        return [stage.name for stage in STAGES].index(self.name)

    def reached(self, run: RunDir, scenario: Scenario, calls: int) -> bool:
        if run.written_state().stage != self.name or run.written_state().state is not RunState.RUNNING:
            return False
        if self.verb is None:
            return True
        if self.name == "train":
            return len(scenario.calls(self.verb)) > calls and len(run.epochs()) > 0
        return len(scenario.calls(self.verb)) > calls


STAGES = (
    Stage("verify"),
    Stage("compile", (("compile_seconds", LONG_S),), "compile"),
    Stage("train", (("epoch_seconds", 0.4),), "train"),
    Stage("convert", (("convert_seconds", LONG_S),), "convert"),
    Stage("predict", (("ocr_seconds", LONG_S),), "ocr"),
    Stage("score"),
)


@dataclass(frozen=True)
class Blow:
    """A signal to every process of the run, after a pause."""

    number: signal.Signals
    after_s: float = 0.0


@dataclass(frozen=True)
class Cause:
    """What ends a job, and what its site does then."""

    name: str
    user_signal: bool = False
    grace_s: float = 0.0

    @property
    def blows(self) -> tuple[Blow, ...]:
        """What the processes of the step get; measured with Slurm 22.05, where a grace of 10 s takes 15 to 17."""
        grace = 0.5 if self.grace_s else 0.0  # as long as matters: a run ends at the first word
        term, kill = Blow(signal.SIGTERM), Blow(signal.SIGKILL)
        if self.name == "power cut":
            return (kill,)
        if self.name != "preemption":
            return (term,)
        if self.user_signal:
            return Blow(signal.SIGUSR2), Blow(signal.SIGTERM, grace)
        return (term, Blow(signal.SIGTERM, grace)) if grace else (term,)


_SITES = product(("preemption", "requeue", "scancel", "shutdown"), (True, False), (0.0, 10.0))
CAUSES = (*(Cause(*one) for one in _SITES), Cause("power cut"))

ORDERS = {
    "kraken first": ((KRAKEN, 0.5), (RUN, 0.0)),
    "run first": ((RUN, 0.2), (KRAKEN, 0.0)),
    "at once": ((KRAKEN, 0.0), (RUN, 0.0)),
}
"""Who hears of it first, and how long the other takes to, seconds."""


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong."""

    stage: Stage
    cause: Cause
    order: str

    def __str__(self) -> str:
        signals = "+".join(blow.number.name.removeprefix("SIG") for blow in self.cause.blows)
        return f"{self.cause.name} ({signals}) in {self.stage.name}, {self.order}"

    @property
    def felt(self) -> tuple[str, tuple[Blow, ...], str]:
        """What the run feels of it: faults of several causes are the same to it."""
        return self.stage.name, self.cause.blows, self.order


def every_fault() -> Iterator[Fault]:
    """Yield the whole table."""
    yield from (Fault(stage, cause, order) for cause, order, stage in product(CAUSES, ORDERS, STAGES))


def distinct(faults: Iterable[Fault]) -> list[Fault]:
    """One fault of each kind that a run can tell from others."""
    return list({fault.felt: fault for fault in faults}.values())


@dataclass
class Driver:
    """Takes one run through faults."""

    run: RunDir
    scenario: Scenario
    server: Server
    environment: dict[str, str]
    starts: int = 0

    def endure(self, fault: Fault) -> None:
        """Let the run go on until it reaches the fault's stage, let it happen, and look how the run stands."""
        stage, calls = fault.stage, len(self.scenario.calls(fault.stage.verb)) if fault.stage.verb else 0
        self.scenario.play(**(CALM | dict(stage.plays)))
        process = self._start((stage.name, 1.5) if stage.name in HOLD else None)
        until(lambda: not lives(process.pid) or stage.reached(self.run, self.scenario, calls), f"{fault}", timeout=60)
        assert lives(process.pid), f"it ended before {fault}: {self.run.written_state()}"
        kraken = self.scenario.pids()[-1] if stage.verb else None
        for blow in fault.cause.blows:
            time.sleep(blow.after_s)
            for who, pause in ORDERS[fault.order]:
                hit(process.pid if who == RUN else kraken, blow.number)
                time.sleep(pause if kraken else 0)
        process.end()
        self._must_hold(fault)

    def finish(self) -> None:
        """Let the run come to its end, with nothing in its way."""
        self.scenario.play(**CALM)
        assert self._start(None).end() == 0
        assert self.run.state().state is RunState.DONE, self.run.state()
        self._nothing_left()

    def _start(self, hold: tuple[str, float] | None) -> Any:
        variables = self.environment | {"SLURM_RESTART_COUNT": str(self.starts)}
        self.starts += 1
        return self.server.start(self.run.path, hold=hold, **variables)

    def _must_hold(self, fault: Fault) -> None:
        for pid in self.scenario.pids():
            until(partial(died, pid), f"kraken to be gone after {fault}", timeout=30)
        state = self.run.state()
        ends = (RunState.DONE,) if fault.stage.name == "score" else ()  # scoring takes less than a moment, and is done
        assert state.state in (RunState.INTERRUPTED, *ends), f"{fault}: {state}"
        assert [record["epoch"] for record in self.run.epochs()] == list(range(len(self.run.epochs())))
        assert self.run.owner() is None, f"{fault}: the lock is held"

    def _nothing_left(self) -> None:
        cache = Path(read_json(self.run.places)["cache"])
        left = [path for folder in (cache, self.run.path) for path in folder.rglob(".*") if path.name != ".gitignore"]
        assert not left
        assert not self.run.lock.exists()
        assert not self.run.new_predictions.exists()
        assert not self.run.training.exists()
        assert len(list(cache.glob("compiled/*.arrow"))) == 3


def hit(pid: int | None, number: signal.Signals) -> None:
    """Send a signal to a process, if it is still there."""
    if pid is not None and lives(pid):
        os.kill(pid, number)


def lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def died(pid: int) -> bool:
    return not lives(pid)
