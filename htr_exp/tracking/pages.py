"""The pages of MLflow's UI that people are led to: their addresses, and what a table of runs shows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from htr_exp.core.task import Task

TRAINING = "workflowType=machine_learning"
"""What the address of a page needs to be about trainings: without it MLflow 3 shows language models."""

# The UI keeps a table's columns and its charts in a tag of the experiment and opens it by its name in the address. Without
# one, it shows no scores at all.
TABLE = "scores"
TABLE_TAG = f"mlflow.sharedViewState.{TABLE}"

CURVE = "curve"
"""The section of charts that comes first: what stands before the slash in the name of a metric."""

TASKS_TAG = "htr_exp.tasks"
"""The tag of an experiment that says whose scores its table shows."""

KIND = {"mlflow.experimentKind": "custom_model_development"}
"""The tag by which MLflow before 3.17 opens an experiment on its table of runs."""


def percent(name: str) -> str:
    """The metric that shows an error rate in percent: people read 23.53, not 0.2352941."""
    return f"{name}_percent"


def in_percent(share: float) -> float:
    """Its value, with as many decimals as everywhere else: MLflow shows all that a figure has."""
    return round(float(share) * 100, 2)


def experiment_tags(tasks: Sequence[Task]) -> dict[str, str]:
    """The tags of an experiment with runs of these tasks."""
    shown = json.dumps(_table(tasks), separators=(",", ":"))
    return KIND | {TABLE_TAG: shown, TASKS_TAG: ", ".join(task.name for task in tasks)}


def _table(tasks: Sequence[Task]) -> dict[str, Any]:
    """The table of runs: what fits into a window of 1280 pixels first, the best run above.

    MLflow shows attributes, metrics, parameters and tags in this order, and each kind by name.
    """
    scores = [_score(task) for task in tasks]
    return {
        "searchFilter": "",
        "orderByKey": f"metrics.`{scores[0]}`",
        "orderByAsc": not tasks[0].higher_is_better,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": [
            "attributes.`Created`",
            *(f"metrics.`{name}`" for name in scores),
            *(f"params.`{name}`" for name in ("base_model", "dataset", "training.lrate", "seed")),
            *(f"tags.`htr_exp.{name}`" for name in ("state", "task", "folder")),
        ],
        "compareRunSections": [
            {
                "uuid": TABLE,
                "name": TABLE,
                "display": True,
                "isReordered": False,
                "deleted": False,
                "isGenerated": False,
            }
        ],
        "compareRunCharts": [chart for score in scores for chart in _charts(score)],
    }


def _charts(score: str) -> list[dict[str, Any]]:
    """The charts of a score in the view that compares runs: bars, and what varies with it.

    They stand in a section of their own, below the curves, which MLflow adds; it leaves out those of a section that is not
    among `compareRunSections`.
    """
    bar = {"type": "BAR", "uuid": f"bar-{score}", "metricKey": score, "runsCountToCompare": 30}
    line = {
        "type": "PARALLEL",
        "uuid": f"parallel-{score}",
        "selectedParams": ["training.lrate", "seed"],
        "selectedMetrics": [score],
        "showAllRuns": False,
    }
    return [{**chart, "metricSectionId": TABLE, "deleted": False, "isGenerated": False} for chart in (bar, line)]


def _score(task: Task) -> str:
    name = f"test_{task.score}"
    return name if task.higher_is_better else percent(name)


def table_of(address: str, experiment: str | int) -> str:
    """The address of an experiment's table of runs in the UI at `address`."""
    return f"{address}/#/experiments/{experiment}/runs?{TRAINING}&viewStateShareKey={TABLE}"


def run_of(address: str, experiment: str | int, run_id: str) -> str:
    """The address of a run's page in the UI at `address`."""
    return f"{address}/#/experiments/{experiment}/runs/{run_id}?{TRAINING}"


def list_of(address: str) -> str:
    """The address of the list of experiments in the UI at `address`."""
    return f"{address}/#/experiments?{TRAINING}"
