"""The table of faults: what happens, how, at which stages, and how a run may end by it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from typing import Any

from helpers.faults import disks, inputs, krakens, locks, moves, records
from helpers.faults.scene import LONG_S, STAGE, STAGES, Scene, Stage
from helpers.faults.signals import CAUSES, ORDERS, Cause, striking
from htr_exp.core.run_state import RunState

ALL = tuple(stage.name for stage in STAGES)
KRAKENS = tuple(stage.name for stage in STAGES if stage.verbs)
INTERRUPTED, FAILED, DONE = RunState.INTERRUPTED, RunState.FAILED, RunState.DONE


def nothing(scene: Scene) -> None:
    pass


@dataclass(frozen=True)
class Kind:
    """A kind of fault.

    Attributes:
        group: what it is about.
        name: what happens.
        stages: at which it can happen.
        strike: lets it happen to a run that is in the stage; `Scene.put_right` gets what a user would put right before the next start.
        ends: how the run may stand afterwards; that it may be done, too, is taken for granted of `score`.
        says: what the reason of the state, or the terminal, must then say where the run failed; a regular expression.
        between: the run is killed in the stage first, and the fault happens before it is started again.
        plays: what else the fake kraken plays, at a stage.
        slow_s: how long the stage takes, seconds, where nothing ends it; a training takes that for an epoch.
        by_itself: nobody needs to look for the moment: kraken plays it.
        weight: how often it is drawn, beside others of its group.
        backend: with which alone it happens; empty: with any.
        needs: says why it cannot be had on this machine; empty where it can.
    """

    group: str
    name: str
    stages: tuple[str, ...]
    strike: Callable[[Scene], None] = nothing
    ends: tuple[RunState, ...] = (INTERRUPTED,)
    says: str = ""
    between: bool = False
    plays: Callable[[Stage], dict[str, Any]] = field(default=lambda stage: {})
    slow_s: float = LONG_S
    by_itself: bool = False
    weight: int = 1
    backend: str = ""
    needs: str = ""


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong at one stage."""

    kind: Kind
    stage: Stage

    def __str__(self) -> str:
        return f"{self.kind.name} in {self.stage.name}"


def _from(stage: str) -> tuple[str, ...]:
    return ALL[STAGE[stage].order :]


def _signals() -> Iterator[Kind]:
    for cause, order in product(CAUSES, ORDERS):
        yield Kind("signals", f"{cause}, {order}", ALL, striking(cause.blows, order))


ENDED_HERE = (FAILED, DONE)


def _krakens() -> Iterator[Kind]:
    yield Kind(
        "kraken",
        "it exits 1",
        KRAKENS,
        ends=(FAILED,),
        says="kraken (failed|ended)",
        by_itself=True,
        plays=krakens.fails,
    )
    yield Kind("kraken", "the kernel kills it", KRAKENS, krakens.killed, ends=(DONE,), weight=2)
    yield Kind("kraken", "the kernel kills it at the same epoch each time", ("train",), ends=(FAILED,), says="exit code -9",
               by_itself=True, plays=lambda stage: {"die": 9, "at_epoch": 1})  # fmt: skip
    yield Kind("kraken", "it hangs, and the run is ended", ("compile", "convert", "predict"), krakens.hangs)
    yield Kind("kraken", "it writes rubbish", ("compile", "convert", "predict"), ends=(FAILED,), by_itself=True, says="kraken|model|Error",
               plays=lambda stage: {"rubbish": stage.name})  # fmt: skip
    yield Kind(
        "kraken", "it says rubbish", KRAKENS, ends=(DONE,), by_itself=True, plays=lambda stage: {"says_rubbish": True}
    )


def _inputs() -> Iterator[Kind]:
    # whether it matters is for the run to find out: what was used up already may change
    for what, how in product(inputs.FILES, inputs.CHANGES):
        yield Kind("inputs", f"{what} is {how}", _from(inputs.SINCE.get(what, "compile")), partial(inputs.change, what=what, how=how), ends=(*ENDED_HERE, INTERRUPTED),
                   says=".", slow_s=1.0)  # fmt: skip


def _records() -> Iterator[Kind]:
    for what, how in product(records.FILES, records.DAMAGES):
        yield Kind(
            "records",
            f"{what} is {how}",
            _from(records.SINCE.get(what, "verify")),
            partial(records.damage, what=what, how=how),
            between=True,
        )


def _locks() -> Iterator[Kind]:
    for name, strike in locks.BETWEEN.items():
        # a job waits for such a lock longer than anybody here wants to
        backend = "here" if name == locks.LIVING else ""
        yield Kind("locks", name, ALL, strike, between=True, backend=backend)
    for name, strike in locks.UNDER_WAY.items():
        yield Kind("locks", name, KRAKENS, strike, ends=(RunState.RUNNING, INTERRUPTED))


def _moves() -> Iterator[Kind]:
    for name, strike in moves.MOVES.items():
        ends = (INTERRUPTED, FAILED, DONE)
        yield Kind("moves", name, ALL, strike, ends=ends, slow_s=4.0, weight=2)


def _disks() -> Iterator[Kind]:
    yield Kind("disks", "the disk is full", ALL, disks.fill, ends=(INTERRUPTED, FAILED, DONE), slow_s=1.0, needs=disks.needs(), weight=2,
               says="full|kraken|Errno 28|No space left")  # fmt: skip
    yield Kind("disks", "the disk is read-only", ALL, disks.lock_up, ends=(INTERRUPTED, FAILED, DONE, RunState.RUNNING), slow_s=1.0, needs=disks.needs(),
               says="written|kraken|Read-only")  # fmt: skip


KINDS: tuple[Kind, ...] = (*_signals(), *_krakens(), *_inputs(), *_records(), *_locks(), *_moves(), *_disks())
GROUPS = tuple(dict.fromkeys(kind.group for kind in KINDS))


def every_fault(*groups: str) -> Iterator[Fault]:
    """Yield the whole table, or that of some groups."""
    for kind in KINDS:
        if not groups or kind.group in groups:
            yield from (Fault(kind, STAGE[name]) for name in kind.stages)


def signal_fault(stage: str, cause: Cause, order: str) -> Fault:
    """The fault of a cause and an order at a stage."""
    name = f"{cause}, {order}"
    return Fault(next(kind for kind in KINDS if (kind.group, kind.name) == ("signals", name)), STAGE[stage])


CLOCKS = (5.0, -5.0, 3600.0, -3600.0)
"""By how much a clock jumps that somebody, or a time server, sets: seconds."""

DISPLAYS = ("", "full", "closed")
SERVERS = ("away", "silent", "500", "drips", "resets", "rubbish")
