"""Artifacts are in the workspace alone, whatever a database names and wherever links lead."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.listener import Listener
from helpers.recorded_runs import make_run, only
from htr_exp.tracking import store
from htr_exp.tracking.sync import sync_runs


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "mlartifacts" / "default" / "run" / "artifacts"
    folder.mkdir(parents=True)
    (folder / "experiment.yaml").write_text("seed: 0")
    (tmp_path / "outside").mkdir()
    return tmp_path


def the_run(workspace: Path) -> Path:
    return workspace / "mlartifacts" / "default" / "run" / "artifacts"


def moved_behind_a_link(place: Path) -> Path:
    place.rename(place.with_name("aside"))
    place.symlink_to(place.with_name("aside"))
    return place


def leads(link: Path, to: str) -> Path:
    link.symlink_to(to)
    return link


def with_link(folder: Path, to: str) -> Path:
    return leads(folder / "x", to).parent


def with_pipe(folder: Path) -> Path:
    os.mkfifo(folder / "x")
    return folder


REFUSED: dict[str, Callable[[Path], Path]] = {
    "outside": lambda workspace: workspace / "outside",
    "the workspace": lambda workspace: workspace,
    "beside": lambda workspace: workspace / "mlartifacts-of-another",
    "up again": lambda workspace: workspace / "mlartifacts/../outside",
    "the root": lambda workspace: Path("/"),
    "relative": lambda workspace: Path("mlartifacts"),
    "a link": lambda workspace: moved_behind_a_link(the_run(workspace)),
    "a link above": lambda workspace: moved_behind_a_link(the_run(workspace).parent) / "artifacts",
    "a link at the top": lambda workspace: moved_behind_a_link(workspace / "mlartifacts") / "default",
    "a link to nothing": lambda workspace: leads(workspace / "mlartifacts/new", "nothing"),
    "a link in it": lambda workspace: with_link(the_run(workspace), "/etc/passwd"),
    "a link to a folder in it": lambda workspace: with_link(the_run(workspace), "/etc"),
    "a link within": lambda workspace: with_link(the_run(workspace), "experiment.yaml"),
    "a link deep in it": lambda workspace: with_link(the_run(workspace), "y").parents[1],
    "a pipe in it": lambda workspace: with_pipe(the_run(workspace)),
}


@pytest.mark.parametrize("how", REFUSED)
def test_artifacts_are_not_elsewhere(workspace: Path, how: str) -> None:
    folder = REFUSED[how](workspace)
    with pytest.raises(store.StoreTroubleError):
        store.confine(folder, store.artifact_folders(workspace))


@pytest.mark.parametrize("below", ["default/run/artifacts", "default", ".", "new/not/yet made"])
def test_artifacts_are_in_the_workspace(workspace: Path, below: str) -> None:
    store.confine(workspace / "mlartifacts" / below, store.artifact_folders(workspace))


def test_artifacts_are_beside_a_named_store_too(workspace: Path, tmp_path: Path) -> None:
    within = store.artifact_folders(workspace / "outside", workspace / "mlflow.db")
    store.confine(the_run(workspace), within)
    store.confine(workspace / "outside" / "mlartifacts" / "x", within)
    with pytest.raises(store.StoreTroubleError, match="artifacts are only there"):
        store.confine(workspace / "runs", within)


def poisoned(place: Path, location: str) -> None:
    with sqlite3.connect(place / "mlflow.db") as db:
        db.execute("UPDATE experiments SET artifact_location = ? WHERE experiment_id > 0", (location,))
    db.close()


def test_recording_writes_nothing_elsewhere(place: Path, tmp_path: Path) -> None:
    pytest.importorskip("sqlalchemy", reason="the embedded store needs the whole of MLflow")
    outside = tmp_path / "outside"
    outside.mkdir()
    assert only(sync_runs([make_run(place)], workspace=place)).changed
    poisoned(place, outside.as_uri())
    problem = sync_runs([make_run(place, "odalricus-tridis-1a1b2c3d")], workspace=place)[0].problem
    assert f"{outside}/" in str(problem)
    assert "artifacts are only there" in str(problem)
    assert list(outside.iterdir()) == []

    poisoned(place, store.artifact_root(place) + "/linked")
    (place / "mlartifacts/linked").symlink_to(outside)
    problem = sync_runs([make_run(place, "odalricus-tridis-2a1b2c3d")], workspace=place)[0].problem
    assert "a symbolic link is on the way" in str(problem)
    assert list(outside.iterdir()) == []


def test_a_database_that_names_a_server_for_artifacts_gets_none_sent(place: Path, listener: Listener) -> None:
    folder = make_run(place)
    only(sync_runs([folder], workspace=place))
    with sqlite3.connect(place / "mlflow.db") as db:
        db.execute("UPDATE experiments SET artifact_location = ?", (listener.uri,))
        db.execute("UPDATE runs SET artifact_uri = ?", (f"{listener.uri}/files",))
    db.close()
    (folder / "live" / "state.json").unlink()  # there is something new to be recorded
    problem = sync_runs([folder], workspace=place)[0].problem
    assert f"keeps files at {listener.uri}/files, and nothing is sent there: move mlflow.db away" in str(problem)
    assert listener.heard == []


@pytest.mark.parametrize("there", [True, False])
def test_a_database_that_is_a_link_is_left_alone(place: Path, tmp_path: Path, there: bool) -> None:
    other = tmp_path / "of another program.db"
    if there:
        (place / "mlflow.db").rename(other)
    else:
        (place / "mlflow.db").unlink()
    before = other.read_bytes() if there else None
    (place / "mlflow.db").symlink_to(other)
    problem = sync_runs([make_run(place)], workspace=place)[0].problem
    assert f"{place / 'mlflow.db'} is a symbolic link" in str(problem)
    assert (other.read_bytes() if there else None) == before
    assert other.exists() == there
