"""What conf/ of the current directory may set, and what not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from htr_exp.config.choices import overlays
from htr_exp.config.compose import Composed, compose_experiment, compose_sweep
from htr_exp.core.errors import ConfigError


@pytest.fixture(autouse=True)
def stand_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put(name: str, text: str) -> None:
    path = Path("conf") / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"# A file of this folder.\n{text}\n")


def refused(*words: str, sweep: bool = False, config_dir: str | None = None) -> list[str]:
    """What is said; nothing was launched then."""

    def launch(points: list[Composed]) -> list[Any]:
        raise AssertionError("launched")

    def compose() -> None:
        if sweep:
            compose_sweep(words, launch, overlays(config_dir))
        else:
            compose_experiment(words, overlays(config_dir))

    with pytest.raises(ConfigError) as raised:
        compose()
    return list(map(str, raised.value.problems))


EVIL = "{_target_: builtins.open, file: ran, mode: w}"


@pytest.mark.parametrize("sweep", [False, True])
@pytest.mark.parametrize(
    ("name", "text", "key"),
    [
        ("site/laptop", f"# @package _global_\nhydra: {{callbacks: {{x: {EVIL}}}}}", "hydra.callbacks.x._target_"),
        ("site/laptop", "# @package hydra.callbacks\nx: {a: 1}", "hydra.callbacks.x.a"),
        ("site/laptop", "# @package hydra\nrun: {dir: /tmp}", "hydra.run.dir"),
        ("experiment/ours", "# @package _global_\nhydra: {job: {chdir: true}}", "hydra.job.chdir"),
        ("experiment/ours", f"# @package _global_\nhydra: {{launcher: {EVIL}}}", "hydra.launcher._target_"),
        ("experiment/ours", "# @package _global_\nhydra: {sweeper: {_target_: a.b}}", "hydra.sweeper._target_"),
        ("experiment/ours", "# @package _global_\nhydra: {sweeper: {params: {tracking.uri: 'http://a,http://b'}}}", "tracking.uri"),
        ("experiment/ours", "# @package _global_\nhydra: {sweeper: {params: {+hydra.job.name: 'a,b'}}}", "hydra.job.name"),
        ("experiment/ours", "# @package _global_\nruntime: {ketos: ./ketos}", "runtime.ketos=./ketos"),
        ("dataset/folder", f"path: {EVIL}", "dataset.path._target_"),
        ("runtime/host", "ketos: ./ketos", "runtime.ketos=./ketos"),
        ("runtime/host", "modulepath: [/tmp/modules]", "runtime.modulepath=['/tmp/modules']"),
        ("runtime/host", "bind: ['/:/x']", "runtime.bind=['/:/x']"),
        ("runtime/host", "image: other.sif", "runtime.image=other.sif"),
        ("tracking/embedded", "kind: server\nuri: http://elsewhere", "tracking.uri=http://elsewhere"),
        ("slurm/none", "submit: true\nextra: {export: 'ALL,LD_PRELOAD=/tmp/x.so'}", "slurm.extra.export="),
        ("dataset/folder", "name: ${oc.env:MLFLOW_TRACKING_PASSWORD}", "dataset.name: ${oc.env:MLFLOW_TRACKING_PASSWORD}"),
        ("dataset/folder", "name: '${oc.${x}:HOME}'", "dataset.name: ${oc.${x}:HOME}"),
        ("dataset/folder", "name: '${${x}:HOME}'", "dataset.name: ${${x}:HOME}"),
        ("dataset/folder", "path: ['a', '${oc.decode:x}']", "dataset.path: ${oc.decode:x}"),
        ("dataset/folder", "defaults: ['/site@hydra.callbacks: laptop']", "defaults: /site@hydra.callbacks: laptop"),
        ("experiment/ours", "# @package _global_\ndefaults: [{override /hydra/launcher: basic}]", "defaults: override /hydra/launcher: basic"),
        ("dataset/folder", "defaults: ['../../x']", "defaults: ../../x"),
    ],
)  # fmt: skip
def test_what_starts_something_or_speaks_to_somebody_is_refused(name: str, text: str, key: str, sweep: bool) -> None:
    if text.startswith("# @"):  # the header of a package is its first line
        header, _, text = text.partition("\n")
        put(name, text)
        file = Path("conf") / f"{name}.yaml"
        file.write_text(f"{header}\n{file.read_text()}")
    else:
        put(name, text)
    words = ["experiment=ours"] if name == "experiment/ours" else []
    said = refused(*words, *["seed=1,2"] * sweep, sweep=sweep)
    assert any(f"conf/{name}.yaml: {key}" in one for one in said), said
    assert not Path("ran").exists()
    assert all("--config-dir conf" in one for one in said)


@pytest.mark.parametrize("name", ["hydra/launcher/htr_exp", "schema/training/recognition", "experiment_schema"])
def test_a_file_in_the_place_of_our_own_is_refused(name: str) -> None:
    put(name, "_target_: builtins.print")
    with pytest.warns(UserWarning, match="validated against ConfigStore schema"):
        (said,) = refused("seed=1,2", sweep=True)
    assert said.startswith(f"conf/{name}.yaml: a folder conf/ adds choices to groups")


def test_all_that_is_wrong_is_said_at_once() -> None:
    put("runtime/host", "ketos: ./ketos\nimage: x.sif")
    put("dataset/folder", "name: ${oc.env:HOME}")
    assert len(refused()) == 3


def test_a_folder_that_is_named_is_trusted() -> None:
    put("runtime/ours", "defaults: [host]\nketos: /opt/kraken/ketos")
    put("dataset/ours", "defaults: [folder]\nname: ${oc.env:PATH}")
    composed = compose_experiment(["runtime=ours", "dataset=ours"], overlays("conf"))
    assert composed.experiment.runtime.ketos == "/opt/kraken/ketos"
    assert composed.from_here == ()


def compose_here(*words: str) -> Composed:
    return compose_experiment(words, overlays())


def test_data_models_splits_and_training_are_free() -> None:
    put("dataset/gratian", "defaults: [folder]\nname: gratian\npath: [~/pages, '${site.ground_truth}/more']")
    put("model/ours", "defaults: [file]\npath: ours.mlmodel")
    put("training/careful", "defaults: [recognition]\nlrate: 1e-5\nepochs: 5")
    put("split/ours", "defaults: [by_page]\nseed: 7")
    put("slurm/ours", "defaults: [template]\npartition: gpu\ntime_min: 60\ngres: gpu:1")
    put("site/ours", "defaults: [laptop]\nworkspace: elsewhere")
    words = ["dataset=gratian", "model=ours", "training=careful", "split=ours", "slurm=ours", "site=ours"]
    composed = compose_here(*words)
    assert composed.experiment.dataset.path == ["~/pages", "elsewhere/ground_truth/more"]
    assert composed.from_here == (
        "dataset/gratian", "model/ours", "site/ours", "slurm/ours", "split/ours", "training/careful",
    )  # fmt: skip


def test_a_copy_of_a_shipped_file_is_free() -> None:
    from htr_exp.config.choices import conf_dir

    for choice in ("host", "module", "apptainer"):
        put(f"runtime/{choice}", (conf_dir() / "runtime" / f"{choice}.yaml").read_text())
        assert compose_here(f"runtime={choice}", "model=none").from_here == (f"runtime/{choice}",)


def test_an_experiment_says_what_its_sweep_is_about() -> None:
    put("experiment/ours", "question: ours\nhydra: {sweeper: {params: {seed: '1,2', training.lrate: '1e-3,1e-4'}}}")
    file = Path("conf/experiment/ours.yaml")
    file.write_text(f"# @package _global_\n{file.read_text()}")
    points: list[Composed] = []

    def launch(given: list[Composed]) -> list[Any]:
        points.extend(given)
        return [0.0] * len(given)

    compose_sweep(["experiment=ours"], launch, overlays())
    assert sorted(point.experiment.seed for point in points) == [1, 1, 2, 2]
    assert points[0].from_here == ("experiment/ours",)
