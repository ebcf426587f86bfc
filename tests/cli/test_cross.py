"""`evaluate -m`: every model on every test; a run stands for its model and for its test pages."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from helpers.one_training import User
from htr_exp.runs.run_dir import RunDir

CROSS = ("evaluate", "-m", "experiment=cross")


@pytest.fixture
def words(user: User) -> list[str]:
    """What the machine needs, and the base model under a name."""
    folder = Path("conf/model")
    folder.mkdir(parents=True)
    (folder / "base.yaml").write_text(f"# Mine.\ndefaults: [file]\nname: base\npath: {user.made.base}\n")
    return [word for word in user.made.words if word.startswith(("runtime.", "tracking", "training.device"))]


def test_each_model_is_scored_on_the_test_pages_of_the_run(user: User, words: list[str]) -> None:
    run: RunDir = user.first
    said = user.call(*CROSS, *words, f"model=base,{run.name}", f"split.run={run.name}")
    assert said.code == 0, said.err
    assert f"pages of {run.facts()['dataset']['name']}" in said.out
    rows = user.call("compare", "--json", "cross").json
    assert {row["base_model"] for row in rows} == {"base", run.name}
    assert {row["test_digest"] for row in rows} == {run.facts()["split"]["test_digest"]}
    assert {row["test_cer"] for row in rows} == {
        run.final_result()["test"][model]["cer"] for model in ("base", "best")
    }  # fmt: skip
    assert f"model={run.name}" in user.call("compare", "cross").out


def test_a_model_that_learnt_from_the_pages_is_refused(user: User, words: list[str]) -> None:
    said = user.call(
        *CROSS, *words, f"model=base,{user.first.name}", f"dataset.path={user.made.pages}", "split=by_page", "--dry-run"
    )
    assert said.code == 2
    assert "base_model" in said.err


def test_the_runs_of_a_sweep_over_folders_are_told_apart_by_them(user: User, words: list[str], tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(user.made.pages, other)
    min(other.glob("*.xml")).unlink()
    datasets = (f"dataset.path={user.made.pages},{other}", "split=by_page", "model=base", "leakage.accept=[base_model]")
    planned = user.call(*CROSS, *words, *datasets, "--dry-run")
    assert planned.code == 0, planned.err
    done = user.call(*CROSS, *words, *datasets)
    assert done.code == 0, done.err
    for said in (planned.out, done.out):
        assert [line.split()[1] for line in said.splitlines() if line.startswith(("1  ", "2  "))] == [
            f"dataset={user.made.pages.name}", "dataset=other",
        ]  # fmt: skip
    assert "run 2 of 2, dataset=other: " in done.out
    assert [line.split()[0] for line in done.out.splitlines() if line.startswith("  test CER")] == ["test"] * 2


def test_a_run_that_is_not_there_and_a_key_that_the_run_decides_are_refused(user: User, words: list[str]) -> None:
    said = user.call(*CROSS, *words, "model=base", "split.run=nobody", "--dry-run")
    assert said.code == 2
    assert "nobody" in said.err
    assert "dataset is not set" not in said.err
    said = user.call(
        *CROSS, *words, "model=base", f"split.run={user.first.name}", "dataset.text_equiv=first", "--dry-run"
    )
    assert said.code == 2
    assert "dataset.text_equiv=first changes nothing" in said.err


def test_a_search_is_for_training(user: User, words: list[str]) -> None:
    said = user.call(
        *CROSS, *words, "launch/search=optuna", "model=base", "split.run=last", "training.lrate=interval(1e-4,1e-3)"
    )
    assert said.code == 2
    assert "`evaluate` trains nothing" in said.err


def test_a_training_starts_from_the_model_of_a_run(user: User) -> None:
    kept = [word for word in user.made.words if not word.startswith("model.")]
    said = user.call(
        "train",
        *kept,
        f"model={user.first.name}",
        "split=of_run",
        f"split.run={user.first.name}",
        "--dry-run",
        "--json",
    )
    assert said.code == 0, said.err
    assert user.first.name in json.dumps(said.json["run"])
