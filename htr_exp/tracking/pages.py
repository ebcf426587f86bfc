"""The pages of MLflow's UI that people are led to: their addresses, and what a table of runs shows."""

from __future__ import annotations

TRAINING = "workflowType=machine_learning"
"""What the address of a page needs to be about trainings: without it MLflow 3 shows language models."""

# The UI keeps a table's columns in a tag of the experiment and opens it by its name in the address. Without one, it
# shows no scores at all.
TABLE = "scores"
TABLE_TAG = f"mlflow.sharedViewState.{TABLE}"
TABLE_COLUMNS = {
    "searchFilter": "",
    "orderByKey": "metrics.`test_cer`",
    "orderByAsc": True,
    "startTime": "ALL",
    "lifecycleFilter": "Active",
    "datasetsFilter": [],
    "modelVersionFilter": "All Runs",
    "selectedColumns": [
        "attributes.`Created`",
        "attributes.`Duration`",
        *(
            f"metrics.`{name}`"
            for name in (
                "test_cer",
                "test_cer_base",
                "test_gain_points",
                "test_wer",
                "val_cer",
                "test_line_f1",
                "test_line_f1_base",
            )
        ),
        *(f"params.`{name}`" for name in ("training.lrate", "seed")),
        *(f"tags.`htr_exp.{name}`" for name in ("task", "model", "dataset", "state")),
    ],
}

KIND = {"mlflow.experimentKind": "custom_model_development"}
"""The tag by which MLflow before 3.17 opens an experiment on its table of runs."""


def table_of(address: str, experiment: str | int) -> str:
    """The address of an experiment's table of runs in the UI at `address`."""
    return f"{address}/#/experiments/{experiment}/runs?{TRAINING}&viewStateShareKey={TABLE}"


def run_of(address: str, experiment: str | int, run_id: str) -> str:
    """The address of a run's page in the UI at `address`."""
    return f"{address}/#/experiments/{experiment}/runs/{run_id}?{TRAINING}"


def list_of(address: str) -> str:
    """The address of the list of experiments in the UI at `address`."""
    return f"{address}/#/experiments?{TRAINING}"
