"""What a reader must know of a run's scores: the sentences that stand below them, wherever they are shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from htr_exp.core.own_command import own_command
from htr_exp.core.task import task_of
from htr_exp.runs import certainty, openings, resumptions, test_sets
from htr_exp.runs.rows import RunRow, changed, worse

LEAKY = "leakage accepted: {kinds}: these scores are better than they would be on pages never seen"
"""What stands below every score that rests on an accepted leak."""

UNKNOWN_DATA = "{which}: nobody can say whether these pages were among it"
"""What stands below every score of a model of which it is not known what it was trained on."""

MISMATCHED = (
    "convention {conventions}: base model and data are transcribed by different conventions, so that scores before "
    "training, and gains, measure the convention, too"
)
"""What stands below every score of a base model that transcribes otherwise than its data (model -> data)."""


WHILE_TRAINING = (
    "val {label} of a run without scores is kraken's count while it trains; at its end the validation pages are scored again, as "
    "the test pages are"
)
"""What stands below validation figures that will be replaced by other ones of the same name."""


def interim(rows: Iterable[RunRow]) -> list[str]:
    """What is to be said of rows whose validation figure is not yet the one that counts."""
    tasks = dict.fromkeys(task_of(row["task"]) for row in rows if row["val_source"] == "kraken")
    return [WHILE_TRAINING.format(label=task.score_label) for task in tasks if task.curve == task.score]


@dataclass(frozen=True)
class Remark:
    """A sentence about a run.

    Attributes:
        text: without a full stop.
        weight: bad: the result is not what it should be; doubt: it may be another than it seems; fact: neither.
    """

    text: str
    weight: Literal["bad", "doubt", "fact"]


def remarks(row: RunRow, *, at_end: bool = False) -> Iterator[Remark]:
    """Yield what is to be said of a run with scores.

    Args:
        row: of the run.
        at_end: what is read later, when the test pages may have been scored more often.
    """
    for said in filter(None, (worse(row), changed(row))):
        yield Remark(said, "bad")
    for said, weight in certainty.sentences(row):
        yield Remark(said, weight)
    if said := test_sets.scored(row):
        yield Remark(f"test pages: {said}{' (when this run ended)' if at_end else ''}", "fact")
    if row["test_sealed"]:
        yield Remark(
            f"{openings.SEALED}; `{own_command('test RUNS')}` opens it for the run that validation chooses", "fact"
        )
    if (opening := row["opening"]) is not None:
        yield Remark(f"test opened: {openings.in_words(opening)}", "fact" if opening["place"] == 1 else "doubt")
    if said := test_sets.left_out_in_words(row):
        yield Remark(said, "doubt")
    if row["leakage"]:
        yield Remark(LEAKY.format(kinds=", ".join(row["leakage"])), "doubt")
    if row["unknown_data"]:
        yield Remark(UNKNOWN_DATA.format(which="; ".join(row["unknown_data"])), "doubt")
    if row["convention_mismatch"]:
        yield Remark(MISMATCHED.format(conventions=row["conventions"]), "doubt")
    if row["resumed_exactly"] is False:
        yield Remark(resumptions.INEXACT, "doubt")
