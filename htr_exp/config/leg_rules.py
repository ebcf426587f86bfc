"""Which legs a training can be divided into, and what keeps a killed one from giving the model of one that was not killed."""

from __future__ import annotations

from collections.abc import Iterator

from htr_exp.config.schema import Training
from htr_exp.core.problem import Problem


def leg_problems(training: Training) -> Iterator[Problem]:
    """What is wrong with the legs of a training."""
    length = training.leg_epochs
    if length is not None and length > 10:
        what = f"training.leg_epochs={length}: it must be at most 10, as kraken keeps checkpoints of ten epochs; 0 trains in one leg"
        yield Problem(what, where="training.leg_epochs")
    if not training.exact:
        return
    if length == 0:
        what = "training.leg_epochs=0: with training.exact=true a killed training begins again at the start of its leg"
        yield Problem(what, "give 1 to 10, or null", "training.leg_epochs")
    if training.time_budget_min is not None:
        what = f"training.time_budget_min={training.time_budget_min:g}: with training.exact=true no clock may decide the end"
        yield Problem(what, "use training.epochs, or training.exact=false", "training.time_budget_min")
