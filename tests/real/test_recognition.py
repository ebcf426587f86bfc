"""The whole job on real ground truth, with a real base model, as a user would run it."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from htr_exp.runs.run_dir import RunDir

DATA = os.environ.get("HTR_EXP_REAL_DATA")

pytestmark = [
    pytest.mark.kraken,
    pytest.mark.skipif(DATA is None, reason="real ground truth is not here: set HTR_EXP_REAL_DATA to its folder"),
    pytest.mark.skipif(importlib.util.find_spec("kraken") is None, reason="kraken is not installed: `make install`"),
]

SETS = {"demo/alto-hours-sbb25": (17, 237, 5487), "demo/page-foral-santarem-1347": (10, 231, 10782)}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # what MLflow's libraries find deprecated in each other
@pytest.mark.parametrize("name", SETS)
def test_a_real_set_is_split_trained_scored_and_recorded(name: str, tmp_path: Path) -> None:
    said = subprocess.run(
        [
            sys.executable, "-m", "htr_exp", "train", "--json", f"dataset.path={DATA}/{name}", f"model.path={DATA}/models/medieval_small.mlmodel",
            "training.quit=fixed", "training.epochs=3", "training.device=cpu",
        ],
        cwd=tmp_path, capture_output=True, text=True, timeout=1500, check=False,
    )  # fmt: skip
    assert said.returncode == 0, said.stdout + said.stderr
    run = RunDir(Path(json.loads(said.stdout.splitlines()[-1])["run"]))
    facts, result = run.facts(), run.result()
    split = json.loads(run.split.read_text(encoding="utf-8"))
    pages, lines, characters = SETS[name]
    assert (facts["dataset"]["pages"], facts["dataset"]["lines"], facts["dataset"]["characters"]) == (
        pages,
        lines,
        characters,
    )
    sides = [{page["page"] for page in split[side]} for side in ("train", "validation", "test")]
    assert sum(len(side) for side in sides) == len(set.union(*sides)) == pages
    assert sum(page["lines"] for side in split.values() for page in side) == lines
    assert result is not None
    assert result["test"]["best"]["cer"] < result["test"]["base"]["cer"]

    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    (recorded,) = client.search_runs(experiments, f"tags.`htr_exp.uuid` = '{facts['run']['uuid']}'")
    assert recorded.data.params["training.batch_size"]
    assert len(client.get_metric_history(recorded.info.run_id, "val_cer")) == 3
    assert "best.mlmodel" in {artifact.path for artifact in client.list_artifacts(recorded.info.run_id)}
