"""Which run validation chooses: the one whose sealed test is opened, and the one that should be reported instead of the best test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from htr_exp.core import machine
from htr_exp.core.errors import ConfigError
from htr_exp.core.files import utc_now
from htr_exp.core.own_command import own_command
from htr_exp.core.problem import Problem
from htr_exp.core.task import task_of
from htr_exp.core.text import counted, first_of
from htr_exp.runs.openings import was_sealed
from htr_exp.runs.records import Opening
from htr_exp.runs.rows import RunRow, changed, compared_on, rows_of, to_minimise
from htr_exp.runs.run_dir import RunDir
from htr_exp.runs.scorings import Scorings

Question = tuple[str, str, str]
"""What the trials of one choice have in common: the question, the task and the test pages."""


@dataclass(frozen=True)
class Chosen:
    """The run of a question whose test is to be opened.

    Attributes:
        run: its folder.
        opening: what is kept of it; None where the test was opened for this run before.
    """

    run: RunDir
    opening: Opening | None


def choose(named: Sequence[RunDir], known: Sequence[RunDir], *, again: bool) -> list[Chosen]:
    """The run of each question and test set that validation chooses among those that are named.

    Args:
        named: by the user.
        known: all runs beside them: those of the same question and test pages are the trials behind a choice.
        again: also where the test was opened for another run of the question.

    Raises:
        ConfigError: with every question whose test cannot be opened.
    """
    every = list({run.path: run for run in (*known, *named)}.values())
    rows = dict(zip([run.path for run in every], rows_of(every)))
    trials: dict[Question, list[RunDir]] = {}
    for run in every:
        if rows[run.path]["verb"] == "train":
            trials.setdefault(_question(run), []).append(run)
    asked: dict[Question, list[RunDir]] = {}
    for run in named:
        asked.setdefault(_question(run), []).append(run)
    problems: list[Problem] = []
    found: list[Chosen] = []
    for question, runs in asked.items():
        outcome = _chosen(question, runs, trials.get(question, []), rows, again=again)
        if isinstance(outcome, Problem):
            problems.append(outcome)
        else:
            found.append(outcome)
    if problems:
        raise ConfigError("the test cannot be opened:", problems)
    return found


def _chosen(
    question: Question, named: Sequence[RunDir], trials: Sequence[RunDir], rows: Mapping[Path, RunRow], *, again: bool
) -> Chosen | Problem:
    """The same of one question, or why its test cannot be opened."""
    names = first_of([run.name for run in named], 3)
    sealed = [run for run in named if run in trials and was_sealed(run)]
    if not sealed:
        return Problem(f"{names}: no test is sealed there", "it is sealed in trainings with scores.test=final")
    if under_way := [run.name for run in trials if not rows[run.path]["state"].is_ended]:
        what = f"{first_of(under_way, 3)}: not ended yet, and the choice is among all runs of the question"
        return Problem(what, f"wait, or end them with `{own_command('cancel RUN')}`")
    ranked = sorted((value, run.name, run) for run in sealed if (value := _figure(run, rows[run.path])) is not None)
    if not ranked:
        return Problem(
            f"{names}: no run has a validation score and a model, by which one could be chosen",
            f"`{own_command('status')}` says what became of them",
        )
    value, _, run = ranked[0]
    if said := changed(rows[run.path]):
        return Problem(f"{run.name}: {said}")
    if run.opening.exists():
        return Chosen(run, None)
    before = _opened_before(question, run, trials)
    if before and not again:
        what = f"{run.name}: the test of this question was opened for {first_of(before, 3)} already"
        return Problem(
            what, "a second look makes the better figure too good; if it must be, add --again, and every table says so"
        )
    figures = [one for trial in trials if (one := _figure(trial, rows[trial.path])) is not None]
    opening: Opening = {
        "by": machine.user(),
        "time": utc_now(),
        "question": question[0],
        "trials": len(trials),
        "place": 1 + sum(figure < value for figure in figures),
        "before": len(before),
    }
    return Chosen(run, opening)


def _figure(run: RunDir, row: RunRow) -> float | None:
    """The validation figure of a run that has ended with a model; None of one that has not."""
    return to_minimise(row) if run.is_scored and run.best.exists() else None


def _opened_before(question: Question, run: RunDir, trials: Sequence[RunDir]) -> list[str]:
    """The runs of a question whose test was opened, deleted ones included."""
    asked, task, test = question
    kept = Scorings.of_runs(run.path.parent).openings(task, test)
    names = [name for name, opening in kept if opening["question"] == asked]
    return list(dict.fromkeys([*names, *(one.name for one in trials if one.opening.exists())]))


def _question(run: RunDir) -> Question:
    facts = run.facts()
    test = (facts.get("split") or {}).get("test_digest")
    return facts["run"].get("question", ""), facts["run"]["task"], test or facts["dataset"]["name"]


def instead_of_best_test(rows: Sequence[RunRow]) -> Iterator[str]:
    """Say, where the run with the best test score is not the one that validation chooses, what that one has.

    Args:
        rows: trainings of one task.
    """
    alike: dict[str, list[RunRow]] = {}
    for row in rows:
        if row["test"] is not None and row["val"] is not None and row["val_source"] == "rescored":
            alike.setdefault(compared_on(row), []).append(row)
    for runs in alike.values():
        task = task_of(runs[0]["task"])
        chosen = min(runs, key=lambda row: (to_minimise(row) or 0.0, row["run"]))
        best = min(runs, key=lambda row: (-task.gain(0.0, row["test"] or 0.0), row["run"]))
        if best["test"] == chosen["test"]:
            continue
        yield (
            f"the best test {task.score_label} of {counted(len(runs), 'run')} is {task.shown(best['test'])} ({best['run']}); of the run "
            f"that validation chooses it is {task.shown(chosen['test'])} ({chosen['run']}): report this one, the other is chosen by the test"
        )
