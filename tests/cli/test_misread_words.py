"""Words that people type and that are none of ours: each is answered with the words to type."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.findings import program
from helpers.in_process import Call
from helpers.page_files import make_pages
from helpers.recorded_runs import make_run
from htr_exp.core import machine

DEMO = "dataset=demo model=demo"


@pytest.fixture
def here(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with pages, a model and a run, on a machine without a GPU."""
    make_pages(workspace / "folder", 2, 1)
    make_pages(workspace / "my pages", 2, 1)
    (workspace / "x.mlmodel").write_bytes(b"")
    (workspace / "sides.csv").write_text("page,split\n")
    make_run(workspace, "old-1a1b2c3d")
    monkeypatch.setenv("PATH", str(program(workspace.parent, "nvidia-smi", "echo 'No devices were found'").parent))
    return workspace


TYPED = {
    # without keys
    "train folder x.mlmodel": ("write dataset.path=folder", "write model.path=x.mlmodel"),
    "train x.mlmodel folder": ("write dataset.path=folder", "write model.path=x.mlmodel"),
    "evaluate x.mlmodel folder": ("write dataset.path=folder", "write model.path=x.mlmodel"),
    "train ./folder/ y.safetensors": ("write dataset.path=./folder/", "y.safetensors: it is a model file without a key, which does not exist"),
    "train folder demo": ("write dataset.path=folder", "write model=demo"),
    "train demo demo": ("demo: it is a choice without its group; write dataset=demo", "write model=demo"),
    "train demo model=demo": ("write dataset=demo",),
    "train dataset=demo tridis": ("write model=tridis",),
    "train my_pages": ("my_pages: there is no such file, folder or choice", "dataset.path=FOLDER"),
    "train ../nowhere": ("../nowhere: there is no such file, folder or choice",),
    # torn apart, or joined by something else
    f"train {DEMO} epochs 3": ("epochs 3: ", "write training.epochs=3"),
    "train dataset = demo model = x.mlmodel": ("write dataset=demo", "write model.path=x.mlmodel"),
    "train dataset= demo": ("write dataset=demo",),
    "train dataset =demo": ("write dataset=demo",),
    "train dataset:demo": ("write dataset=demo",),
    f"train {DEMO} lr: 0,01": ("write training.lrate=0.01",),
    f"train {DEMO} training.lrate": ("write KEY=VALUE: training.lrate=NUMBER",),
    # short keys
    f"train {DEMO} epochs=3": ("epochs=3: there is no key `epochs`; write training.epochs=3",),
    f"train {DEMO} lr=": ("write training.lrate=NUMBER",),
    f"train {DEMO} lr=1e-3": ("write training.lrate=1e-3",),
    f"train {DEMO} learning-rate=1e-3": ("write training.lrate=1e-3",),
    f"train {DEMO} optimizer=adamw": ("write training.optimizer=AdamW",),
    f"train {DEMO} batch=4": ("write training.batch_size=4",),
    f"train {DEMO} pad=3": ("write training.pad=3 or scores.pad=3",),
    f"train {DEMO} task=segmentation pad=3": ("write training.pad=3",),
    f"train {DEMO} time=60": ("training.time_budget_min=60", "slurm.time_min=60"),
    f"train {DEMO} cpus=2": ("write slurm.cpus_per_task=2",),
    f"train {DEMO} train.epochs=3": ("write training.epochs=3",),
    f"train {DEMO} dataset.epochs=3": ("write training.epochs=3",),
    f"train {DEMO} training.seed=3": ("write split.seed=3 or seed=3",),
    f"train {DEMO} slurm.time=60": ("write slurm.time_min=60",),
    f"train {DEMO} device=cuda": ("write training.device=cuda:0",),
    "train path=folder": ("dataset.path=folder",),
    "train modle=x.mlmodel": ("did you mean model?", "write model.path=x.mlmodel"),
    f"train {DEMO} --epochs 3": ("write training.epochs=NUMBER",),
    f"train {DEMO} --lr 0,01": ("write training.lrate=0.01",),
    "train --dataset ./folder --model=x.mlmodel": ("write dataset.path=./folder", "write model.path=x.mlmodel"),
    f"train {DEMO} --dryrun": ("did you mean --dry-run?",),
    # values
    f"train {DEMO} training.lrate=0,001": ("write training.lrate=0.001",),
    f"train -m {DEMO} training.lrate=0,001": ("write training.lrate=0.001",),
    f"train {DEMO} split.test=0,1": ("write split.test=0.1",),
    f"train {DEMO} split.test=10%": ("write split.test=0.1",),
    f"train {DEMO} training.lrate=1,5e-4": ("write training.lrate=1.5e-4",),
    f"train {DEMO} training.epochs=1,000": ("write training.epochs=1000",),
    f"train {DEMO} training.epochs=20.0": ("write training.epochs=20",),
    f"train {DEMO} training.epochs=many": ("write a whole number",),
    f"train {DEMO} training.lrate=fast": ("write a number, as 0.001",),
    f"train {DEMO} training.lrate=none": ("write training.lrate=null",),
    f"train {DEMO} training.augment=oui": ("write training.augment=true",),
    f"train {DEMO} training.augment=perhaps": ("write true or false",),
    f"train {DEMO} training.optimizer=adamw": ("write training.optimizer=AdamW",),
    f"train {DEMO} training.normalization=nfc": ("write training.normalization=NFC",),
    f"train {DEMO} slurm.time_min=5:00:00": ("write slurm.time_min=300",),
    f"train {DEMO} slurm.time_min=2h": ("write slurm.time_min=120",),
    f"train {DEMO} slurm.mem_gb=8G": ("write slurm.mem_gb=8",),
    # something of one's own as a choice, and a choice as a path
    "train dataset=./folder model=demo": ("write dataset.path=./folder",),
    "train dataset=folder/ model=demo": ("write dataset.path=folder/",),
    "train dataset=my_pages model=demo": ("or name one of your own: dataset.path=FOLDER",),
    "train dataset=Demo model=demo": ("write dataset=demo",),
    "train dataset=demo model=x.mlmodel": ("write model.path=x.mlmodel",),
    "train dataset=demo model=10.5281/zenodo.1": ("write model.doi=10.5281/zenodo.1",),
    "train -m dataset=demo,./folder model=demo": ("write dataset.path=./folder",),
    f"train {DEMO} split=sides.csv": ("write split=table split.table=sides.csv",),
    f"train {DEMO} split=k-fold": ("write split=k_fold",),
    f"train {DEMO} tracking=http://host:5000": ("write tracking=server tracking.uri=http://host:5000",),
    f"train {DEMO} slurm=gpu": ("slurm=template slurm.partition=NAME",),
    "train dataset.path=demo model.path=tridis": ("write dataset=demo", "write model=tridis"),
    # nothing behind the =
    "train dataset.path= model=demo": ("dataset.path=: nothing stands behind the =; write dataset.path=FOLDER",),
    "train dataset.path='' model=demo": ("write dataset.path=FOLDER",),
    "train dataset.path=[] model=demo": ("dataset is not set",),
    "train dataset=demo model.path=": ("write model.path=FILE",),
    "train dataset= model=demo": ("dataset=: nothing stands behind the =; choose one of demo",),
    f"train {DEMO} question=": ("question=: nothing stands behind the =",),
    f"train {DEMO} name=''": ("name='': nothing stands behind the =",),
    f"train {DEMO} training.lrate=": ("write training.lrate=NUMBER",),
    f"train {DEMO} training.optimizer=": ("write training.optimizer=Adam",),
    # devices that are not here
    f"train {DEMO} training.device=cuda": ("training.device=cuda: this machine has no GPU that kraken can use",),
    f"train {DEMO} training.device=cuda:0": ("this machine has no GPU that kraken can use",),
    f"train {DEMO} training.device=gpu": ("this machine has no GPU that kraken can use",),
    f"train {DEMO} training.device=cdua": ("training.device=cdua: kraken knows no such device",),
    "evaluate model=demo dataset=demo training.device=cuda:1": ("this machine has no GPU that kraken can use",),
    # settings of verbs that take runs
    "resume old training.epochs=1": ("a run keeps the settings that it was written with", "training.epochs=1`"),
    "resume last lr=0,01": ("begin another run", "training.lrate=0.01`"),
    "resume old time=60": ("write slurm.time_min=60",),
    "resume old training.epoch=1": ("training.epochs=1`",),
    "resume training.epochs=1": ("training.epochs=1: a run keeps",),
    "status epochs=3": ("`status` takes runs", "train ... training.epochs=3`"),
    "logs old dataset=demo": ("`logs` takes runs",),
    # checks
    "check nowhere": ("nowhere: there is no such file, folder or choice", "dataset.path=FOLDER"),
    "check folder nowhere": ("nowhere: there is no such file, folder or choice",),
    "check demo": ("write dataset=demo",),
    "check dataset=./folder": ("write dataset.path=./folder",),
    "check dataset.path=nowhere": ("nowhere: there is no such folder or file", "check FOLDER"),
    "check dataset.path=": ("write dataset.path=FOLDER",),
    "check x.mlmodel": ("write model.path=x.mlmodel",),
    "check folder epochs=3": ("write training.epochs=3",),
    "doctor gpu=cuda": ("write training.device=cuda:0",),
}  # fmt: skip
"""What is typed, and parts of the answer."""


