"""The whole job on real ground truth, with a real base model, as a user would run it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from helpers.real_training import needs_kraken, result, run_to_end

pytestmark = [
    pytest.mark.kraken,
    needs_kraken,
]

SETS = {"demo/alto-hours-sbb25": (17, 237, 5487), "demo/page-foral-santarem-1347": (10, 231, 10782)}


@pytest.mark.slow(minutes=3)
@pytest.mark.filterwarnings("ignore")  # what MLflow's libraries find deprecated in each other
@pytest.mark.parametrize("name", SETS)
def test_a_real_set_is_split_trained_scored_and_recorded(name: str, real_data: Path, tmp_path: Path) -> None:
    run = run_to_end(
        tmp_path, "train", f"dataset.path={real_data}/{name}", f"model.path={real_data}/models/medieval_small.mlmodel",
        "training.quit=fixed", "training.epochs=2", "training.device=cpu",
    )  # fmt: skip
    facts, scores = run.facts(), result(run)
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
    assert scores["test"]["best"]["cer"] < scores["test"]["base"]["cer"]

    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    (recorded,) = client.search_runs(experiments, f"tags.`htr_exp.uuid` = '{facts['run']['uuid']}'")
    assert recorded.data.params["training.batch_size"]
    assert len(client.get_metric_history(recorded.info.run_id, "val_cer")) == 2
    assert "best.mlmodel" in {artifact.path for artifact in client.list_artifacts(recorded.info.run_id)}
