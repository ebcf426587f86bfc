"""The status and the scores of runs, as rows that tables and programs read alike."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypedDict, cast

from htr_exp.config import transcription_conventions
from htr_exp.core.run_state import RunState
from htr_exp.core.task import TASKS, Epoch, Task, task_of
from htr_exp.kraken.record import KrakenRecord
from htr_exp.runs import judgements, openings, resumptions, scorings
from htr_exp.runs.costs import Cost, cost
from htr_exp.runs.record_check import fits
from htr_exp.runs.records import (
    CountedFigures,
    Figures,
    Gain,
    LeftOutRecord,
    Opening,
    Provenance,
    Results,
    Resumptions,
)
from htr_exp.runs.run_dir import BrokenRunError, RunDir
from htr_exp.runs.scorings import Scoring, Scorings
from htr_exp.runs.seals import CHANGED
from htr_exp.runs.status import RunStatus, of_folder
from htr_exp.runs.sweep_points import differing, in_order

OF_TEST = (
    *("wer", "cer_raw"),
    *("cer_nospace", "cer_nospace_low", "cer_nospace_high", "cer_folded", "cer_folded_low", "cer_folded_high"),
    *("cer_reading", "cer_reading_low", "cer_reading_high"),
    *("errors", "insertions", "deletions", "substitutions"),
)
"""What a row has of the test figures, with `test_` before it, beside what the run is judged by."""


class Judgement(TypedDict):
    """What a run is judged by; shares, not percent."""

    metric: str  # what `val` and `test` are: the task's score, before there is one kraken's figure while training
    val: float | None
    test: float | None
    base_val: float | None
    base_test: float | None
    test_wer: float | None
    test_cer_raw: float | None
    test_cer_nospace: float | None  # as the next five, not counted in older runs
    test_cer_nospace_low: float | None
    test_cer_nospace_high: float | None
    test_cer_folded: float | None
    test_cer_folded_low: float | None
    test_cer_folded_high: float | None
    test_cer_reading: float | None  # as the next three, only with scores.convention_share
    test_cer_reading_low: float | None
    test_cer_reading_high: float | None
    base_test_cer_reading: float | None
    test_errors: int | None  # of the test CER; the sum of the next three, which older runs have not counted
    test_insertions: int | None
    test_deletions: int | None
    test_substitutions: int | None
    # the same of a recognition, by their own names
    val_cer: float | None
    test_cer: float | None
    base_val_cer: float | None
    base_test_cer: float | None


class RunRow(Judgement, Resumptions):
    """A run as tables and `--json` have it."""

    run: str
    folder: str
    task: str
    verb: str  # train or evaluate
    state: RunState
    stage: str | None
    reason: str | None
    jobs: list[str]  # oldest first
    job: str | None  # that works or waits for it now
    node: str | None
    left_s: float | None  # until the job's time limit
    training_left_s: float | None  # at most; of a run under way
    restarts: int
    requeued: int
    lost_epochs: int
    job_log: str | None
    epoch: int | None  # how many are trained
    epochs: int | None  # how many there may be; of a run under way
    val_source: str | None  # of `val`: rescored (by us, of the best model) or kraken
    base_model: str | None
    leakage: list[str]  # what was ever accepted: kinds, and thresholds weaker than the shipped ones
    trained_on: str  # known or unknown: whether all training pages of the models it starts from and uses are known
    unknown_data: list[str]  # which of these are not, in sentences
    dataset: str
    dataset_digest: str | None  # of the ground truth: of all its pages as they were read
    test_digest: str | None  # of its test pages, whatever they are called; None without any
    test_scored: int  # how often these test pages were scored in this workspace by now: models, each once in each run
    test_scored_runs: int  # by how many runs, deleted ones included
    test_scored_in_part: int  # scorings of other test sets that have some of these pages
    test_scored_incomplete: bool  # the record of scorings was changed by hand: it may have been more
    test_opened: int  # how often a sealed test was opened on these pages
    test_sealed: bool  # scores.test=final, and the test was not opened for this run
    opening: Opening | None  # of this run's test: by whom, when, among how many runs it was chosen
    excluded_pages: int  # pages of the ground truth that dataset.exclude left out
    left_out_scored: list[str]  # pages that the run left out although an earlier run was scored on them
    conventions: str | None
    convention_mismatch: bool
    fold: str | None
    kraken: str
    runtime: str | None
    fallback: str | None
    sweeps: list[str]
    seals: Literal["ok"] | list[str]  # or the sealed files that were changed since
    cer_low: float | None  # of `test_cer`: the 95 % interval over test pages, or over the groups of the split
    cer_high: float | None
    gain: Gain | None  # on the test pages
    scores: dict[str, dict[str, Figures | None]]  # test and validation -> base and best
    end_to_end: dict[str, Figures] | None
    cost: Cost | None  # of the training; of an evaluation None


class ComparedRow(RunRow):
    """A run among others that it is compared with."""

    settings: dict[str, Any]  # by dotted keys


def row_of(run: RunDir, status: RunStatus | None = None, *, every_digest: bool = False) -> RunRow:
    """The row of one run; arguments as for `rows_of`."""
    (row,) = rows_of([run], {run.path: status} if status else {}, every_digest=every_digest)
    return row


def rows_of(
    runs: Sequence[RunDir], found: Mapping[Path, RunStatus] | None = None, *, every_digest: bool = False
) -> list[RunRow]:
    """The rows of runs.

    Args:
        runs: their folders.
        found: by folder, as `status.look` returns it; without it the folders alone are asked.
        every_digest: as of `RunDir.broken_seals`.
    """
    scored: dict[Path, Scorings] = {}
    rows = []
    for run in runs:
        if (runs_folder := run.path.parent) not in scored:
            scored[runs_folder] = Scorings.of_runs(runs_folder)
        status = (found or {}).get(run.path) or of_folder(run)
        rows.append(_row(run, status, scored[runs_folder], every_digest))
    for run, row in zip(runs, rows):  # only now: each run may be one that the file of scorings lacks
        counts = scored[run.path.parent].of(row["task"], row["test_digest"])
        row["test_scored"], row["test_scored_runs"] = counts["times"], counts["runs"]
        row["test_scored_in_part"], row["test_scored_incomplete"] = counts["in_part"], counts["incomplete"]
        row["test_opened"] = counts.get("opened", 0)
    return rows


def _row(run: RunDir, status: RunStatus, scored: Scorings, every_digest: bool) -> RunRow:
    """The row of one run, all but how often its test pages were scored; its own scoring is added to the others."""
    facts, state, epochs, result = run.facts(), status.record, run.epochs(), run.final_result()
    starts = run.begun
    found = run.kraken(result)
    under_way = run.training_settings() if state.state is RunState.RUNNING else None
    given = result or Results()
    scores = {"test": given.get("test") or {}, "validation": given.get("validation") or {}}
    counted, gain = counted_figures(scores["test"]), (given.get("gain") or {}).get("test")
    judged = _judged(task_of(facts["run"]["task"]), scores, epochs)
    model = facts["model"]
    judged_so = judgements.judgements(run, facts)
    used = judgements.conventions(judged_so)
    reader = "system" if "predictions" in facts else "base_model"
    models = {reader: model, "segmentation_model": facts.get("segmentation_model")}
    unknown_data = judgements.unknown_data(judged_so, [kind for kind, there in models.items() if there])
    split = facts.get("split") or {}
    left_out: LeftOutRecord = facts.get("left_out") or {"excluded": [], "scored_before": []}
    if shown_figures(scores["test"]) and (scoring := _scoring(run, facts, given)):
        scored.add(scoring)
        scored.tell(scoring["task"], scoring["test_digest"], given.get("test_scored") or {})
    return {
        "run": run.name,
        "folder": str(run.path),
        "task": facts["run"]["task"],
        "verb": facts["run"].get("verb", "train"),
        "state": state.state,
        "stage": state.stage,
        "reason": state.reason,
        "jobs": list(status.jobs),
        "job": status.job,
        "node": status.node,
        "left_s": status.left_s,
        "training_left_s": _training_left_s(under_way, epochs) if under_way else None,
        "restarts": max(sum("start" in start for start in starts) - 1, 0),
        **resumptions.of_run(starts, result),
        "requeued": status.requeued,
        "lost_epochs": sum(start.get("lost_epochs", 0) for start in starts),
        "job_log": str(status.log) if status.log else None,
        "epoch": len(epochs) or None,
        "epochs": under_way["epochs"] if under_way else None,
        **judged,
        "val_source": "rescored" if shown_figures(scores["validation"]) else "kraken" if epochs else None,
        "base_model": model["name"] if model else None,
        "leakage": judgements.accepted(judged_so),
        "trained_on": "unknown" if unknown_data else "known",
        "unknown_data": unknown_data,
        "dataset": facts["dataset"]["name"],
        "dataset_digest": facts["dataset"].get("digest"),
        "test_digest": split.get("test_digest"),
        "test_scored": 0,
        "test_scored_runs": 0,
        "test_scored_in_part": 0,
        "test_scored_incomplete": False,
        "test_opened": 0,
        "test_sealed": openings.is_sealed(run),
        "opening": openings.opening_of(run) if split.get("sealed") else None,
        "excluded_pages": len(left_out["excluded"]),
        "left_out_scored": scorings.named(left_out["scored_before"]),
        "conventions": transcription_conventions.described(*used),
        "convention_mismatch": transcription_conventions.differ(*used),
        "fold": split.get("fold"),
        "kraken": found["version"] if found else facts["software"]["kraken"],
        "runtime": _runtime(found) if found else None,
        "fallback": found["fallback"] if found else None,
        "sweeps": [member["sweep"] for member in run.memberships],
        "seals": run.broken_seals(every_digest=every_digest) or "ok",
        "cer_low": counted["cer_low"] if counted else None,
        "cer_high": counted["cer_high"] if counted else None,
        "gain": gain if gain and gain.keys() >= Gain.__annotations__.keys() else None,
        "scores": scores,
        "end_to_end": given.get("end_to_end"),
        "cost": cost(given, epochs) if facts["run"].get("verb", "train") == "train" else None,
    }


def _scoring(run: RunDir, facts: Provenance, results: Results) -> Scoring | None:
    """The scoring that a run's own results tell of; None where they do not say of which model."""
    test_digest, weights = (facts.get("split") or {}).get("test_digest"), results.get("weights") or {}
    of_model = weights.get("best") or weights.get("model")
    if test_digest is None or of_model is None:
        return None
    identity = facts["run"]
    scoring: Scoring = {
        "run": run.name,
        "uuid": identity["uuid"],
        "task": identity["task"],
        "test_digest": test_digest,
        "weights": of_model,
    }
    if (counted := results.get("test_scored")) and (opening := counted.get("opening")):
        scoring["opening"] = opening
    return scoring


