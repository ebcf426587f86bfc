"""What ends a job, and in which order its processes hear of it."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

from helpers.faults.scene import Scene
from helpers.processes import hit

KRAKEN, RUN = "kraken", "run"


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

    def __str__(self) -> str:
        site = f"user signal {'on' if self.user_signal else 'off'}, grace {self.grace_s:.0f}"
        return self.name if self.name == "power cut" else f"{self.name}, {site}"


_SITES = product(("preemption", "requeue", "scancel", "shutdown"), (True, False), (0.0, 10.0))
CAUSES = (*(Cause(*one) for one in _SITES), Cause("power cut"))

ORDERS = {
    "kraken first": ((KRAKEN, 0.5), (RUN, 0.0)),
    "run first": ((RUN, 0.2), (KRAKEN, 0.0)),
    "at once": ((KRAKEN, 0.0), (RUN, 0.0)),
}
"""Who hears of it first, and how long the other takes to, seconds."""


def striking(blows: tuple[Blow, ...], order: str) -> Callable[[Scene], None]:
    """Make what sends these signals in this order."""

    def strike(scene: Scene) -> None:
        assert scene.process is not None
        for blow in blows:
            time.sleep(blow.after_s)
            for who, pause in ORDERS[order]:
                hit(scene.process.pid if who == RUN else scene.kraken, blow.number)
                time.sleep(pause if scene.kraken else 0)

    return strike
