"""A run's tags and its description in MLflow."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard, cast

from htr_exp.config import transcription_conventions
from htr_exp.core.task import RECOGNITION, TASKS, Task
from htr_exp.runs import judgements, openings, resumptions, scorings
from htr_exp.runs.records import Provenance
from htr_exp.runs.rows import worse_than_base
from htr_exp.runs.run_dir import RunDir, StateRecord

TAG_LENGTH = 8000
"""MLflow's limit (mlflow/utils/validation.py of 3.17)."""


def score_of(results: Mapping[str, Any], which: str, task: Task) -> float | None:
    value = ((results.get("test") or {}).get(which) or {}).get(task.score)
    return float(value) if is_number(value) else None


def tags_of(
    folder: Path,
    workspace: Path,
    provenance: Mapping[str, Any],
    state: StateRecord,
    results: Mapping[str, Any],
    epochs: int,
) -> dict[str, str]:
    run, code = provenance["run"], provenance.get("code") or {}
    model, dataset = provenance.get("model") or {}, provenance.get("dataset") or {}
    shown = shown_path(folder, workspace)
    command = [str(word) for word in provenance.get("command") or ()]
    judged = judgements.judgements(RunDir(folder), cast("Provenance", provenance))
    conventions, left_out = judgements.conventions(judged), provenance.get("left_out") or {}
    tags = {
        "htr_exp.uuid": run["uuid"],
        "htr_exp.key": run.get("key"),
        "htr_exp.name": run.get("name"),
        "htr_exp.task": run.get("task"),
        "htr_exp.state": state.state,
        "htr_exp.reason": state.reason,
        "htr_exp.folder": shown,
        "htr_exp.model": model.get("name") or ("none" if provenance.get("model", 0) is None else None),
        "htr_exp.model_sha256": model.get("sha256"),
        "htr_exp.leakage": ", ".join(judgements.accepted(judged)),
        "htr_exp.base_trained_on": (judged[-1]["leakage"].get("base_model") or {}).get("trained_on"),
        "htr_exp.system_trained_on": (judged[-1]["leakage"].get("system") or {}).get("trained_on"),
        "htr_exp.segmentation_model_trained_on": (judged[-1]["leakage"].get("segmentation_model") or {}).get(
            "trained_on"
        ),
        "htr_exp.segmentation_model": (provenance.get("segmentation_model") or {}).get("name"),
        "htr_exp.classes": _classes(provenance),
        "htr_exp.dataset": dataset.get("name"),
        "htr_exp.dataset_digest": dataset.get("digest"),
        "htr_exp.split_digest": (provenance.get("split") or {}).get("digest"),
        "htr_exp.test_digest": (provenance.get("split") or {}).get("test_digest"),
        "htr_exp.test_scored": scorings.said(counted) if (counted := results.get("test_scored")) else None,
        "htr_exp.test_opened": _opening(provenance, results),
        "htr_exp.excluded_pages": len(left_out.get("excluded") or ()) or None,
        "htr_exp.left_out_scored": ", ".join(scorings.named(left_out.get("scored_before") or ())),
        "htr_exp.dataset_convention": conventions[0],
        "htr_exp.model_convention": conventions[1],
        "htr_exp.convention_mismatch": (
            transcription_conventions.described(*conventions)
            if transcription_conventions.differ(*conventions)
            else None
        ),
        "htr_exp.fold": (provenance.get("split") or {}).get("fold"),
        **_kraken_tags(folder, provenance, results),
        "htr_exp.commit": code.get("commit"),
        "htr_exp.worse_than_base": worse_than_base(TASKS.get(str(run.get("task")), RECOGNITION), results) or None,
        "htr_exp.best_epoch": results.get("best_epoch"),
        "htr_exp.host": _host(provenance, results),
        **_slurm_tags(folder, results),
        "htr_exp.version": code.get("version"),
        "htr_exp.best_model": f"{shown}/{best.name}" if (best := RunDir(folder).best).is_file() else None,
        "mlflow.note.content": _note(shown, provenance, state, results, epochs, judgements.accepted(judged)),
        "mlflow.source.name": shlex.join(command) or "htr-exp",
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": code.get("commit"),
        "mlflow.runName": folder.name,
    }
    return {key: str(value)[:TAG_LENGTH] for key, value in tags.items() if value not in (None, "")}


def _opening(provenance: Mapping[str, Any], results: Mapping[str, Any]) -> str | None:
    """How a run was chosen for which a sealed test was opened, or that it is sealed; None where it was never."""
    if not (provenance.get("split") or {}).get("sealed"):
        return None
    opening = (results.get("test_scored") or {}).get("opening")
    return openings.in_words(opening) if opening else "sealed"


def _classes(provenance: Mapping[str, Any]) -> str | None:
    """The classes that a segmentation learns, lines before regions."""
    numbers = (provenance.get("classes") or {}).get("numbers") or {}
    return "; ".join(f"{sort}: {', '.join(of)}" for sort, of in numbers.items() if of) or None


def _host(provenance: Mapping[str, Any], results: Mapping[str, Any]) -> str | None:
    """The machines that worked in the run; before there is a result, the one that it was written on."""
    worked = [one["machine"]["host"] for one in results.get("environments") or ()]
    return ", ".join(dict.fromkeys(worked)) or (provenance.get("machine") or {}).get("host")