def changed(row: RunRow) -> str:
    """Which files of a run were changed after they were sealed, in words; "" where none was."""
    return "" if row["seals"] == "ok" else CHANGED.format(files=", ".join(row["seals"]))


def worse_than_base(task: Task, scores: Mapping[str, Mapping[str, Figures | None]]) -> str:
    """That training made the model worse than its base model, in words; "" where it did not, or nobody knows.

    Args:
        task: of the run.
        scores: of the test and the validation pages, as results.json has them. The test decides, without one the validation.
    """
    for side in ("test", "validation"):
        base, best = (number_of((scores.get(side) or {}).get(name), task.score) for name in ("base", "best"))
        if base is not None and best is not None:
            figures = f"{side} {task.score_label} {task.shown(base)} before training, {task.shown(best)} after it"
            return f"worse than its base model: {figures}" if task.gain(base, best) < 0 else ""
    return ""


def worse(row: RunRow) -> str:
    """The same of a row."""
    return worse_than_base(task_of(row["task"]), row["scores"])


def compared_on(row: RunRow) -> str:
    """What two runs must have in common for their scores to compare: the test pages, without any the dataset."""
    return row["test_digest"] or row["dataset"]


def figure(row: RunRow, key: str) -> float | None:
    """The figure of a row that a task's table names: a key of `Judgement`."""
    return cast("dict[str, float | None]", row)[key]


