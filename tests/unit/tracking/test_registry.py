"""The model of a run in MLflow: a logged model with its scores, and versions in the registry."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from helpers.listener import Listener
from helpers.recorded_runs import client_of, command, dump, make_run, only, sealed, tracked
from htr_exp.core import files
from htr_exp.runs.run_dir import RunDir
from htr_exp.tracking import store
from htr_exp.tracking.registry import register
from htr_exp.tracking.store import StoreTroubleError
from htr_exp.tracking.sync import sync_runs
from htr_exp.tracking.writer import model_of

pytest.importorskip("sqlalchemy", reason="the embedded store needs the whole of MLflow: pip install 'htr-exp[mlflow]'")


def model(place: Path, run_id: str) -> Any:
    client = client_of(place)
    return model_of(client, client.get_run(run_id))


def test_a_run_that_was_scored_has_its_model_with_its_scores(place: Path) -> None:
    folder = make_run(place)
    run_id = only(sync_runs([folder], workspace=place)).run_id
    found = model(place, run_id)
    assert {(one.key, one.dataset_name): one.value for one in found.metrics if one.key.endswith("cer_percent")} == {
        ("test_cer_percent", "odalricus"): 12.0, ("val_cer_percent", "odalricus"): 20.0,
    }  # fmt: skip
    place_of_it = store.local_path(found.artifact_location)
    assert place_of_it is not None
    assert (place_of_it / "best.mlmodel").samefile(folder / "best.mlmodel")
    assert found.tags["htr_exp.folder"] == f"runs/{folder.name}"
    assert [one.model_id for one in client_of(place).get_run(run_id).outputs.model_outputs] == [found.model_id]
    for state in ("failed", "running"):
        other = make_run(place, f"{state}-1a2b3c4d", state=state)
        (other / "best.mlmodel").write_bytes(b"weights")
        assert model(place, only(sync_runs([sealed(other)], workspace=place)).run_id) is None


def test_a_model_is_registered_once_and_again_when_the_run_has_another(place: Path) -> None:
    folder = make_run(place)
    first = register(RunDir(folder), "odalricus hand", workspace=place)
    assert (first.version, first.changed) == ("1", True)
    before = dump(place)
    assert register(RunDir(folder), "odalricus hand", workspace=place).changed is False
    assert dump(place) == before
    (version,) = client_of(place).search_model_versions("name = 'odalricus hand'")
    assert version.tags["htr_exp.name"] == folder.name
    (folder / "best.mlmodel").write_bytes(b"others" * 1000)
    results = files.read_json(folder / "results.json")
    results["test"]["best"]["cer"] = 0.1
    files.write_json(folder / "results.json", results)
    sealed(folder)
    again = register(RunDir(folder), "odalricus hand", workspace=place)
    assert (again.version, again.changed) == ("2", True)
    moved = place.with_name("moved")
    place.rename(moved)
    assert register(RunDir(moved / "runs" / folder.name), "odalricus hand", workspace=moved).changed is False
    assert not any("my%20work" in line and "mlartifacts" in line for line in dump(moved))


def test_the_page_of_a_model_says_under_which_names_it_is_registered(place: Path) -> None:
    folder = make_run(place)
    for name in ("odalricus hand", "best so far", "odalricus hand"):
        register(RunDir(folder), name, workspace=place)
    run_id = only(sync_runs([folder], workspace=place)).run_id
    assert json.loads(model(place, run_id).tags["mlflow.modelVersions"]) == [
        {"name": "odalricus hand", "version": "1"},
        {"name": "best so far", "version": "1"},
    ]


def test_what_has_no_model_and_what_names_a_server_of_its_own_is_refused(place: Path, listener: Listener) -> None:
    failed = make_run(place, "failed-1a2b3c4d", state="failed")
    with pytest.raises(StoreTroubleError, match="no model of its own that was scored"):
        register(RunDir(failed), "hand", workspace=place)
    theirs = tracked(make_run(place, "theirs-1a2b3c4d"), "server", listener.uri)
    with pytest.raises(StoreTroubleError, match="only its own record names the server"):
        register(RunDir(theirs), "hand", workspace=place)
    assert listener.heard == []


def test_the_verb(place: Path) -> None:
    folder = make_run(place)
    said = command(place, "register", folder.name[:6], "hand", "--json")
    assert (said.returncode, json.loads(said.stdout)["version"], json.loads(said.stdout)["changed"]) == (0, "1", True)
    assert command(place, "register", folder.name).returncode == 2
    refused = command(place, "register", folder.name, "a/b")
    assert refused.returncode == 2
    assert "a name in MLflow's registry is not empty, and has no / and no :" in refused.stderr