def _kraken_tags(folder: Path, provenance: Mapping[str, Any], results: Mapping[str, Any]) -> dict[str, Any]:
    """Which kraken did the work, and where it was; before a start has found one, which was planned."""
    kraken = RunDir(folder).kraken(results) or provenance.get("kraken") or {}
    return {
        "htr_exp.kraken": kraken.get("version") or (provenance.get("software") or {}).get("kraken"),
        "htr_exp.runtime": kraken.get("kind"),
        "htr_exp.module": kraken.get("module"),
        "htr_exp.modules": ", ".join(kraken.get("modules") or ()),
        "htr_exp.image": kraken.get("image"),
        "htr_exp.image_sha256": kraken.get("image_sha256"),
        "htr_exp.fallback": kraken.get("fallback"),
        "htr_exp.kraken_remarks": "; ".join((provenance.get("kraken") or {}).get("remarks") or ()),
    }


def _slurm_tags(folder: Path, results: Mapping[str, Any]) -> dict[str, Any]:
    """Where and how often a run was begun: the start is its own, the rest only on Slurm."""
    run = RunDir(folder)
    rows = run.begun
    starts = [row for row in rows if "start" in row]
    legs = [row for row in rows if "leg" in row]
    resumed = resumptions.of_run(rows, results)
    given = run.jobs
    jobs = [str(record["job"]) for record in given if record.get("job")]
    return {
        "htr_exp.jobs": _listed(jobs),
        "htr_exp.nodes": _listed(str(start.get("node") or start["host"]) for start in starts if start.get("host")),
        "htr_exp.partition": _listed(
            str(settings["partition"]) for record in given if (settings := record.get("slurm") or {}).get("partition")
        ),
        "htr_exp.device": legs[-1].get("device") if legs else None,
        "htr_exp.restarts": len(starts) - 1 if starts else None,
        "htr_exp.resumed_at": _listed(map(str, resumed["resumed_at"])),
        "htr_exp.resumed_exactly": resumed["resumed_exactly"],
        "htr_exp.requeues": len(run.requeued) if jobs else None,
        "htr_exp.lost_epochs": sum(leg.get("lost_epochs") or 0 for leg in legs) if legs else None,
    }


def _listed(words: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(words))


def _note(
    shown: str,
    provenance: Mapping[str, Any],
    state: StateRecord,
    results: Mapping[str, Any],
    epochs: int,
    leaks: Sequence[str],
) -> str:
    """The description on a run's page, in Markdown."""
    dataset = (provenance.get("dataset") or {}).get("name") or "unnamed dataset"
    model = (provenance.get("model") or {}).get("name") or "no base model"
    task = TASKS.get(str(provenance["run"].get("task")), RECOGNITION)
    evaluates = provenance["run"].get("verb") == "evaluate"
    lines = [f"**{dataset}**, {task.name}, {'with' if evaluates else 'from'} {model}."]
    base, best = score_of(results, "base", task), score_of(results, "best", task)
    evaluated = score_of(results, "model", task)
    held_out = (results.get("test") or {}).get("best" if evaluated is None else "model") or {}
    where = f"held-out lines: {held_out.get('lines', '?')}, pages: {held_out.get('pages', '?')}"
    if best is not None:
        before = f"{task.shown(base)} before, " if base is not None else ""
        lines.append(f"Test {task.score_label}: {before}**{task.shown(best)}** after training ({where}).")
    if evaluated is not None:
        lines.append(f"Test {task.score_label}: **{task.shown(evaluated)}**, nothing was trained ({where}).")
    if said := worse_than_base(task, results):
        lines.append(f"**{said[0].upper()}{said[1:]}.**")
    if counted := results.get("test_scored"):
        lines.append(f"Test pages when this run ended: {scorings.said(counted)}.")
    if chosen := _opening(provenance, results):
        lines.append("The test is sealed." if chosen == "sealed" else f"Test opened: {chosen}.")
    if left_out := (provenance.get("left_out") or {}).get("scored_before"):
        lines.append(f"**The run {scorings.left_out_in_words(scorings.named(left_out))}.**")
    if leaks:
        lines.append(f"**Leakage accepted: {', '.join(leaks)}**: the scores rest on pages that were seen before.")
    said = f"State: {state.state}" + (f" ({state.reason})" if state.reason else "")
    epoch = results.get("best_epoch")
    counted = f", the best is epoch {epoch}." if epoch is not None else "."
    lines.append(f"{said}." if evaluates else f"{said}. Epochs: {epochs}{counted}")
    commands = "" if provenance.get("predictions") else " The exact kraken commands: `commands.sh`."
    lines.append(f"Folder: `{shown}` (below the workspace).{commands}")
    if again := _command_again(provenance):
        lines.append(f"Do it again, where it was started: `{again}`")
    return "\n\n".join(lines)


def _command_again(provenance: Mapping[str, Any]) -> str | None:
    """The command that made the run, so that it makes another one; of a sweep it makes all runs again."""
    program, *words = [str(word) for word in provenance.get("command") or ("",)]
    if not words:
        return None
    kept = [word for word in words if not word.startswith("again=")]
    return f"{shlex.quote(program)} {shlex.join([*kept, 'again=true'])}"


def shown_path(folder: Path, workspace: Path) -> str:
    try:
        return folder.resolve().relative_to(workspace.resolve()).as_posix()
    except ValueError:
        return folder.resolve().as_posix()


def is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