def shown_figures(scores: Mapping[str, Figures | None]) -> Figures | None:
    """The scores that stand for a run on one side of its split: of its best model, else of the evaluated or the base model."""
    return scores.get("best") or scores.get("model") or scores.get("base")


def counted_figures(scores: Mapping[str, Figures | None]) -> CountedFigures | None:
    """The same scores, with their counts by page; None where there are no such counts."""
    shown = shown_figures(scores)
    if shown is None or not shown.keys() >= CountedFigures.__annotations__.keys() or not fits(shown, CountedFigures):
        return None
    return cast("CountedFigures", shown)


def _judged(task: Task, scores: Mapping[str, Mapping[str, Figures | None]], epochs: Sequence[Epoch]) -> Judgement:
    """What a run is judged by: `val` and `test` in its `metric`, and for recognition the same by their own names.

    Before there are scores, `metric` and `val` are kraken's figure while training: of a segmentation its mean IoU.
    """
    test, validation = shown_figures(scores["test"]), shown_figures(scores["validation"])
    scored = test is not None or validation is not None
    found: dict[str, Any] = {
        "metric": task.score if scored or not epochs else task.curve,
        "val": number_of(validation, task.score) if validation else None if scored else task.best_value(epochs),
        "test": number_of(test, task.score),
        "base_val": number_of(scores["validation"].get("base"), task.score),
        "base_test": number_of(scores["test"].get("base"), task.score),
        "base_test_cer_reading": number_of(scores["test"].get("base"), "cer_reading"),
    }
    every = {name: None for one in TASKS.values() for name, _ in one.row_names}
    found |= {f"test_{key}": number_of(test, key) for key in OF_TEST}
    return cast("Judgement", found | every | {name: found[key] for name, key in task.row_names})


