"""Fixtures of the tests of MLflow."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from helpers.recorded_runs import empty_store


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database as MLflow makes it: made once, because its migrations take seconds."""
    return empty_store(tmp_path_factory.mktemp("template"))


@pytest.fixture
def place(tmp_path: Path, empty_database: Path) -> Path:
    """A workspace with such a database."""
    place = tmp_path / "my work, 100 % #1 é"
    place.mkdir()
    shutil.copy(empty_database, place / "mlflow.db")
    return place
