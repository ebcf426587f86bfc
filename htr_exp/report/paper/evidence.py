"""The runs that a paper speaks of, as their folders tell of them; what nobody should publish is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from htr_exp.core.errors import ConfigError
from htr_exp.core.own_command import own_command
from htr_exp.core.problem import Problem
from htr_exp.core.task import Epoch, Task, task_of
from htr_exp.core.text import first_of
from htr_exp.runs.costs import Cost, cost, together
from htr_exp.runs.experiments import Experiment, experiments
from htr_exp.runs.records import Provenance, Results
from htr_exp.runs.rows import ComparedRow, changed, compared_rows
from htr_exp.runs.run_dir import RunDir
from htr_exp.runs.sweep_points import differing

NAMED = 5
"""Runs that a sentence names."""


@dataclass(frozen=True)
class PaperRun:
    """A run with scores.

    Attributes:
        row: as tables have it.
        facts: what was recorded before it started.
        results: what it ended with.
        epochs: its curve; empty of an evaluation.
    """

    row: ComparedRow
    facts: Provenance
    results: Results
    epochs: Sequence[Epoch]


@dataclass(frozen=True)
class Evidence:
    """All that a paper's tables, figures and sentences are made of.

    Attributes:
        title: what the runs were asked for by.
        runs: those with scores, the best validation score first.
        varied: the settings in which they differ.
        without: the runs without scores, each with why; a table that is silent about them would be a choice.
    """

    title: str
    runs: tuple[PaperRun, ...]
    varied: tuple[str, ...]
    without: tuple[tuple[str, str], ...]

    @property
    def task(self) -> Task:
        """What the models learnt; all the same."""
        return task_of(self.runs[0].row["task"])

    @property
    def trained(self) -> list[PaperRun]:
        """The runs that are no evaluations."""
        return [one for one in self.runs if one.row["verb"] != "evaluate"]

    @property
    def cost(self) -> Cost:
        """Of the trainings."""
        return together([cost(one.results, one.epochs) for one in self.trained])

    @cached_property
    def experiments(self) -> tuple[Experiment, ...]:
        """Those that have a table of their own."""
        return tuple(experiments(self.rows))

    @property
    def rows(self) -> list[ComparedRow]:
        """The rows of the runs."""
        return [one.row for one in self.runs]


def evidence(title: str, runs: Sequence[RunDir]) -> Evidence:
    """Read what a paper says of runs.

    Args:
        title: what they were asked for by.
        runs: their folders.

    Raises:
        ConfigError: with every reason why these runs cannot stand in one table.
    """
    rows, _, broken = compared_rows(runs)
    by_folder = {str(run.path): run for run in runs}
    found, without = [], []
    problems = [Problem(said, "leave this run out, or copy its folder anew") for said in broken]
    for row in rows:
        if said := changed(row):
            problems.append(Problem(f"{row['run']}: {said}", "a paper needs the files as the run wrote them"))
        elif not row["state"].has_scores:
            without.append((row["run"], str(row["reason"] or row["state"])))
        elif row["test"] is None and (row["val"] is None or row["val_source"] == "kraken"):
            without.append((row["run"], "its results.json has no scores, or cannot be read"))
        else:
            run = by_folder[row["folder"]]
            found.append(PaperRun(row, run.facts(), run.final_result() or Results(), tuple(run.epochs())))
    if len({one.row["task"] for one in found}) > 1:
        problems.append(Problem("these are runs of both tasks", "name the runs of one, or their sweep"))
    if not (found or problems):
        missing = first_of([f"{name} ({why})" for name, why in without], NAMED) or "there are no runs here"
        problems.append(Problem(f"no run has scores: {missing}", f"wait for them: `{own_command('status')}`"))
    if problems:
        raise ConfigError("there is nothing to report:", problems)
    varied = differing([one.row["settings"] for one in found])
    return Evidence(title, tuple(found), tuple(varied), tuple(without))
