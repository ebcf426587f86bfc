from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import zipfile
from dataclasses import fields
from pathlib import Path
from typing import get_type_hints

import pytest
import yaml

from helpers.sentences import sentences
from htr_exp.config.choices import NESTED, conf_dir, options
from htr_exp.config.compose import Composed, compose_experiment, compose_sweep
from htr_exp.config.defaults import shipped
from htr_exp.config.overrides import word_problems
from htr_exp.config.rules import problems
from htr_exp.config.schema import CHOICES, SECTIONS, Experiment, Search
from htr_exp.core.task import RECOGNITION, SEGMENTATION, TASKS, Task, task_of
from htr_exp.runs.configuration import flat

FILES = sorted(conf_dir().glob("**/*.yaml"))
CHOICE_FILES = sorted(conf_dir().glob("*/*.yaml"))
GROUPS = {field.name for field in fields(Experiment)} & {file.parent.name for file in CHOICE_FILES}


def named(file: Path) -> str:
    return file.relative_to(conf_dir()).as_posix()


def defaults() -> dict[str, str]:
    """Group -> choice as config.yaml lists them."""
    entries = yaml.safe_load((conf_dir() / "config.yaml").read_text(encoding="utf-8"))["defaults"]
    found = {group: choice for entry in entries if isinstance(entry, dict) for group, choice in entry.items()}
    return {group: str(choice).replace("${task}", found["task"]) for group, choice in found.items() if group in GROUPS}


@pytest.mark.parametrize("file", [file for file in CHOICE_FILES if file.parent.name != "experiment"], ids=named)
def test_every_choice_composes_and_breaks_no_rule(file: Path, workspace: Path) -> None:
    group = file.parent.name
    from_scratch = group == "architecture" and file.stem != "base_model"
    model = [] if group == "model" else ["model=none"] if from_scratch else ["model=blla"]
    layout = "segmentation" in file.stem or group == "classes"
    task = [f"task={'segmentation' if layout else 'recognition'}"] * (group != "task")
    composed = compose_experiment(["dataset=demo", *model, *task, f"{group}={file.stem}"])
    assert isinstance(composed.experiment, Experiment)
    assert sentences(word_problems(composed.values)) == []
    user_s = ("split=", "split.fold: split=", "split.by=", "tracking=server needs", "model is not set", "model=none needs", "dataset is not set", "slurm.partition is not set", "slurm.time_min is not set")  # fmt: skip
    said = sentences(
        problems(
            composed.experiment,
            shipped(task_of(composed.experiment.task.name)),
            evaluate=group == "segmentation_model",
        )
    )
    assert [problem for problem in said if not problem.startswith(user_s)] == []


@pytest.mark.parametrize("file", sorted(conf_dir().glob("experiment/*.yaml")), ids=named)
def test_every_experiment_composes_all_its_points(file: Path, workspace: Path) -> None:
    points: list[Composed] = []
    own = {"base_models": [], "architectures": [], "cross": ["split.run=last"]}
    words = [f"experiment={file.stem}", "dataset=demo", *own.get(file.stem, ["model=blla"])]

    def keep(found: list[Composed]) -> list[None]:
        points.extend(found)
        return [None] * len(found)

    compose_sweep(words, keep)
    assert len({str(point.values) for point in points}) == len(points)
    assert len(points) > 1 or points[0].experiment.split.fold == "all"  # the plan makes one of each fold
    assert {point.experiment.question for point in points} == {file.stem}
    for point in points:
        assert sentences(problems(point.experiment, shipped())) == []


@pytest.mark.parametrize("file", FILES, ids=named)
def test_every_file_begins_with_a_sentence(file: Path) -> None:
    lines = file.read_text(encoding="utf-8").splitlines()
    first = lines[1] if lines[0].startswith("# @package") else lines[0]
    assert first.startswith("# ")
    assert first[2].isupper() or first.startswith(("# kraken", f"# {file.stem}"))
    assert len(first.split()) > 2


