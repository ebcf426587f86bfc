from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import cast

import pytest
from omegaconf import OmegaConf

from htr_exp.config.compose import compose_experiment
from htr_exp.config.defaults import shipped
from htr_exp.config.rules import problems
from htr_exp.config.schema import Experiment

Said = Callable[..., list[str]]

FINE = ["dataset=demo", "model.path=base.mlmodel"]
SCRATCH = ["dataset=demo", "model=none", "architecture=small"]


@pytest.fixture(scope="module")
def defaults() -> Experiment:
    return shipped()


@cache
def chosen(*choices: str) -> Experiment:
    return compose_experiment(choices).experiment


@pytest.fixture
def said(defaults: Experiment) -> Said:
    """Compose the choices once for all tests, then set the values."""

    def found(*words: str) -> list[str]:
        values = [word for word in words if "." in word.partition("=")[0]]
        experiment = OmegaConf.structured(chosen(*(word for word in words if word not in values)))
        for key, _, value in (word.partition("=") for word in values):
            OmegaConf.update(experiment, key, value)
        changed = cast("Experiment", OmegaConf.to_object(experiment))
        return [str(problem) for problem in problems(changed, defaults)]

    return found


def test_a_plain_experiment_breaks_no_rule(said: Said) -> None:
    assert said(*FINE) == []
    assert said(*SCRATCH) == []


@pytest.mark.parametrize("key", ["workspace", "runs", "cache", "models"])
@pytest.mark.parametrize(
    ("name", "what"), [("a\nb", "a line break"), ("a\x1bb", "control character"), ("a\udce9b", "not UTF-8")]
)
def test_a_folder_whose_name_no_record_can_hold_is_refused(key: str, name: str, what: str, said: Said) -> None:
    found = [problem for problem in said(*FINE, f"site.{key}=/work/{name}") if problem.startswith(f"site.{key}=")]
    assert len(found) == 1
    assert what in found[0]
    assert found[0].isprintable()


@pytest.mark.parametrize("name", ["corpus de l'abbaye", "Éléonore", "a\u202eb", "$HOME", 'a"b', "a;b", "שלום"])
def test_a_folder_may_have_any_other_name(name: str, said: Said) -> None:
    assert said(*FINE, f"site.workspace=/work/{name}") == []


