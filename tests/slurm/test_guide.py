"""The commands of the users' guide, word for word, in the folders that it names, with demo pages under the guide's names."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import htr_exp as package
from fakes.scenario import weights
from helpers.cluster import Cluster
from helpers.command_line import CommandLine
from helpers.fake_kraken import Scenario
from helpers.layout_files import make_layout_pages
from helpers.waiting import until
from htr_exp.runs.run_dir import RunDir
from htr_exp.runs.selection import runs_in

DEMO = Path(package.__file__).parent / "demo"
TRAIN = ["train", "dataset=odalricus", "model=tridis"]
ON_SLURM = [*TRAIN, "site=unistra", "slurm=publicgpu"]
TRIDIS = "tridis_v2_medieval_earlymodern.mlmodel"

Fill = Callable[[str, str, bytes], None]


@pytest.fixture
def fill(workspace: Path) -> Fill:
    """Lay out the folders of a user: ground truth, a base model."""

    def write(ground_truth: str, models: str, model: bytes) -> None:
        (workspace / ground_truth / "Odalricus").mkdir(parents=True)
        for page in sorted((DEMO / "pages").glob("*.xml"))[:4]:
            for file in (DEMO / "pages").glob(f"{page.stem}.*"):
                shutil.copy(file, workspace / ground_truth / "Odalricus")
        (workspace / models).mkdir()
        (workspace / models / TRIDIS).write_bytes(model)

    return write


@pytest.fixture
def scripted(tmp_path: Path, fake_kraken: Path) -> tuple[str, str]:
    """A kraken that plays: words that name a config folder of one's own, which alone may name a program."""
    mine = tmp_path / "mine" / "runtime" / "host.yaml"
    mine.parent.mkdir(parents=True)
    mine.write_text(f"# My kraken.\nkind: host\nketos: {fake_kraken}\nkraken: 7.1.1\n")
    return "--config-dir", str(tmp_path / "mine")


def only_run(folder: Path) -> RunDir:
    (run,) = runs_in(folder)
    return run


def done(run: RunDir) -> None:
    until(lambda: run.state().state in ("done", "failed"), f"{run.path} to end")
    assert run.state().state == "done", run.state().reason


def test_the_guides_first_command_trains_on_this_machine(
    htr_exp: CommandLine, cluster: Cluster, workspace: Path, fill: Fill, scripted: tuple[str, str]
) -> None:
    fill("ground_truth", "models", weights(accuracy=0.5))
    said = htr_exp(*TRAIN, *scripted)
    assert said.code == 0, said.stderr
    run = only_run(workspace / "runs")
    assert run.name.startswith("odalricus-tridis-")
    assert run.state().state == "done"
    assert not run.jobs


def test_the_guides_second_command_trains_on_the_cluster_in_the_guides_folders(
    htr_exp: CommandLine, cluster: Cluster, workspace: Path, fill: Fill, scripted: tuple[str, str]
) -> None:
    fill("Ground_Truth", "Model_de_base", weights(accuracy=0.5))
    said = htr_exp(*ON_SLURM, *scripted)
    assert said.code == 0, said.stderr
    run = only_run(workspace / "Repertoire_model_finetune")
    done(run)
    assert {path.name for path in workspace.iterdir()} - {"mlflow.db", "mlartifacts"} == {
        "Ground_Truth", "Model_de_base", "GT_compile", "Repertoire_model_finetune", "htr-exp.yaml",
    }  # fmt: skip
    (row,) = htr_exp("status", "--json").json
    assert (row["run"], row["state"], row["jobs"]) == (run.name, "done", [run.jobs[0]["job"]])


def test_the_guides_segmentation_trains_on_the_cluster_with_the_guides_options(
    htr_exp: CommandLine, cluster: Cluster, workspace: Path, scripted: tuple[str, str], scenario: Scenario
) -> None:
    make_layout_pages(workspace / "Ground_Truth" / "Odalricus")
    words = [
        "train",
        "task=segmentation",
        "dataset=Odalricus",
        "model=blla",
        "training=guide",
        "site=unistra",
        "slurm=publicgpu",
    ]
    said = htr_exp(*words, *scripted)
    assert said.code == 0, said.stderr
    run = only_run(workspace / "Repertoire_model_finetune")
    done(run)
    train = " ".join(scenario.calls("segtrain")[0])
    for option in (
        "--optimizer Adam",
        "--augment",
        "--min-epochs 60",
        "-q early --lag 20",
        "--resize new",
        "-r 0.0001",
    ):
        assert option in train, train
    assert len(run.epochs()) >= 60
    assert not scenario.calls("compile")


@pytest.mark.kraken
def test_the_guides_second_command_ends_with_a_test_score_of_the_real_kraken(
    htr_exp: CommandLine, cluster: Cluster, workspace: Path, fill: Fill
) -> None:
    fill("Ground_Truth", "Model_de_base", (DEMO / "base.mlmodel").read_bytes())
    # with all by default it trains for minutes
    said = htr_exp(*ON_SLURM, "training.quit=fixed", "training.epochs=3", "--json")
    assert said.code == 0, said.stderr
    run = only_run(workspace / "Repertoire_model_finetune")
    done(run)
    scores = (run.result() or {})["test"]
    assert all(0 <= scores[model]["cer"] < 1 for model in ("base", "best"))
    assert list((workspace / "GT_compile" / "compiled").glob("*.arrow"))
