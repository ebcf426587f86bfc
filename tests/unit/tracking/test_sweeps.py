"""What MLflow shows of a sweep."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from helpers.recorded_runs import client_of, dump, make_run, sealed
from htr_exp.core import files
from htr_exp.runs.ownership import sign
from htr_exp.runs.run_dir import RunDir
from htr_exp.tracking.sweeps import Sweeps
from htr_exp.tracking.sync import sync_runs

pytest.importorskip("sqlalchemy", reason="the embedded store needs the whole of MLflow: pip install 'htr-exp[mlflow]'")


def point(place: Path, number: int, lrate: float, seed: int, **more: Any) -> Path:
    """A run of the sweep s-1, without a name in the record, with a validation CER of its own."""
    folder = make_run(place, f"odalricus-tridis-{number:04x}0000", lrate=lrate, **more)
    experiment = folder / "experiment.yaml"
    experiment.write_text(experiment.read_text().replace("seed: 0", f"seed: {seed}"))
    files.append_jsonl(folder / "live/sweeps.jsonl", {"sweep": "s-1", "overrides": []})
    if (folder / "results.json").exists():
        results = files.read_json(folder / "results.json")
        results["validation"]["best"]["cer"] = number / 100
        files.write_json(folder / "results.json", results)
    return sealed(folder)


def parent_of(place: Path, recorded: Any) -> Any:
    client = client_of(place)
    return client.get_run(client.get_run(recorded.run_id).data.tags["mlflow.parentRunId"])


def test_its_runs_are_called_by_what_they_differ_in(place: Path) -> None:
    runs = [point(place, 1, 0.003, 1), point(place, 2, 0.003, 2), point(place, 3, 0.001, 1)]
    recorded = sync_runs(runs, workspace=place)
    names = [client_of(place).get_run(one.run_id).info.run_name for one in recorded]
    assert names == ["lrate=0.003 seed=1 · 0001", "lrate=0.003 seed=2 · 0002", "lrate=0.001 seed=1 · 0003"]
    parent = parent_of(place, recorded[0])
    assert parent.info.run_name == "sweep lrate, seed · s-1"
    assert parent.data.tags["htr_exp.varies"] == "training.lrate: 0.001, 0.003; seed: 1, 2"
    before = dump(place)
    assert not any(one.changed for one in sync_runs(runs, workspace=place))
    assert dump(place) == before


def test_the_first_run_of_a_search_is_called_by_what_the_search_chooses(place: Path) -> None:
    run = make_run(place, "odalricus-tridis-00010000", lrate=0.008640391370919825)
    chosen = {"training.lrate": 0.008640391370919825, "architecture": "small", "nothing.such": 1}
    files.append_jsonl(run / "live/sweeps.jsonl", {"sweep": "s-1", "overrides": [], "trial": 1, "point": chosen})
    (recorded,) = sync_runs([run], workspace=place)
    assert client_of(place).get_run(recorded.run_id).info.run_name == "lrate=0.00864 · 0001"
    assert parent_of(place, recorded).info.run_name == "sweep lrate · s-1"


def test_a_copy_of_a_run_of_it_is_no_run_of_it(place: Path) -> None:
    runs = [point(place, 1, 0.003, 1), point(place, 2, 0.003, 2)]
    for run in runs:
        sign(RunDir(run))
    shutil.copytree(runs[1], runs[1].with_name("odalricus-again-0a1b2c3d"))
    recorded = sync_runs(runs, workspace=place)
    assert parent_of(place, recorded[0]).data.tags["htr_exp.runs"] == "2 of 2 runs ended"


def test_its_parent_shows_the_best_run_by_validation_of_those_that_have_ended(place: Path) -> None:
    first, second = point(place, 7, 0.003, 1), point(place, 5, 0.001, 1, state="running")
    recorded = sync_runs([first, second], workspace=place)
    parent = parent_of(place, recorded[0])
    assert (parent.info.status, parent.data.tags["htr_exp.runs"]) == ("RUNNING", "1 of 2 runs ended")
    assert parent.data.tags["htr_exp.best_run"] == first.name
    shutil.rmtree(second)
    second = point(place, 5, 0.001, 1)
    (done,) = sync_runs([second], workspace=place)
    parent = parent_of(place, done)
    assert (parent.info.status, parent.data.tags["htr_exp.runs"]) == ("FINISHED", "2 of 2 runs ended")
    assert parent.data.tags["htr_exp.best_run"] == second.name
    assert (parent.data.metrics["val_cer_percent"], parent.data.metrics["test_cer_percent"]) == (5.0, 12.0)
    assert "Best by validation: **lrate=0.001 · 0005**" in parent.data.tags["mlflow.note.content"]
    (second / "results.json").write_text("{}")  # what no run has made is the best of nothing
    found = Sweeps().of(RunDir(first))
    assert found is not None
    best = found.best()
    assert best is not None
    assert best[0].path == first


def test_what_differs_is_also_the_dataset_or_the_base_model_whatever_file_says_so(place: Path) -> None:
    one, two = point(place, 1, 0.001, 0), point(place, 2, 0.001, 0)
    facts = files.read_json(two / "provenance.json")
    files.write_json(two / "provenance.json", facts | {"model": {"name": "catmus"}})
    sealed(two)
    found = Sweeps().of(RunDir(one))
    assert found is not None
    assert found.name_of(RunDir(one)) == "model=tridis · 0001"
    alone = make_run(place, "alone-1a2b3c4d", sweep="s-2")
    of_one = Sweeps().of(RunDir(alone))
    assert of_one is not None
    assert of_one.name_of(RunDir(alone)) is None  # nothing tells it from others: its folder does
