"""The sealed test of a run with scores.test=final, and its opening: who opened it, when, and how many runs it was chosen among.

Whoever looks at the test scores of many runs and reports the best one reports a figure that is too good. So such a run neither
predicts nor scores its test pages, until the test is opened for it.
"""

from __future__ import annotations

from typing import cast

from htr_exp.core.files import read_json, utc_now, write_json
from htr_exp.core.run_state import RunState
from htr_exp.core.text import counted
from htr_exp.runs.record_check import fits
from htr_exp.runs.records import Opening
from htr_exp.runs.run_dir import RunDir

FINAL = "final"
"""The value of scores.test with which a test is sealed."""

WAITS = "its test was opened and is not scored yet: `resume` goes on with it"
"""Why a run that was done is so no more, until its test pages are scored."""

SEALED = "the test is sealed (scores.test=final): nothing was predicted or scored on it"
"""What is said where there would be test scores."""


def was_sealed(run: RunDir) -> bool:
    """Whether a run was not to be scored on its test pages at its end, whatever became of them since."""
    return bool((run.facts().get("split") or {}).get("sealed"))


def is_sealed(run: RunDir) -> bool:
    """Whether nothing may be predicted or scored on a run's test pages."""
    return was_sealed(run) and not run.opening.exists()


def opening_of(run: RunDir) -> Opening | None:
    """What is kept of the opening of a run's test; None where it is sealed, or was never."""
    try:
        values = read_json(run.opening)
    except (OSError, ValueError):
        return None
    return cast("Opening", values) if fits(values, Opening) and values.keys() >= Opening.__required_keys__ else None


def open_test(run: RunDir, opening: Opening) -> None:
    """Write down that the test of a run is opened: the next start of the run predicts and scores it.

    Raises:
        Locked: a process works in the run.
        OSError: the folder cannot be written.
    """
    with run.locked():
        write_json(run.opening, opening)
        run.write_state(RunState.INTERRUPTED, reason=WAITS, stage="predict")


def is_all_that_is_left(run: RunDir) -> bool:
    """Whether a run is trained and scored, but for the test pages that were opened since."""
    if not was_sealed(run) or not run.opening.exists() or not run.best.exists():
        return False
    results = run.result()
    known = results is not None and results.keys() >= {"epochs", "best_epoch", "ended_by"}
    return known and "scored" not in (opening_of(run) or {})


def note_scored(run: RunDir) -> None:
    """Write down that an opened test is scored: from here on the run is one like any other.

    Raises:
        OSError: the folder cannot be written.
    """
    if was_sealed(run) and (opening := opening_of(run)) and "scored" not in opening:
        write_json(run.opening, {**opening, "scored": utc_now()})


def in_words(opening: Opening) -> str:
    """Among how many runs a run was chosen, and by what."""
    runs = counted(opening["trials"], "run")
    if opening["place"] == 1:
        return f"chosen among {runs} by validation"
    return f"number {opening['place']} of {runs} by validation, not the one that it chose"