@pytest.mark.parametrize("typed", TYPED)
def test_a_misread_word_is_answered_with_the_words_to_type(typed: str, here: Path, call: Call) -> None:
    verb, *words = typed.split()
    said = call(verb, *["--dry-run"] * (verb in ("train", "evaluate")), *words)
    assert (said.code, "Traceback" in said.err) == (2, False)
    for part in TYPED[typed]:
        assert part in said.err
    assert not (here / "cache").exists()


@pytest.mark.parametrize("word", ["dataset=my pages/", "my pages"])
def test_what_has_blanks_is_shown_in_the_quotes_that_it_needs(word: str, here: Path, call: Call) -> None:
    assert f"write 'dataset.path={word.removeprefix('dataset=')}'" in call("train", word, "model=demo").err


def test_the_command_of_a_run_is_shown_with_what_is_to_change(here: Path, call: Call) -> None:
    said = call("resume", "last", "training.epochs=9").err
    assert said.count("training.epochs=") == 2
    assert "train dataset=" in said


def test_all_misread_words_are_told_at_once(here: Path, call: Call) -> None:
    said = call("train", "folder", "model=x.mlmodel", "epochs=3", "training.lrate=0,001", "opt 3", "dataset.name=")
    assert said.code == 2
    for part in (
        "dataset.path=folder",
        "model.path=x.mlmodel",
        "training.epochs=3",
        "training.lrate=0.001",
        "dataset.name=: ",
        "opt 3: ",
    ):
        assert part in said.err


def test_a_comma_in_a_sweep_is_between_two_values(here: Path, call: Call, fake_kraken: Path) -> None:
    words = ["dataset=demo", "model=demo", f"runtime.ketos={fake_kraken}", "training.lrate=0.1,0.01"]
    said = call("train", "-m", "--dry-run", "--json", *words)
    assert (said.code, len(said.out.splitlines())) == (0, 2)


@pytest.mark.parametrize(
    ("asked", "here", "said"),
    [
        ("cuda:0", True, None),
        ("cuda", True, "write training.device=cuda:0"),
        ("cuda1", True, "write training.device=cuda:1"),
        ("cuda:0", False, None),
        ("cuda", False, "write training.device=cuda:0"),
        ("auto", True, None),
        ("cpu", True, None),
        ("mps", True, None),
        ("", True, "kraken knows no such device"),
        ("cpu\n", True, "kraken knows no such device"),
    ],
)
def test_a_device_is_one_of_krakens(
    asked: str, here: bool, said: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(program(tmp_path, "nvidia-smi", "echo 'GPU 0: NVIDIA H200'").parent))
    problem = machine.device_problem(asked, here=here)
    assert problem is None if said is None else said in str(problem)
