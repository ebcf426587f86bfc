"""Which runs are scored on the same test pages, and how often these were scored: what a reader must know to compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from htr_exp.core.own_command import own_command
from htr_exp.core.text import and_more
from htr_exp.runs import openings, scorings
from htr_exp.runs.rows import RunRow, compared_on

SHOWN = 5  # test sets below a table of status

MIXED = "scores on different test pages do not compare: compare within one number"


def numbered(rows: Sequence[RunRow]) -> dict[str, str]:
    """What runs compare on -> its number, from 1, in the order of the rows."""
    return {key: str(number) for number, key in enumerate(dict.fromkeys(map(compared_on, rows)), 1)}


def described(rows: Sequence[RunRow], tests: Mapping[str, str]) -> list[str]:
    """A sentence for each test set: its pages, and how often they were scored; and that several do not compare.

    Args:
        rows: the runs.
        tests: as `numbered` gives it for them.
    """
    of = {tests[compared_on(row)]: row for row in reversed(rows)}
    lines = []
    for number, row in sorted(of.items(), key=lambda one: int(one[0])):
        where = f"digest {row['test_digest'][:8]}" if row["test_digest"] else "its digest is not known"
        line = f"test{f' {number}' if len(tests) > 1 else ''}: pages of {row['dataset']} ({where})"
        lines.append("; ".join([", ".join(filter(None, (line, scored(row)))), *_openings(rows, compared_on(row))]))
    return [*lines, MIXED] if len(tests) > 1 else lines


def _openings(rows: Sequence[RunRow], on: str) -> list[str]:
    """By what the runs were chosen for which a test set was opened, and whether it is still sealed for others."""
    alike = [row for row in rows if compared_on(row) == on]
    chosen = [f"{row['run']} {openings.in_words(row['opening'])}" for row in alike if row["opening"] is not None]
    sealed = any(row["test_sealed"] for row in alike) and not chosen and not any(row["test_opened"] for row in alike)
    return chosen + [f"sealed: `{own_command('test RUNS')}` opens it for the run that validation chooses"] * sealed


def scored(row: RunRow) -> str:
    """How often the test pages of a run were scored, in words; "" where they never were."""
    return scorings.said(
        {
            "times": row["test_scored"],
            "runs": row["test_scored_runs"],
            "in_part": row["test_scored_in_part"],
            "incomplete": row["test_scored_incomplete"],
            "opened": row["test_opened"],
        }
    )


def briefly(rows: Sequence[RunRow]) -> list[str]:
    """The first of these sentences, for runs that are not compared; none where there is one test set, scored once for certain."""
    tests = numbered(rows)
    if len(tests) < 2 and not any(
        row["test_scored"] > 1
        or row["test_scored_in_part"]
        or row["test_scored_incomplete"]
        or row["test_sealed"]
        or row["opening"]
        for row in rows
    ):
        return []
    lines = described(rows, tests)
    more = len(tests) - SHOWN
    return (
        lines if more <= 0 else [*lines[:SHOWN], f"{and_more(more, 'test sets')}; `compare` describes all", lines[-1]]
    )


def left_out(row: RunRow) -> str:
    """How many pages a run left out, for a column; "" where it left out none."""
    words = [f"{row['excluded_pages']} excluded"] * bool(row["excluded_pages"])
    words += [f"{len(row['left_out_scored'])} scored before"] * bool(row["left_out_scored"])
    return ", ".join(words)


def left_out_in_words(row: RunRow) -> str:
    """Which pages a run left out although an earlier run was scored on them; "" where it left out none of these."""
    return scorings.left_out_in_words(row["left_out_scored"]) if row["left_out_scored"] else ""
