"""The legs of a training: where kraken is started anew, how long a leg is by default, and what a kill costs."""

from __future__ import annotations

from dataclasses import dataclass

from htr_exp.config.schema import Training
from htr_exp.core.task import RECOGNITION, SEGMENTATION, Task
from htr_exp.kraken.releases import release
from htr_exp.kraken.vgsl import multiplications

BEST_KEPT = 10
"""Checkpoints that kraken 7.1 keeps of a leg: of the best epochs (`save_top_k` in kraken/ketos/recognition.py)."""

LEG_S = 3600.0
"""Work of one core, seconds, that a leg of exact training is to hold: beside it a start of kraken (4 to 7 s) counts for little,
also where a GPU does this work in a fiftieth of the time."""


SAID_S = 0.0014
"""What it costs kraken to say each line or page that it reads, seconds of one core: rich lays out a table for it."""

SAYING_COSTS = 0.02
"""The share of the work that this may be: a line takes a usual network more than 0.1 s, and a small one 0.015 s."""


@dataclass(frozen=True)
class _Work:
    """What training on one line or page takes of one core (docs/adr/0012-exact-resuming.md, benchmarks/bench_legs.py).

    Attributes:
        aspect: width by height of a usual line or page.
        seconds: however small the network is.
        per_multiplication: seconds for each multiplication of the network forwards.
    """

    aspect: float
    seconds: float
    per_multiplication: float


WORK: dict[Task, _Work] = {RECOGNITION: _Work(20.0, 0.01, 3.4e-11), SEGMENTATION: _Work(0.75, 0.3, 3.4e-11)}


def legs(training: Training) -> list[tuple[str, int | None]]:
    """The legs of a training: a folder's name each, and the count of epochs it ends at (None: kraken stops itself).

    kraken 7 keeps checkpoints of its ten best epochs alone. In a folder of its own, a leg of at most ten leaves one for every
    epoch. With quit=early one leg is enough to go on from: the best epoch is always kept, so that a kill costs at most `lag`
    epochs. With exact=true a killed leg begins again at its start, and every training has them.
    """
    length = BEST_KEPT if training.leg_epochs is None else training.leg_epochs
    if not training.exact and (training.quit == "early" or not length):
        return [("leg-01", training.epochs if training.quit == "fixed" else None)]
    ends = [*range(length, training.epochs, length), training.epochs]
    return [(f"leg-{number:02d}", end) for number, end in enumerate(ends, start=1)]


def kill_costs(training: Training, version: str) -> int:
    """The most epochs that a kill costs, the one under way included."""
    if training.exact:
        return min(training.leg_epochs or BEST_KEPT, training.epochs)
    if release(version) == "4.3":  # a model after every epoch
        return 1
    if training.quit == "early":
        return min(training.lag, training.epochs)
    return 1 if len(legs(training)) > 1 or training.epochs <= BEST_KEPT else training.epochs


def default_length(task: Task, network: str, samples: int) -> int:
    """The epochs of a leg of exact training where `training.leg_epochs` does not say it.

    It follows from the data and the network alone, so that it is the same on every machine.

    Args:
        task: what is learnt.
        network: its VGSL specification.
        samples: lines, or pages of a segmentation, that are trained on.
    """
    seconds = epoch_seconds(task, network, samples)
    return max(min(round(LEG_S / seconds), BEST_KEPT), 1) if seconds else BEST_KEPT


def may_say_each(task: Task, network: str, device: str) -> bool:
    """Whether kraken may say each line or page that it trains on without being slowed down: on a GPU it has no time for it.

    Args:
        task: what is learnt.
        network: its VGSL specification.
        device: as kraken names it.
    """
    seconds = epoch_seconds(task, network, 1)
    return device.startswith("cpu") and seconds is not None and SAYING_COSTS * seconds >= SAID_S


def epoch_seconds(task: Task, network: str, samples: int) -> float | None:
    """About how long an epoch takes one core, seconds; None where the network does not tell.

    Args:
        task: what is learnt.
        network: its VGSL specification.
        samples: lines, or pages of a segmentation, that are trained on.
    """
    work = WORK[task]
    multiplied = multiplications(network, work.aspect)
    return None if multiplied is None else samples * (work.seconds + multiplied * work.per_multiplication)
