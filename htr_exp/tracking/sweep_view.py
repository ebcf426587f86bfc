"""The run of MLflow that stands for a sweep: its name, what varies, and the scores of its best run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from htr_exp.tracking import run_view
from htr_exp.tracking.sweeps import Sweep
from htr_exp.tracking.tags import TAG_LENGTH


@dataclass(frozen=True)
class SweepView:
    """All that is shown of a sweep."""

    name: str
    tags: Mapping[str, str]
    metrics: Mapping[str, float]
    ended: int | None  # milliseconds since 1970, UTC; None while one of its runs has not ended


def of_sweep(sweep: Sweep, view: run_view.RunView) -> SweepView:
    """What is shown of a sweep.

    Args:
        sweep: as its runs are now.
        view: of one of them, which has ended or is the first to be recorded.
    """
    best = sweep.best()
    task = view.task
    lines: list[str] = []
    tags = {
        "htr_exp.task": task.name,
        "htr_exp.varies": sweep.values,
        "htr_exp.runs": sweep.progress,
        "htr_exp.dataset": view.tags.get("htr_exp.dataset", ""),
    }
    metrics: dict[str, float] = {}
    if best is not None:
        run, results, side_of_choice = best
        metrics = {name: value for (name, _), (value, _) in run_view.scores_of(task, results, 0).items()}
        called = sweep.name_of(run) or run.name
        tags["htr_exp.best_run"] = run.name
        figures = [
            f"{side} {task.score_label} {task.shown(value)}"
            for side in ("validation", "test")
            if (value := ((results.get(side) or {}).get("best") or {}).get(task.score)) is not None
        ]
        lines.append(
            f"Best by {side_of_choice}: **{called}** (`{run.name}`), {', '.join(figures)}. Its scores are shown here."
        )
    lines += [f"What varies: {sweep.values}."] if sweep.values else []
    lines.append(
        f"{sweep.progress[0].upper()}{sweep.progress[1:]}. They are nested below this one; `htr-exp compare {sweep.id}` puts them side by side."
    )
    tags["mlflow.note.content"] = "\n\n".join(lines)
    ended = run_view.milliseconds(sweep.last_end)
    return SweepView(sweep.name, {key: value[:TAG_LENGTH] for key, value in tags.items() if value}, metrics, ended)
