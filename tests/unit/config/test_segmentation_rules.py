"""What is refused of a segmentation before anything starts, and in which words."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import fields, replace
from functools import cache
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from fakes.scenario import BLLA, segmentation_weights
from helpers.findings import program
from helpers.sentences import sentences
from htr_exp.cli.main import main
from htr_exp.config.compose import compose_experiment, compose_sweep
from htr_exp.config.defaults import shipped
from htr_exp.config.rules import NETWORKS, problems
from htr_exp.config.schema import SECTIONS, Experiment, RecognitionTraining, SegmentationTraining, tasks_with
from htr_exp.core.errors import ConfigError
from htr_exp.core.task import RECOGNITION, SEGMENTATION, TASKS, Task, task_of
from htr_exp.pipeline.plan import Plan, make_plan
from htr_exp.pipeline.sources import Sources

Said = Callable[..., list[str]]

LAYOUT = ["dataset=demo", "task=segmentation", "model.path=base.mlmodel"]
TEXT = ["dataset=demo", "model.path=base.mlmodel"]


@cache
def chosen(*choices: str) -> Experiment:
    return compose_experiment(choices).experiment


@pytest.fixture
def said() -> Said:
    """Compose the choices once for all tests, then set the values."""

    def found(*words: str, evaluate: bool = False) -> list[str]:
        values = [word for word in words if "." in word.partition("=")[0]]
        experiment = OmegaConf.structured(chosen(*(word for word in words if word not in values)))
        for key, _, value in (word.partition("=") for word in values):
            OmegaConf.update(experiment, key, None if value == "null" else value)
        made: Experiment = OmegaConf.to_object(experiment)  # type: ignore[assignment]
        return sentences(problems(made, shipped(task_of(made.task.name)), evaluate=evaluate))

    return found


def test_a_plain_segmentation_breaks_no_rule(said: Said) -> None:
    assert said(*LAYOUT) == []
    assert said(*LAYOUT, evaluate=True) == []
    assert said("dataset=demo", "task=segmentation", "model=none", "architecture=kraken_segmentation") == []


OTHERS = {
    "training.line_width": "9", "training.topline": "topline", "training.dice_weight": "0.3", "training.bl_tol": "9.0",
    "scores.best_by": "line_f1", "scores.pictures": "3",
    "training.batch_size": "4", "training.normalization": "NFC", "training.normalize_whitespace": "true",
    "training.legacy_polygons": "true", "scores.pad": "9",
}  # fmt: skip
"""Keys of one task alone, each with a value that neither task has by itself."""


def refused_by_composing(*words: str, config_dirs: tuple[Path, ...] = ()) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        compose_experiment(words, config_dirs)
    return sentences(caught.value)


@pytest.mark.seconds
@pytest.mark.parametrize("key", OTHERS)
def test_a_key_of_the_other_task_is_refused_with_those_that_there_are(key: str) -> None:
    section, _, name = key.partition(".")
    tasks = {"recognition": TEXT, "segmentation": LAYOUT}
    (own,) = tasks_with(key)
    (other,) = (task for task in tasks if task != own.name)
    assert getattr(getattr(compose_experiment([*tasks[own.name], f"{key}={OTHERS[key]}"]).experiment, section), name)
    (problem,) = refused_by_composing(*tasks[other], f"{key}={OTHERS[key]}")
    assert problem.startswith(f"{key}={OTHERS[key]}: task={other} has no {key}; remove it; keys of {section}: ")
    assert {"training": "quit, epochs", "scores": "best_by, pictures" if other == "segmentation" else "pad"}[
        section
    ] in problem
    assert name not in problem.partition("keys of")[2]


@pytest.mark.seconds
def test_all_keys_of_the_other_task_are_refused_at_once() -> None:
    found = refused_by_composing(*LAYOUT, "training.batch_size=4", "training.lrate=0.1", "scores.pad=9")
    assert [problem.partition(":")[0] for problem in found] == ["training.batch_size=4", "scores.pad=9"]


@pytest.mark.seconds
def test_a_key_of_the_other_task_is_refused_in_a_sweep() -> None:
    with pytest.raises(ConfigError) as caught:
        compose_sweep([*LAYOUT, "training.batch_size=4,8"], lambda points: [None] * len(points))
    (problem,) = sentences(caught.value)
    assert problem.startswith("task=segmentation has no training.batch_size; remove it; keys of training: ")


@pytest.mark.seconds
def test_a_file_of_the_users_has_the_keys_of_the_task_without_saying_so(tmp_path: Path) -> None:
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "mine.yaml").write_text("# Mine.\ndefaults: [recognition]\nbatch_size: 4\n")
    (tmp_path / "training" / "thick.yaml").write_text("# Mine, too.\ndefaults: [segmentation]\nline_width: 12\n")
    mine = compose_experiment([*TEXT, "training=mine"], [tmp_path]).experiment.training
    assert isinstance(mine, RecognitionTraining)
    assert mine.batch_size == 4
    thick = compose_experiment([*LAYOUT, "training=thick"], [tmp_path]).experiment.training
    assert isinstance(thick, SegmentationTraining)
    assert thick.line_width == 12
    (problem,) = refused_by_composing(*LAYOUT, "training=mine", "training.lrate=0.1", config_dirs=(tmp_path,))
    assert problem.startswith("training=mine: task=segmentation has no training.batch_size; remove it")


@pytest.mark.parametrize("task", TASKS.values(), ids=str)
def test_an_experiment_has_the_keys_of_its_task_alone(task: Task) -> None:
    values = compose_experiment([*TEXT, f"task={task.name}"]).values
    for section, keys in SECTIONS[task].items():
        assert set(values[section]) == {field.name for field in fields(keys)}
    assert ("classes" in values) is task.learns_layout


def test_recognition_has_no_classes() -> None:
    words = [*TEXT, "classes.lines.A=x", "classes.regions.B=null"]
    experiment = compose_experiment(words).experiment
    found = sentences(problems(experiment, shipped()))
    assert [problem.partition("=")[0] for problem in found] == ["classes.lines", "classes.regions"]
    assert all(problem.endswith("changes nothing with task=recognition; remove it") for problem in found)
    (problem, *_) = sentences(problems(compose_experiment([*TEXT, "classes=blla"]).experiment, shipped()))
    assert problem.startswith("classes.lines=")


BAD = [
    (["training.line_width=0"], "training.line_width=0: it must be at least 1"),
    (["training.bl_tol=-1"], "training.bl_tol=-1.0: it must be at least 0"),
    (["training.dice_weight=-0.1"], "training.dice_weight=-0.1: it must be at least 0"),
    (["scores.pictures=-1"], "scores.pictures=-1: it must be at least 0"),
    (["dataset.characters=table.csv"], "dataset.characters=table.csv changes nothing with task=segmentation"),
    (["architecture=kraken_segmentation"], "architecture=kraken_segmentation: a base model keeps its own network"),
    (["architecture=guide_segmentation"], "architecture=guide_segmentation: a base model keeps its own network"),
    (["training.quit=fixed", "training.epochs=2000"], "training.epochs=2000: these are whole epochs (kraken's -N), not iterations"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "expected"), BAD, ids=[" ".join(words) for words, _ in BAD])
def test_what_cannot_run_is_said_with_the_value_as_typed(words: list[str], expected: str, said: Said) -> None:
    (problem,) = said(*LAYOUT, *words)
    assert expected in problem


@pytest.mark.parametrize("key", ["training.line_width", "training.topline", "scores.best_by", "scores.pictures"])
def test_what_a_segmentation_needs_cannot_be_null(key: str) -> None:
    (problem,) = refused_by_composing(*LAYOUT, f"{key}=null")
    assert problem.startswith(f"{key}=None: field '{key}' is not Optional")


def test_many_epochs_are_fine_where_early_stopping_ends_them(said: Said) -> None:
    assert said(*LAYOUT, "training.epochs=2000") == []
    assert said(*LAYOUT, "training.quit=fixed", "training.epochs=1000") == []


@pytest.mark.parametrize("network", NETWORKS[RECOGNITION])
def test_a_network_for_recognition_is_refused_with_those_there_are(network: str, said: Said) -> None:
    (problem,) = said("dataset=demo", "task=segmentation", "model=none", f"architecture={network}")
    assert problem == (
        f"architecture={network}: it is a network for recognition; with task=segmentation choose "
        "architecture=kraken_segmentation, architecture=guide_segmentation, architecture=small_segmentation"
    )


@pytest.mark.seconds
@pytest.mark.parametrize("network", NETWORKS[SEGMENTATION])
def test_a_network_for_segmentation_is_refused_for_recognition(network: str, said: Said) -> None:
    (problem,) = said("dataset=demo", "model=none", f"architecture={network}")
    assert problem.startswith(f"architecture={network}: it is a network for segmentation; with task=recognition choose")
    assert said("dataset=demo", "task=segmentation", "model=none", f"architecture={network}") == []


def test_from_scratch_one_has_to_choose_a_network_for_segmentation(said: Said) -> None:
    (problem,) = said("dataset=demo", "task=segmentation", "model=none")
    assert problem.startswith("architecture=kraken_default: it is a network for recognition")


@pytest.mark.seconds
def test_a_network_of_ones_own_is_taken_for_either_task(said: Said) -> None:
    own = ["model=none", "architecture=base_model", "architecture.spec=[1,600,0,3 Cr7,7,16,2,2]"]
    assert said("dataset=demo", "task=segmentation", *own) == said("dataset=demo", *own) == []


SEGMENTER = "segmentation_model.path=seg.mlmodel"


@pytest.mark.seconds
def test_a_segmentation_model_is_for_evaluating_a_recogniser_alone(said: Said) -> None:
    assert said(*TEXT, SEGMENTER, evaluate=True) == []
    for words, evaluate in ((TEXT, False), (LAYOUT, False), (LAYOUT, True)):
        (problem,) = said(*words, SEGMENTER, evaluate=evaluate)
        assert problem.startswith(
            "segmentation_model.path=seg.mlmodel changes nothing here: it is for `evaluate model=..."
        )
        assert "task=segmentation model=..." in problem
    (problem,) = said(*TEXT, "segmentation_model=blla")
    assert problem.startswith("segmentation_model=blla changes nothing here")


# The plan


@pytest.fixture
def planned(layout_experiment: list[str]) -> Callable[..., Plan]:
    """Plan the small segmentation, with changes."""
    memory = Sources()

    def make(*changes: str, evaluate: bool = False) -> Plan:
        keys = {change.partition("=")[0] for change in changes}
        words = [word for word in layout_experiment if word.partition("=")[0] not in keys]
        return make_plan(compose_experiment([*words, *changes]), memory, evaluate=evaluate)

    return make


@pytest.fixture
def refused(planned: Callable[..., Plan]) -> Said:
    def found(*changes: str, evaluate: bool = False) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            planned(*changes, evaluate=evaluate)
        return sentences(caught.value)

    return found


def test_a_plan_of_a_segmentation_resolves_everything_and_writes_nothing(
    planned: Callable[..., Plan], workspace: Path
) -> None:
    made = planned()
    assert (len(made.pages), made.dataset.lines, made.name) == (6, 30, "layouts-base_layout")
    assert {side: len(pages) for side, pages in made.split.pages.items()} == {"train": 4, "validation": 1, "test": 1}
    assert made.compiled == {}
    assert made.training_data.facts()["classes"]["numbers"] == {
        "lines": {"DefaultLine": 2, "HeadingLine": 3}, "regions": {"MainZone": 4, "MarginTextZone": 5},
    }  # fmt: skip
    assert [warning.partition(":")[0] for warning in made.warnings] == [
        "base_layout does not know DefaultLine, HeadingLine (lines), MainZone, MarginTextZone (regions)",
        "training.resize=new deletes what base_layout has learnt of default (lines), text (regions)",
    ]
    assert list(workspace.iterdir()) == []


def test_with_the_base_models_own_classes_nothing_is_begun_anew(planned: Callable[..., Plan]) -> None:
    made = planned("classes=blla", "training.resize=fail")
    assert made.warnings == ()
    assert made.training_data.facts()["classes"]["numbers"] == {"lines": {"default": 2}, "regions": {"text": 3}}


def test_what_decides_the_result_of_a_segmentation_is_its_identity(planned: Callable[..., Plan]) -> None:
    others = [
        ["training.line_width=4"], ["training.topline=topline"], ["training.dice_weight=0.3"], ["training.bl_tol=5"],
        ["training.resize=union"], ["scores.best_by=line_f1"], ["scores.pictures=2"], ["classes=blla"],
        ["classes.lines.HeadingLine=null"], ["classes.subtypes=false"], ["seed=2"], ["split.seed=5"],
    ]  # fmt: skip
    keys = [planned().key, *(planned(*words).key for words in others), planned(evaluate=True).key]
    assert len(set(keys)) == len(keys)
    assert planned("name=other").key == planned().key


def test_another_segmentation_model_is_not_part_of_a_trainings_identity(experiment: list[str]) -> None:
    made = make_plan(compose_experiment(experiment))

    def key(section: str, **values: object) -> str:
        changed = made.composed.values | {section: made.composed.values[section] | values}
        return replace(made, composed=replace(made.composed, values=changed)).key

    assert key("segmentation_model", path="x") == made.key
    assert key("training", batch_size=3) != made.key


def test_a_recogniser_is_refused_for_segmentation(refused: Said, base_model: Path) -> None:
    assert refused(f"model.path={base_model}") == [
        f"{base_model} is a recognition model: task=segmentation starts from a segmentation model"
    ]
    assert refused(f"model.path={base_model}", evaluate=True) == [
        f"{base_model} is a recognition model: task=segmentation starts from a segmentation model"
    ]


def test_a_segmenter_is_refused_for_recognition_and_a_recogniser_as_segmenter(
    experiment: list[str], base_model: Path, base_segmenter: Path
) -> None:
    kept = [word for word in experiment if not word.startswith(("model.path", "training.", "split."))]
    with pytest.raises(ConfigError) as caught:
        make_plan(compose_experiment([*experiment[:1], *experiment[2:], f"model.path={base_segmenter}"]))
    assert sentences(caught.value) == [
        f"{base_segmenter} is a segmentation model: task=recognition starts from a recognition model"
    ]
    words = [*kept, f"model.path={base_model}", f"segmentation_model.path={base_model}"]
    with pytest.raises(ConfigError) as caught:
        make_plan(compose_experiment(words), evaluate=True)
    assert sentences(caught.value) == [
        f"{base_model} is a recognition model: segmentation_model is a segmentation model"
    ]


def test_problems_of_classes_are_told_with_all_others(refused: Said) -> None:
    found = refused("training.lrate=0", "training.resize=fail", "training.schedule=cosine", "training.cos_max=0")
    assert [problem.partition(":")[0] for problem in found] == [
        "training.cos_max=0", "training.lrate=0.0", "training.resize=fail",
    ]  # fmt: skip
    (problem,) = refused("classes.lines.HeadingLine=a*b")
    assert problem.startswith("classes.lines.HeadingLine=a*b: kraken takes * for all other classes")


def test_4_3_13_refuses_what_it_cannot_do_of_a_segmentation(refused: Said, fake_kraken4: Path) -> None:
    old = f"runtime.ketos={fake_kraken4}"
    (problem,) = refused(old, "training.resize=union")
    assert problem.startswith("training.resize=union: kraken 4.3.13 fails where the base model has classes")
    (problem,) = refused(old, "training.dice_weight=0.5")
    assert problem.startswith("training.dice_weight=0.5: kraken 4.3.13 cannot do that")


def test_a_model_that_its_union_made_is_refused_where_7_1_would_confuse_it(
    planned: Callable[..., Plan], refused: Said, tmp_path: Path
) -> None:
    mine = tmp_path / "mine.mlmodel"
    both = {"baselines": {"DefaultLine": 2, "HeadingLine": 4}, "regions": {"MainZone": 3, "old": 5}}
    mine.write_bytes(segmentation_weights(both))
    (problem,) = refused(f"model.path={mine}")
    assert problem.startswith("training.resize=new: in mine classes of lines stand behind classes of regions")
    assert planned(f"model.path={mine}", "training.resize=union").base.name == "mine"


def test_pages_without_a_class_to_learn_are_refused(refused: Said) -> None:
    problem, *_ = refused("classes.lines.*=null", "classes.regions.*=null")
    assert problem.startswith("classes: nothing is left to learn")


# The guide's own job


GUIDE = [
    "training.optimizer=Adam", "training.augment=true", "training.workers=64", "training.device=cuda:0", "training.min_epochs=60",
    "training.weight_decay=0", "training.quit=dumb 20", "training.epochs=2000", "training.resize=new",
    "architecture.spec=[1,1200,0,3 Cr7,7,64,2,2 Gn32]", "training.lrate=0.0001", "task=segmentation", "model=blla",
]  # fmt: skip


@pytest.fixture
def blla(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """blla where it is looked for without a kraken on this machine, which has no GPU."""
    smi = program(workspace / "bin", "nvidia-smi", "echo 'No devices were found'")
    monkeypatch.setenv("PATH", f"{smi.parent}:{os.environ['PATH']}")
    (workspace / "kraken").mkdir()
    (workspace / "kraken" / "blla.mlmodel").write_bytes(segmentation_weights(BLLA))


def test_the_guides_own_values_are_refused_with_what_they_really_do(layout_experiment: list[str], blla: None) -> None:
    given = {word.partition("=")[0] for word in GUIDE} | {"model.path"}
    words = [word for word in layout_experiment if word.partition("=")[0] not in given]
    with pytest.raises(ConfigError) as caught:
        make_plan(compose_experiment([*words, *GUIDE]))
    (quits,) = (one for one in sentences(caught.value) if one.startswith("training.quit=dumb 20: "))
    assert "with -N it trains all of these epochs (whole ones" in quits
    assert "drops a number behind it in silence, as a file that is not there" in quits
    assert quits.endswith("to stop 20 epochs after the best, training.quit=early training.lag=20")
    # tell of it together with the rest
    assert sorted(one.partition(":")[0] for one in sentences(caught.value)) == [
        "architecture=[1,1200,0,3 Cr7,7,64,2,2 Gn32]", "training.device=cuda", "training.epochs=2000", "training.quit=dumb 20", "training.workers=64",
    ]  # fmt: skip


def test_the_guides_values_with_a_word_that_there_is_are_refused_all_at_once(
    layout_experiment: list[str], blla: None
) -> None:
    guide = [word if not word.startswith("training.quit") else "training.quit=fixed" for word in GUIDE]
    given = {word.partition("=")[0] for word in guide} | {"model.path"}
    words = [word for word in layout_experiment if word.partition("=")[0] not in given]
    with pytest.raises(ConfigError) as caught:
        make_plan(compose_experiment([*words, *guide]))
    assert sorted(one.partition(";")[0].partition(":")[0] for one in sentences(caught.value)) == [
        "architecture=[1,1200,0,3 Cr7,7,64,2,2 Gn32]", "training.device=cuda", "training.epochs=2000", "training.min_epochs=60 changes nothing with training.quit=fixed",
        "training.workers=64",
    ]  # fmt: skip
    (epochs,) = (one for one in sentences(caught.value) if one.startswith("training.epochs"))
    assert "whole epochs (kraken's -N), not iterations of one" in epochs
    assert "4.3.13 would keep a model of each" in epochs


def test_the_guides_options_are_answered_with_our_words(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "dataset=demo", "task=segmentation", "model=blla", "-q", "dumb", "20", "-N", "2000",
                     "--line-width", "8", "-cl"]) == 2  # fmt: skip
    said = capsys.readouterr().err
    assert "-q dumb 20: kraken 4.3.13's `dumb` never ends without -N" in said
    assert "to stop 20 epochs after the best, training.quit=early training.lag=20" in said
    assert "-N 2000: these are whole epochs" in said
    assert "--line-width 8: write training.line_width=VALUE" in said
    assert "-cl: write training.topline=" in said


def test_the_order_of_patterns_is_part_of_a_segmentations_identity(planned: Callable[..., Plan]) -> None:
    """The first pattern that matches counts: in another order the same patterns may mean other classes."""
    one = planned("classes.lines={Head*: heading, *: default}")
    other = planned("classes.lines={*: default, Head*: heading}")
    assert one.training_data.facts()["classes"]["numbers"] != other.training_data.facts()["classes"]["numbers"]
    assert one.key != other.key
