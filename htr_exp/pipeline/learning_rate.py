"""The learning rate of a training that names none: it follows from the size of the network."""

from __future__ import annotations

from dataclasses import dataclass

from htr_exp.config.schema import Experiment
from htr_exp.kraken.model_file import ModelHeader
from htr_exp.kraken.vgsl import count_weights

MEASURED_UP_TO = 1_500_000
"""Weights of the largest network for which `SMALL` is used. It was measured on networks of 0.9 million (docs/adr/0004-recipe.md)."""

SMALL = 3e-3
"""For networks up to that size, with a base model or from scratch."""

LARGE_WITH_BASE = 1e-4
"""For larger ones that start from a base model: the rate of the users' guide, and the one that CATMuS medieval was trained at.
With rates well above 1e-3 the accuracy drops sooner or later (https://github.com/mittagessen/kraken/issues/747)."""

LARGE_FROM_SCRATCH = 1e-3
"""For larger ones that are trained from scratch: kraken 7.1's own default."""


@dataclass(frozen=True)
class LearningRate:
    """A learning rate, and in words where it comes from."""

    value: float
    reason: str


def default_rate(base: ModelHeader | None, spec: str | None) -> LearningRate:
    """The rate for a network where the user gives none.

    Args:
        base: what the base model's file says; None: the training starts from scratch.
        spec: the network of a training from scratch, VGSL.
    """
    network = base.network if base is not None else spec or ""
    weights = count_weights(network)
    size = f"{weights / 1e6:.1f} million weights" if weights is not None else "a number of weights that is not known"
    if weights is not None and weights <= MEASURED_UP_TO:
        return LearningRate(SMALL, f"the default for small networks; this one has {size}")
    value, of = (LARGE_FROM_SCRATCH, "from scratch") if base is None else (LARGE_WITH_BASE, "with a base model")
    why = "higher rates can ruin a large base model" if base is not None else "kraken's own default"
    return LearningRate(value, f"the careful default for large networks {of} ({why}); this one has {size}")


def rate_of(experiment: Experiment, base: ModelHeader | None) -> LearningRate | None:
    """The default rate of an experiment that names none; None where one is named."""
    return default_rate(base, experiment.architecture.spec) if experiment.training.lrate is None else None
