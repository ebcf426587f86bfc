"""Fixtures of the tests of MLflow."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from helpers.recorded_runs import make_run
from htr_exp.tracking.sync import sync_runs


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database as MLflow makes it: made once, because its migrations take seconds."""
    workspace = tmp_path_factory.mktemp("template")
    run = make_run(workspace)
    assert sync_runs([run], workspace=workspace)[0].problem is None
    shutil.rmtree(workspace / "runs")
    with sqlite3.connect(workspace / "mlflow.db") as db:
        for table in ("metrics", "latest_metrics", "params", "tags", "inputs", "input_tags", "datasets", "runs"):
            db.execute(f"DELETE FROM {table}")
        for table in ("experiment_tags", "experiments"):
            db.execute(f"DELETE FROM {table} WHERE experiment_id > 0")
    db.close()
    return workspace / "mlflow.db"


@pytest.fixture
def place(tmp_path: Path, empty_database: Path) -> Path:
    """A workspace with such a database."""
    place = tmp_path / "my work, 100 % #1 é"
    place.mkdir()
    shutil.copy(empty_database, place / "mlflow.db")
    return place
