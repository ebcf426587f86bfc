"""What users of Hydra are used to type: it works, or is refused by name with the words to type instead."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from helpers.in_process import Call
from htr_exp.config.choices import conf_dir, options
from htr_exp.config.key_meanings import keys_of, read
from htr_exp.config.misread_words import types_of_keys

DEMO = "dataset=demo model=demo"


def test_cfg_job_prints_the_configuration_and_ends(call: Call, workspace: Path) -> None:
    said = call("train", *DEMO.split(), "training.epochs=7", "--cfg", "job")
    shown = yaml.safe_load(said.out)
    assert (said.code, said.err) == (0, "")
    assert (shown["training"]["epochs"], shown["dataset"]["path"]) == (7, "${packaged:demo/pages}")
    assert "hydra" not in shown
    assert list(workspace.iterdir()) == []


def test_resolve_fills_in_and_package_shows_a_part(call: Call, workspace: Path) -> None:
    said = call("evaluate", *DEMO.split(), "--cfg", "job", "--resolve", "--package", "dataset")
    assert said.code == 0
    assert Path(yaml.safe_load(said.out)["path"]).is_dir()
    assert call("train", "--cfg", "job", "--package", "dataset.name", "dataset=demo").out == "demo\n"


def test_cfg_shows_hydras_own_settings(call: Call, workspace: Path) -> None:
    assert set(yaml.safe_load(call("train", "--cfg", "hydra").out)) == {"hydra"}


@pytest.mark.parametrize(
    ("what", "part"),
    [("searchpath", str(conf_dir())), ("defaults", "dataset/demo"), ("defaults-tree", "dataset: demo")],
)
def test_info_says_where_the_configuration_comes_from(what: str, part: str, call: Call, workspace: Path) -> None:
    said = call("train", "--info", what, "dataset=demo")
    assert (said.code, said.err) == (0, "")
    assert part in said.out


def test_verbose_says_it_first_and_goes_on(call: Call, fake_kraken: Path, workspace: Path) -> None:
    words = ["train", "--dry-run", *DEMO.split(), f"runtime.ketos={fake_kraken}"]
    plain = call(*words)
    said = call(*words, "hydra.verbose=true")
    assert (said.code, said.out) == (0, plain.out)
    assert "Defaults List" in said.err
    assert "Defaults List" not in call(*words, "hydra.verbose=false").err


def test_hydra_help_says_what_there_is_and_what_not(call: Call) -> None:
    said = call("train", "--hydra-help")
    assert said.code == 0
    for part in ("--cfg job", "--resolve", "--info", "++KEY=VALUE", "hydra.run...", "name=NAME", "--config-dir"):
        assert part in said.out


def test_two_pluses_change_a_key_and_one_adds_to_a_dictionary(call: Call, workspace: Path) -> None:
    words = ["++training.epochs=2", "+slurm.extra.reservation=a", "slurm=publicgpu", "task=segmentation", "+classes.lines.Note=null"]  # fmt: skip
    shown = yaml.safe_load(call("train", "--cfg", "job", *words).out)
    assert shown["training"]["epochs"] == 2
    assert shown["slurm"]["extra"] == {"reservation": "a"}
    assert shown["classes"]["lines"] == {"Note": None}


REFUSED = {
    "hydra.run.dir=x": "name=NAME, and site.runs=FOLDER",
    "-m hydra.sweep.dir=x": "name=NAME, and site.runs=FOLDER",
    "+hydra.run.dir=x": "site.runs=FOLDER",
    "++hydra.sweep.subdir=x": "site.runs=FOLDER",
    "hydra.output_subdir=null": "experiment.yaml",
    "hydra.job.chdir=true": "name=NAME names a run",
    "hydra.job.name=x": "name=NAME names a run",
    "hydra.mode=MULTIRUN": "`train -m` a sweep",
    "hydra.searchpath=[file://x]": "--config-dir FOLDER",
    "hydra/launcher=submitit_slurm": "slurm=CHOICE submits runs",
    "hydra.launcher.n_jobs=2": "launch.jobs=NUMBER",
    "hydra/job_logging=default": "`logs RUN` shows it",
    "hydra/hydra_logging=disabled": "`logs RUN` shows it",
    "hydra.verbose=[NAME]": "write hydra.verbose=true",
    "~hydra.verbose": "write hydra.verbose=true",
    "hydra.nothing=1": "--hydra-help says",
    "hydra=x": "--hydra-help says",
    "+seed=1": "write seed=1",
    "+training.lrate=0,1": "write training.lrate=0.1",
    "+training.foo=1": "there is no key `foo` in training",
    "++epochs=3": "write training.epochs=3",
    "~training.lrate": "write training.lrate=null",
    "~training.epochs": "write training.epochs=VALUE",
    "~slurm": "write slurm=none",
    "~dataset": "write dataset=CHOICE",
    "+experiment=learning_rate": "write experiment=learning_rate",
    "--resolve": "write --cfg job --resolve",
    "--package dataset": "write --cfg job --package dataset",
    "-m --cfg job": "`train -m --dry-run` shows the points",
    "--info --cfg job": "--cfg and --info: choose one",
    "--cfg job --package nothing": "--package nothing: there is no such group or key",
    "--cfg job modle=none": "did you mean model?",
    "--config-name x": "experiment=NAME",
    "-cp x": "--config-dir FOLDER",
    "--run": "without -m one run is made",
    "--shell-completion install=bash": "completion bash",
    "--experimental-rerun x": "resume RUN",
}
"""What is typed, and a part of the answer."""


@pytest.mark.parametrize("typed", REFUSED)
def test_what_cannot_be_is_refused_by_name(typed: str, call: Call, workspace: Path) -> None:
    said = call("train", "--dry-run", *DEMO.split(), *typed.split())
    assert said.code == 2
    assert REFUSED[typed] in said.err
    assert list(workspace.iterdir()) == []


def test_options_of_a_group_list_its_keys_with_meaning_and_default(call: Call, workspace: Path) -> None:
    said = call("options", "training")
    assert said.code == 0
    for part in ("training=recognition:", "training.lrate", "0.0002", "largest number of epochs"):
        assert part in " ".join(said.out.split())
    told = {(row["key"], row["choice"]): row for row in call("options", "training", "--json").json}
    assert told["training.epochs", "segmentation"]["default"] == "50"
    assert "batch" not in {key for key, _ in told}
    assert [row["key"] for row in call("options", "epochs", "--json").json] == ["training.epochs"] * 2
    assert [row["key"] for row in call("options", "seed", "--json").json] == ["seed"]


def test_options_of_nothing_are_an_error(call: Call, workspace: Path) -> None:
    said = call("options", "trainign", "zzz")
    assert said.code == 2
    assert "trainign: there is no such group or key (did you mean training?)" in said.err
    assert "zzz: there is no such group or key" in said.err


def test_every_key_has_a_meaning_in_conf(workspace: Path) -> None:
    groups = ["", *(group for group in options() if group != "experiment")]
    told = [key for group in groups for keys in keys_of(group).values() for key in keys]
    assert {key.key for key in told if not key.meaning} == set()
    assert {key.rpartition(".lists.")[0] + ".lists" if ".lists." in key else key for key in types_of_keys()} == {
        key.key for key in told
    }


def test_the_meaning_of_a_key_is_the_comment_behind_it_or_above(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(
        '# A file.\ndefaults: [b]\nx: "#1" # one: two # three\n# Of y.\ny: {a: 1}\nz: null\nl: # Of l.\n  - a b # row\n  - c\n'
    )
    assert [(key.key, key.default, key.meaning) for key in read(file, "g.")] == [
        ("g.x", '"#1"', "one: two # three"),
        ("g.y", "{a: 1}", "Of y."),
        ("g.z", "null", ""),
        ("g.l", "a b, c", "Of l."),
    ]


@pytest.fixture
def planned(call: Call, experiment: list[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    """Plan the small experiment where there is no Slurm."""
    without = [folder for folder in os.environ["PATH"].split(":") if not (Path(folder) / "sbatch").exists()]
    monkeypatch.setenv("PATH", ":".join(without))
    return lambda *words: call("train", "--dry-run", *experiment, *words)


def test_a_dry_run_needs_no_slurm(planned: Call, call: Call, experiment: list[str], workspace: Path) -> None:
    said = planned("slurm=publicgpu", "training.device=auto")
    assert said.code == 0
    assert "slurm=publicgpu: not verified here" in " ".join(said.out.split())
    assert "#SBATCH --partition=publicgpu" in said.out
    assert planned("slurm=publicgpu", "--json").json["warnings"][0].startswith("slurm=publicgpu: not verified here")
    assert "there is no sbatch here" in call("train", *experiment, "slurm=publicgpu").err
    assert list(workspace.iterdir()) == []


def test_a_plan_for_programs_is_whole(planned: Call) -> None:
    told = planned("--json").json
    assert told["dataset"]["pages"] == 6
    assert [len(told["split"][side]) for side in ("train", "validation", "test")] == [4, 1, 1]
    assert told["split"]["test"][0].endswith(".xml")
    assert told["split"]["lines"] == {"train": 12, "validation": 3, "test": 3}
    assert (told["kraken"]["version"], told["kraken"]["device"], told["base_model"]["name"]) == ("7.1.1", "cpu", "base")
    assert told["configuration"]["training"]["epochs"] == 3
    assert told["commands"].startswith("#!/bin/sh")
    assert told["run"].endswith(told["key"][:8])
    assert told["learning_rate"] > 0


def test_a_dry_run_of_several_points_is_a_table_and_one_example(planned: Call) -> None:
    said = planned("-m", "seed=1,2,3", "training.lrate=1e-3,1e-4")
    assert said.code == 0
    for part in ("6 runs:", "lrate=0.001 seed=1", "lrate=0.0001 seed=3"):
        assert part in said.out
    assert said.out.count("#!/bin/sh") == 1
    assert said.out.count("\nbase model ") == 1
