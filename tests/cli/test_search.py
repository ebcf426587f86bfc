"""A search over values: ordinary runs, chosen by their validation scores; what cannot be is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.fake_kraken import Scenario
from helpers.in_process import Call
from htr_exp.cli.search_table import final_words
from htr_exp.runs.run_dir import RunDir
from htr_exp.runs.selection import runs_in

LRATE = "training.lrate=tag(log,interval(1e-4,1e-2))"
SEARCH = ["train", "-m", "launch/search=optuna", LRATE]


def trials(workspace: Path) -> dict[int, RunDir]:
    """The runs of a search by the numbers of their trials."""
    runs = runs_in(workspace / "runs")
    return {member["trial"]: run for run in runs for member in run.memberships if "trial" in member}


@pytest.fixture
def few(experiment: list[str]) -> list[str]:
    """The words of the small experiment with one epoch."""
    return [*(word for word in experiment if not word.startswith("training.epochs")), "training.epochs=1"]


def test_a_search_is_ordinary_runs_and_the_same_words_go_on_with_it(
    call: Call, few: list[str], workspace: Path, scenario: Scenario
) -> None:
    one = call(*SEARCH, *few, "launch.search.trials=1", "--json")
    assert one.code == 0, one.err
    (told,) = one.json
    assert (told["trial"], told["state"], told["metric"]) == (1, "done", "cer")
    assert 1e-4 <= told["point"]["training.lrate"] <= 1e-2

    trained = len(scenario.calls("train"))
    said = call(*SEARCH, *few, "launch.search.trials=2")
    assert said.code == 0, said.err
    assert len(scenario.calls("train")) == trained + 1
    runs = trials(workspace)
    assert sorted(runs) == [1, 2]
    assert str(runs[1].path) == told["run"]
    (search,) = {member["sweep"] for run in runs.values() for member in run.memberships}
    for part in (f"search {search}: 2 trials, 1 at a time", "It goes on: 1 trial so far, 1 done", "scores of the test pages choose nothing",
                 "trial 2 of 2, lrate=", "the best: trial ", "seed=2,3"):  # fmt: skip
        assert part in said.out
    for number, run in runs.items():
        rate = run.training_settings()["lrate"]
        assert str(rate) in [argv[argv.index("-r") + 1] for argv in scenario.calls("train")]
        assert next(m["point"] for m in run.memberships if m.get("trial") == number) == {"training.lrate": rate}

    again = call(*SEARCH, *few, "launch.search.trials=2", "--json")
    assert [row["run"] for row in again.json] == [str(runs[number].path) for number in (1, 2)]
    assert len(scenario.calls("train")) == trained + 1


def test_failed_trials_are_told_and_tried_again_by_the_same_words(
    call: Call, few: list[str], workspace: Path, scenario: Scenario
) -> None:
    scenario.play(fail="train", message="RuntimeError: no such luck")
    words = [*SEARCH, *few, "launch.search.trials=9", "launch.search.at_a_time=3"]
    said = call(*words)
    assert said.code == 1
    assert "no such luck" in said.out
    assert "no trial has a score" in said.out
    before = trials(workspace)
    assert sorted(before) == [1, 2, 3], "it does not go on where nothing can be trained"
    assert {run.state().state for run in before.values()} == {"failed"}

    scenario.play()
    again = call(*words[:-2], "launch.search.trials=3", "launch.search.at_a_time=3", "--json")
    assert again.code == 0, again.err
    assert {row["trial"]: row["run"] for row in again.json} == {n: str(run.path) for n, run in before.items()}
    assert {row["state"] for row in again.json} == {"done"}


def test_the_ends_of_the_space_are_checked_before_the_first_trial(
    call: Call, few: list[str], workspace: Path, scenario: Scenario
) -> None:
    said = call(*SEARCH[:3], "training.lrate=interval(-1,1)", *few)
    assert said.code == 2
    assert "training.lrate=-1.0: it must be above 0" in said.err
    assert not (workspace / "runs").exists()


def test_a_dry_run_shows_the_space_and_starts_nothing(call: Call, few: list[str], workspace: Path) -> None:
    said = call(*SEARCH, *few, "training.augment=choice(true,false)", "--dry-run")
    assert said.code == 0, said.err
    assert "a search: 20 trials, 1 at a time" in said.out
    assert "0.0001 to 0.01, logarithmic" in said.out
    assert "4 runs:" in said.out
    assert not (workspace / "runs").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("train launch/search=optuna", "write `train -m ...`"),
        ("evaluate launch/search=optuna", "`evaluate` trains nothing"),
        (f"train -m {LRATE}", "add launch/search=optuna"),
        ("train -m seed=1,2 hydra/sweeper=optuna", "launch/search=optuna"),
        ("train -m seed=1,2 hydra.sweeper.n_trials=9", "launch.search.trials=NUMBER"),
        ("train -m seed=1,2 hydra.sweeper.direction=maximize", "best validation score"),
        ("train -m seed=1,2 hydra/sweeper/sampler=tpe", "launch.search.sampler=tpe"),
        ("train launch.search.trials=9", "add launch/search=optuna"),
        (f"train -m launch/search=optuna {LRATE} launch.jobs=2", "use launch.search.at_a_time=2"),
        (f"train -m launch/search=optuna {LRATE} launch.wait=true", "always waits"),
        (f"train -m launch/search=optuna {LRATE} again=true", "launch.search.seed=NUMBER makes another search"),
        (f"train -m launch/search=optuna {LRATE} launch.search.trials=0", "it must be at least 1"),
        (f"train -m launch/search=optuna {LRATE} split=k_fold split.fold=all", "name one fold"),
        (f"train -m launch/search=optuna {LRATE} launch.search.sampler=grid", "choose one of tpe, random"),
        (
            f"train -m launch/search=optuna {LRATE} launch.search.sampler=random launch.search.startup_trials=3",
            "launch.search.startup_trials=3 changes nothing",
        ),
    ],
)
def test_what_cannot_be_is_refused_by_name(words: str, said: str, call: Call, few: list[str], workspace: Path) -> None:
    verb, *rest = words.split()
    given = [word for word in few if verb == "train" or not word.startswith(("training.", "split."))]
    found = call(verb, *rest, *given)
    assert found.code == 2, found.out
    assert said in found.err
    assert not (workspace / "runs").exists()


def test_the_words_for_a_final_run_are_the_best_point_with_other_seeds() -> None:
    point = {"training.lrate": 0.002, "model": "tridis"}
    words = ["dataset=a b", "launch/search=optuna", "launch.search.trials=9", LRATE, "model=tridis,none", "seed=7"]
    assert final_words(point, words).endswith(" train -m 'dataset=a b' training.lrate=0.002 model=tridis seed=8,9")
    assert final_words(point, ["experiment=mine"]).endswith(
        " train -m experiment=mine launch/search=none training.lrate=0.002 model=tridis seed=2,3"
    )