def number_of(figures: Mapping[str, Any] | None, key: str) -> float | None:
    """A figure of a record; None where it is none, as `1e999`, which is infinite."""
    value = (figures or {}).get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if abs(value) <= sys.float_info.max else None


def _runtime(kraken: KrakenRecord) -> str:
    """What kraken was, in a word: host, a module's name or an image's."""
    return str(kraken["image"] or kraken["module"] or kraken["kind"])


def _training_left_s(training: dict[str, Any], epochs: Sequence[Epoch]) -> float | None:
    """How long training may take at most from here, by its curve; None before the first epoch."""
    seconds = [record["seconds"] for record in epochs if record.get("seconds") is not None]
    if not seconds:
        return None
    left = float(sum(seconds) / len(seconds) * max(training["epochs"] - len(epochs), 0))
    budget = training.get("time_budget_min")
    return left if budget is None else min(left, max(60.0 * budget - sum(seconds), 0.0))


def settings_of(run: RunDir) -> dict[str, Any]:
    """The configuration of a run as dotted keys with plain values; model and dataset of no name are called as tables call them."""
    used, facts = run.settings(), run.facts()
    for kind in ("model", "dataset"):
        if used.get(f"{kind}.name") is None and (one := facts[kind]):
            used[f"{kind}.name"] = one["name"]
    if facts["run"].get("verb") == "evaluate":
        return {
            key: value for key, value in used.items() if not key.startswith(("training.", "split.", "architecture."))
        }
    return used


def _rises(row: RunRow) -> bool:
    """Whether more is better of what a row is judged by."""
    return row["val"] is not None and task_of(row["task"]).higher_is_better


def to_minimise(row: RunRow) -> float | None:
    """The validation figure of a run, so that less is better; None before there is one."""
    value = row["val"]
    return 1.0 - value if value is not None and _rises(row) else value


def compared_rows(
    runs: Sequence[RunDir], *, every_digest: bool = False
) -> tuple[list[ComparedRow], list[str], list[str]]:
    """Rows to be compared.

    Returns:
        The rows: what compares beside each other, the best first, runs without a figure last. The settings in which any of
        these differ. What is said of the runs whose settings cannot be read, which have no row.
    """
    rows: list[ComparedRow] = []
    broken: list[str] = []
    for run, row in zip(runs, rows_of(runs, every_digest=every_digest)):
        try:
            rows.append({**row, "settings": settings_of(run)})
        except BrokenRunError as error:
            broken.append(str(error))
    rows.sort(
        key=lambda one: (
            one["task"],
            one["verb"] == "evaluate",
            compared_on(one),
            one["val"] is None,
            -(one["val"] or 0.0) if _rises(one) else one["val"] or 0.0,
            one["run"],
        )
    )
    alike: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for one in rows:
        alike.setdefault((one["task"], one["verb"]), []).append(one["settings"])
    varied = in_order({key for of in alike.values() for key in differing(of)})
    return rows, varied, broken