BAD = [
    (["training.epochs=0"], "training.epochs=0: it must be at least 1"),
    (["training.lag=0"], "training.lag=0: it must be at least 1"),
    (["training.batch_size=0"], "training.batch_size=0: it must be at least 1"),
    (["training.min_epochs=-1"], "training.min_epochs=-1: it must be at least 0"),
    (["training.workers=-1"], "training.workers=-1: it must be at least 0"),
    (["training.threads=0"], "training.threads=0: it must be at least 1"),
    (["training.pad=-1"], "training.pad=-1: it must be at least 0"),
    (["training.lrate=0"], "training.lrate=0.0: it must be above 0"),
    (["training.lrate=-1e-3"], "training.lrate=-0.001: it must be above 0"),
    (["training.weight_decay=-1"], "training.weight_decay=-1.0: it must be at least 0"),
    (["training.time_budget_min=0"], "training.time_budget_min=0.0: it must be above 0, or null for no limit"),
    (["training.quit=fixed", "training.leg_epochs=11"], "training.leg_epochs=11: it must be at most 10"),
    (["training.exact=true", "training.leg_epochs=11"], "training.leg_epochs=11: it must be at most 10"),
    (["training.exact=true", "training.leg_epochs=0"], "training.leg_epochs=0: with training.exact=true a killed training begins again at the start of its leg; give 1 to 10, or null"),
    (["training.exact=true", "training.time_budget_min=30"], "training.time_budget_min=30: with training.exact=true no clock may decide the end; use training.epochs, or training.exact=false"),
    (["training.exact=true", "training.schedule=1cycle", "training.quit=fixed", "training.epochs=1", "training.batch_size=1"], "training.schedule=1cycle plans its whole course ahead"),
    (["split.validation=0"], "split.validation=0.0: it is a share of the pages, above 0 and below 1"),
    (["split.test=1"], "split.test=1.0: it is a share of the pages, from 0 (no test set) to below 1"),
    (["split.test=10"], "split.test=10.0: it is a share"),
    (["split.validation=0.5", "split.test=0.5"], "leave nothing to train on"),
    (["launch.jobs=0"], "launch.jobs=0: it must be at least 1"),
    (["scores.pad=-1"], "scores.pad=-1: it must be at least 0"),
    (["model.fetch_timeout_s=0"], "model.fetch_timeout_s=0: it must be at least 1"),
    (["name=a/b"], "name=a/b: it names a folder"),
    (["name=..",], "name=..: it names a folder"),
    (["name='-x'"], "name=-x: it names a folder"),
    (["tracking=server"], "tracking=server needs an address; give tracking.uri=http://HOST:PORT"),
    (["split=lists"], "split=lists needs split.lists.train=FILE and split.lists.validation=FILE"),
    (["split=lists", "split.lists.train=a"], "split=lists needs"),
    (["split=table"], "split=table needs split.table=FILE"),
    (["split.lists.test=a"], "split.lists changes nothing with split.kind=drawn; choose split=lists to use it"),
    (["split.table=a.csv"], "split.table=a.csv changes nothing with split.kind=drawn; choose split=table to use it"),
    (["split.train_pages=0"], "split.train_pages=0: it must be at least 1"),
    (["split=k_fold"], "split=k_fold needs split.fold=1 to 5, or split.fold=all with `train -m` for every one"),
    (["split=leave_one_out"], "split=leave_one_out needs split.fold=FOLDER, or split.fold=all"),
    (["split=k_fold", "split.fold=6"], "split.fold=6: there is no such fold; choose one of 1 to 5 (split.folds), or all"),
    (["split=k_fold", "split.fold=0"], "split.fold=0: there is no such fold; choose one of 1 to 5"),
    (["split=k_fold", "split.fold=1", "split.folds=1"], "split.folds=1: it must be at least 2"),
    (["split=k_fold", "split.fold=1", "split.folds=2", "split.validation=0.5"], "a test fold of 1/2 leave nothing to train on"),
    (["split.fold=2"], "split.fold=2 changes nothing with split.kind=drawn; choose split=k_fold or split=leave_one_out to use it"),
    (["split=by_document"], "split.by=document needs dataset.metadata=FILE, a table with columns page and document; without one"),
    (["split.stratify=hand"], "split.stratify=hand needs dataset.metadata=FILE"),
    (["split=by_folder", "split.stratify=folder"], "split.stratify=folder: it must be something that several groups have in common"),
    (["split.stratify=image"], "split.stratify=image: it must be something"),
    (["training.schedule=1cycle"], "training.schedule=1cycle plans its whole course ahead"),
    (["training.schedule=1cycle", "training.quit=fixed"], "training.schedule=1cycle plans its whole course ahead"),
    (["architecture=small"], "architecture=small: a base model keeps its own network"),
    (["architecture.spec=[1,8,0,1 Cr3,3,4]"], "architecture=[1,8,0,1 Cr3,3,4]: a base model keeps its own network"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "expected"), BAD, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_what_cannot_run_is_said_with_the_value_as_typed(words: list[str], expected: str, said: Said) -> None:
    found = said(*FINE, *words)
    assert [problem for problem in found if expected in problem], found
    assert len(found) == 1


def test_everything_that_cannot_run_is_said_at_once(said: Said) -> None:
    words = ["training.epochs=0", "training.lrate=0", "split.test=2", "launch.jobs=0", "name=a/b", "architecture=small"]
    assert len(said(*FINE, *words)) == len(words)


def test_dataset_and_model_have_to_be_chosen(said: Said) -> None:
    found = said()
    assert [problem.partition(";")[0] for problem in found] == ["dataset is not set", "model is not set"]


def test_from_scratch_has_no_file(said: Said) -> None:
    (problem,) = said(*SCRATCH, "model.path=base.mlmodel")
    assert problem.startswith("model=none trains from scratch; remove model.path")


INERT = [
    ("training.quit=fixed", "lag=5", "training.lag=5 changes nothing with training.quit=fixed; remove it"),
    ("training.quit=fixed", "min_epochs=5", "training.min_epochs=5 changes nothing with training.quit=fixed"),
    ("training.quit=early", "leg_epochs=5", "training.leg_epochs=5 changes nothing with training.quit=early"),
    (
        "training.schedule=reduceonplateau",
        "gamma=0.5",
        "training.gamma=0.5 changes nothing with training.schedule=reduceonplateau",
    ),
    ("training.schedule=constant", "gamma=0.5", "training.gamma=0.5 changes nothing with training.schedule=constant"),
    ("training.schedule=cosine", "step_size=5", "training.step_size=5 changes nothing with training.schedule=cosine"),
    (
        "training.schedule=exponential",
        "cos_max=5",
        "training.cos_max=5 changes nothing with training.schedule=exponential",
    ),
    (
        "training.schedule=step",
        "sched_patience=2",
        "training.sched_patience=2 changes nothing with training.schedule=step",
    ),
    ("training.optimizer=AdamW", "momentum=0.5", "training.momentum=0.5 changes nothing with training.optimizer=AdamW"),
]


@pytest.mark.parametrize(("choice", "word", "expected"), INERT)
def test_a_key_that_would_change_nothing_is_refused(choice: str, word: str, expected: str, said: Said) -> None:
    (problem,) = said(*FINE, choice, f"training.{word}")
    assert problem.startswith(expected)


def test_a_key_of_a_recipe_that_would_change_nothing_is_set_back_by_the_words_to_type(said: Said) -> None:
    (problem,) = said(*FINE, "training=guide", "training.quit=fixed")
    assert problem == "training.min_epochs=20 changes nothing with training.quit=fixed; remove it, or write training.min_epochs=0 where a file sets it"  # fmt: skip
    assert said(*FINE, "training=guide", "training.quit=fixed", "training.min_epochs=0") == []


def test_resize_changes_nothing_from_scratch(said: Said) -> None:
    (problem,) = said(*SCRATCH, "training.resize=fail")
    assert (
        problem
        == "training.resize=fail changes nothing with model=none; remove it, or write training.resize=union where a file sets it"
    )


def test_a_key_left_alone_is_not_refused(said: Said) -> None:
    assert said(*FINE, "training.quit=fixed", "training.lag=10", "training.gamma=0.1") == []


@pytest.mark.parametrize(
    "words",
    [
        ["training.optimizer=SGD", "training.momentum=0.5"],
        ["training.schedule=exponential", "training.gamma=0.5"],
        ["training.schedule=reduceonplateau", "training.sched_patience=2"],
        ["training.schedule=cosine", "training.cos_max=5", "training.cos_min_lr=1e-7"],
        ["training.quit=fixed", "training.leg_epochs=5"],
        ["training.quit=early", "training.lag=5", "training.min_epochs=5"],
        ["training.quit=early", "training.exact=true", "training.leg_epochs=2"],
        ["training.schedule=1cycle", "training.quit=fixed", "training.leg_epochs=0", "training.batch_size=1"],
        ["training.schedule=1cycle", "training.quit=fixed", "training.epochs=10", "training.batch_size=1"],
        ["training.resize=fail"],
        ["split.seed=3", "split.test=0.2"],
        ["split.stratify=folder"],
        ["split.kind=page"],
        ["split=by_hand", "dataset.metadata=pages.csv"],
        ["split=k_fold", "split.fold=5", "split.by=folder", "split.seed=2", "split.validation=0.2"],
        ["split=k_fold", "split.fold=12", "split.folds=12"],
        ["split=leave_one_out", "split.fold=odo", "split.seed=2", "split.validation=0.6"],
        [
            "split=lists",
            "split.lists.train=a",
            "split.lists.validation=b",
            "split.train_pages=4",
            "split.order_seed=2",
            "split.stratify=folder",
        ],
    ],
)
def test_a_key_that_has_an_effect_is_allowed(words: list[str], said: Said) -> None:
    assert said(*FINE, *words) == []


def test_rules_judge_values_and_not_where_they_came_from(defaults: Experiment) -> None:
    experiment: Experiment = compose_experiment(FINE).experiment
    experiment.training = replace(experiment.training, epochs=0)
    assert list(map(str, problems(experiment, defaults))) == ["training.epochs=0: it must be at least 1"]


def test_a_given_split_is_drawn_by_no_seed(said: Said) -> None:
    lists = ["split=lists", "split.lists.train=a", "split.lists.validation=b"]
    assert said(*FINE, *lists) == []
    assert said(*FINE, *lists, "split.seed=3") == [
        "split.seed=3 changes nothing with split=lists; remove it, or write split.seed=0 where a file sets it"
    ]


@pytest.mark.parametrize(
    ("words", "key", "choice"),
    [
        (["split.folds=3"], "split.folds=3", "split.kind=drawn"),
        (["split=lists", "split.lists.train=a", "split.lists.validation=b", "split.by=folder"], "split.by=folder", "split=lists"),
        (["split=table", "split.table=a", "split.stratify=folder"], "split.stratify=folder", "split=table"),
        (["split=k_fold", "split.fold=1", "split.test=0.2"], "split.test=0.2", "split=k_fold"),
        (["split=leave_one_out", "split.fold=a", "split.folds=3"], "split.folds=3", "split=leave_one_out"),
        (["split=leave_one_out", "split.fold=a", "split.test=0.2"], "split.test=0.2", "split=leave_one_out"),
    ],
)  # fmt: skip
def test_a_split_takes_no_key_of_another(words: list[str], key: str, choice: str, said: Said) -> None:
    (problem,) = said(*FINE, *words)
    assert problem.startswith(f"{key} changes nothing with {choice}; remove it")