def test_every_group_of_the_schema_has_a_default() -> None:
    nested = {
        field.name
        for field in fields(Experiment)
        if hasattr(get_type_hints(Experiment)[field.name], "__dataclass_fields__")
    }
    assert set(defaults()) == nested == GROUPS


@pytest.mark.parametrize("task", TASKS.values(), ids=str)
@pytest.mark.parametrize("group", sorted(GROUPS))
def test_every_key_of_the_schema_stands_in_conf(group: str, task: Task) -> None:
    own = SECTIONS[task].get(group)
    file = conf_dir() / group / f"{task.name if own else defaults()[group]}.yaml"
    written = yaml.safe_load(file.read_text(encoding="utf-8"))
    within = {nested.rpartition("/")[2] for nested in NESTED if nested.startswith(f"{group}/")}
    keys = {field.name for field in fields(own or get_type_hints(Experiment)[group])}
    assert set(written) == keys - within


@pytest.mark.parametrize("file", sorted(conf_dir().glob("launch/search/*.yaml")), ids=named)
def test_every_key_of_a_search_stands_in_conf(file: Path) -> None:
    assert set(yaml.safe_load(file.read_text(encoding="utf-8"))) == {field.name for field in fields(Search)}


def test_every_key_of_an_experiment_itself_stands_in_config_yaml() -> None:
    written = yaml.safe_load((conf_dir() / "config.yaml").read_text(encoding="utf-8"))
    keys = {field.name for field in fields(Experiment)} - GROUPS
    assert set(written) - {"defaults", "hydra"} == keys


def test_keys_that_take_words_are_keys_of_the_schema(workspace: Path) -> None:
    of_tasks = [compose_experiment([f"task={name}"]).values for name in TASKS]
    known = {key for values in of_tasks for key in flat(values)}
    assert set(CHOICES) <= known


@pytest.mark.parametrize(
    ("task", "own"),
    [
        pytest.param(RECOGNITION, {"normalization"}, id="recognition"),
        pytest.param(SEGMENTATION, {"dice_weight", "bl_tol"}, id="segmentation"),
    ],
)
def test_no_value_that_kraken_gets_stands_in_the_schema(task: Task, own: set[str]) -> None:
    """A default in code would be a second place to look for it."""
    missing = {field.name for field in fields(SECTIONS[task]["training"]) if field.default != "???"}
    # null in conf/, which says what null means
    assert missing == {"time_budget_min", "leg_epochs", "gradient_clip_val", "workers"} | own


def test_the_wheel_contains_conf(tmp_path: Path) -> None:
    root = conf_dir().parent
    if not (root / "pyproject.toml").is_file() or importlib.util.find_spec("hatchling") is None:
        pytest.skip("needs a checkout and the build backend: pip install hatchling")
    code = f"from hatchling.build import build_wheel; print(build_wheel({str(tmp_path)!r}))"
    environment = os.environ | {"PYTHONWARNINGS": "ignore"}
    subprocess.run([sys.executable, "-c", code], cwd=root, env=environment, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    inside = set(zipfile.ZipFile(wheel).namelist())
    assert {f"htr_exp/conf/{named(file)}" for file in FILES} <= inside
    assert {"hydra_plugins/htr_exp_sweep/__init__.py", "htr_exp/demo/pages/fol_001r.xml"} <= inside
    assert "hydra_plugins/__init__.py" not in inside  # a namespace that other packages add to


def test_only_regular_files_are_choices(tmp_path: Path) -> None:
    group = tmp_path / "dataset"
    (group / "a.yaml").mkdir(parents=True)
    os.mkfifo(group / "b.yaml")
    (group / "c.yaml").write_text("# Mine.\n")
    (group / "d.yaml").symlink_to("c.yaml")
    found = options([tmp_path])["dataset"]
    assert {"a", "b"}.isdisjoint(found)
    assert found["c"] == found["d"] == "Mine."
