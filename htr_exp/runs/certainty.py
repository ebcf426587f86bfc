"""How sure the test CER of a run is, in words: its interval, and whether the gain could be chance."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from htr_exp.core.task import task_of
from htr_exp.core.text import counted
from htr_exp.runs.rows import RunRow, counted_figures

FEW = 30
"""Up to so many pages an interval was seen to be too narrow where one page in ten is ruined (`benchmarks/results/coverage.md`)."""

ALONE = "one test page: nobody can say what the CER of other pages would be"

TOO_FEW = "too few pages to bound a rare bad page"


def sentences(row: RunRow) -> Iterator[tuple[str, Literal["doubt", "fact"]]]:
    """Yield what is to be said of the test figures of a run, and whether it is a doubt; nothing where there are no intervals."""
    scores = counted_figures(row["scores"]["test"])
    if scores is None:
        return
    if row["cer_low"] is None or row["cer_high"] is None:
        yield ALONE, "doubt"
        return
    task, units = task_of(row["task"]), scores["units"]
    few = f"; {TOO_FEW}" if units <= FEW else ""
    what = counted(units, "page") if units == scores["pages"] else counted(units, "group of pages", "groups of pages")
    between = f"{task.shown(row['cer_low'])} to {task.shown(row['cer_high'])}"
    yield f"test CER {task.shown(scores['cer'])}; on other pages like these {between} (95 %, over {what}{few})", "fact"
    gain = row["gain"]
    if gain is None:
        return
    said = f"gain {points(gain['cer'])} points, {points(gain['cer_low'])} to {points(gain['cer_high'])} (95 %, on the same lines)"
    if gain["cer_low"] <= 0 <= gain["cer_high"]:
        said += f": it may be chance; a gain of about {points(gain['detectable'])} points could be seen on these pages"
        yield said, "doubt"
    else:
        yield said, "fact"


def of_table(rows: Iterable[RunRow]) -> Iterator[str]:
    """Yield what is to be said below a table of runs: that one of them was tested on a single page, or on few."""
    counted_rows = [(row, scores) for row in rows if (scores := counted_figures(row["scores"]["test"]))]
    alone = [row["cer_low"] is None or row["cer_high"] is None for row, _ in counted_rows]
    if any(alone):
        yield ALONE
    if any(not one and scores["units"] <= FEW for one, (_, scores) in zip(alone, counted_rows)):
        yield TOO_FEW


def points(share: float) -> str:
    """A difference of two shares in points of percent."""
    return f"{100 * share:.2f}"
