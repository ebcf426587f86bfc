"""The sealed test with a real kraken: a search of two trials that validation chooses between, and one opening."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from helpers.folders import DEMO
from helpers.real_pages import demo_pages
from helpers.real_training import command, needs_kraken, result
from htr_exp.core.files import read_jsonl
from htr_exp.runs.rows import row_of, to_minimise
from htr_exp.runs.run_dir import RunDir
from htr_exp.runs.scorings import ledger_of

pytestmark = [
    pytest.mark.kraken,
    pytest.mark.slow(minutes=3),
    needs_kraken,
]


def said(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*words), cwd=place, capture_output=True, text=True, timeout=1800, check=False)


def test_of_a_search_the_trial_that_validation_chose_is_the_only_one_that_is_scored_on_the_test(tmp_path: Path) -> None:
    demo_pages(tmp_path / "pages")
    trained = said(
        tmp_path, "train", "-m", "dataset.path=pages", f"model.path={DEMO / 'base.mlmodel'}", "scores.test=final",
        "question=which_rate", "launch/search=optuna", "launch.search.trials=2", "training.lrate=tag(log, interval(1e-3,1e-2))",
        "training.quit=fixed", "training.epochs=1", "training.device=cpu", "tracking=none", "--json",
    )  # fmt: skip
    assert trained.returncode == 0, trained.stderr
    trials = json.loads(trained.stdout.strip().splitlines()[-1])
    assert [(one["trial"], one["state"]) for one in trials] == [(1, "done"), (2, "done")]
    runs = [RunDir(Path(one["run"])) for one in trials]
    assert [run.training_settings()["lrate"] for run in runs] == [one["point"]["training.lrate"] for one in trials]
    validated = [result(run)["validation"]["best"] for run in runs]
    assert [one["val"] for one in trials] == [of["cer"] for of in validated]
    assert [result(run)["test"] for run in runs] == [{"base": None, "best": None}] * 2
    assert not ledger_of(tmp_path / "runs").exists()
    best, other = sorted(runs, key=lambda run: to_minimise(row_of(run)) or 0.0)

    opened = said(tmp_path, "test", *(run.name for run in runs))
    assert opened.returncode == 0, opened.stderr
    assert f"opens the test for {best.name}, chosen among 2 runs by validation" in opened.stdout
    scores = result(best)["test"]
    assert scores["base"] is not None
    assert scores["best"] is not None
    assert scores["best"]["cer"] < scores["base"]["cer"]
    assert result(other)["test"] == {"base": None, "best": None}
    assert [line["run"] for line in read_jsonl(ledger_of(tmp_path / "runs"))] == [best.name]
    (row,) = json.loads(said(tmp_path, "compare", "--json", best.name).stdout)
    assert (row["state"], row["seals"], row["opening"]["trials"]) == ("done", "ok", 2)
