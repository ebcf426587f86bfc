"""What a soak will do, drawn from its seed: which runs are submitted when, and what is disturbed when.

The seed decides everything but the victims: a disturbance names a number, and the driver takes the victim with this number among those
that there are at that moment.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

KINDS = {
    "preemption": (30, (3, 15)),
    "requeue": (15, (0, 0)),
    "node dies": (11, (15, 60)),
    "node set down": (9, (10, 45)),
    "slurmd killed": (8, (5, 50)),
    "slurmctld away": (8, (3, 25)),
    "slurmdbd away": (7, (5, 45)),
    "MLflow killed": (6, (20, 120)),
    "MLflow frozen": (5, (10, 60)),
    "cancel": (4, (5, 30)),
    "settings": (5, (0, 0)),
}
"""Each kind of disturbance: how often it comes, and between how many seconds it lasts."""

PLACES = ("", "exclude=gpu1", "nodelist=gpu3")

SETTINGS = ((True, 10), (False, 10), (False, 0), (True, 0))
"""What a site may do when it preempts: send the signal that the job asked for or not; leave it seconds or none."""

EPOCHS = (8, 16)
"""Of a run with the scripted kraken, whose epochs take EPOCH_S."""
EPOCH_S = 4.0
REAL_EPOCHS = 4
REAL_SHARE, FOREGROUND_SHARE = 0.1, 0.2


@dataclass(frozen=True)
class Group:
    """Runs that one command submits.

    Attributes:
        at: seconds from the start.
        kind: `single`, `array` (a job each), `packed` (one job for all), `real` (with the real kraken), or `foreground`: an array of one
            task at a time, whose command waits for its end.
        seeds: of the runs.
        epochs: of each run.
        place: which nodes may be used, as a setting of Slurm; empty: all. Left to itself, Slurm fills one node before the next.
    """

    at: float
    kind: str
    seeds: tuple[int, ...]
    epochs: int
    place: str = ""


@dataclass(frozen=True)
class Disturbance:
    """One thing that goes wrong, and is put right again `seconds` later.

    Attributes:
        at: seconds from the start.
        kind: of KINDS.
        victim: the number of the one that is hit, among those that there are.
        seconds: how long it lasts.
    """

    at: float
    kind: str
    victim: int
    seconds: float


@dataclass(frozen=True)
class Schedule:
    """All that will be done, oldest first."""

    groups: tuple[Group, ...]
    disturbances: tuple[Disturbance, ...]


def draw(runs: int, minutes: float, seed: int) -> Schedule:
    """Draw a soak.

    Args:
        runs: how many there are to be.
        minutes: how long it is to take; the end of that is quiet, so that the last runs end.
        seed: decides it all.
    """
    chance = random.Random(f"soak {seed}")
    busy = minutes * 60 - max(minutes * 60 / 10, min(200, minutes * 60 / 3))
    waited_for, real = max(round(runs * FOREGROUND_SHARE), 1), max(round(runs * REAL_SHARE), 1)
    sizes: list[tuple[str, int]] = [("real", 1)] * real
    left = runs - waited_for - real
    while left > 0:
        kind = chance.choices(("single", "array", "packed"), (6, 2, 2))[0]
        size = 1 if kind == "single" else min(3, left)
        sizes.append((kind if size > 1 else "single", size))
        left -= size
    chance.shuffle(sizes)
    groups = [Group(0.0, "foreground", tuple(range(1, waited_for + 1)), round(sum(EPOCHS) / 2))]
    given = waited_for
    for kind, size in sizes:
        # spread evenly by what was given out, so that the cluster has the same to do all the time
        at = 5 + (busy * 0.93 - 5) * (given - waited_for) / max(runs - waited_for, 1)
        epochs = REAL_EPOCHS if kind == "real" else chance.randint(*EPOCHS)
        groups.append(
            Group(round(at, 1), kind, tuple(range(given + 1, given + size + 1)), epochs, chance.choice(PLACES))
        )
        given += size
    weights = [often for often, _ in KINDS.values()]
    names = chance.choices(list(KINDS), weights, k=round(0.8 * runs))
    moments = sorted(chance.uniform(15, busy) for _ in names)
    disturbances = [
        Disturbance(round(at, 1), kind, chance.randrange(10**6), float(chance.randint(*KINDS[kind][1])))
        for at, kind in zip(moments, names)
    ]
    return Schedule(tuple(groups), tuple(disturbances))
