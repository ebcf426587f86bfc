"""What TAB offers, as each shell takes it."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.in_process import Call
from htr_exp.cli.arguments import VERBS
from htr_exp.cli.completion import INSTALLING, SCRIPTS


@pytest.fixture
def here(workspace: Path) -> Path:
    """A workspace with runs, a choice of the user's and a model."""
    for name in ("runs/demo-1a", "runs/my run", "conf/dataset", "pages", "ground_truth/Mon corpus", "models"):
        (workspace / name).mkdir(parents=True)
    (workspace / "conf" / "dataset" / "gratian.yaml").write_text("# Mine.\ndefaults: [folder]\n")
    (workspace / "my.mlmodel").touch()
    (workspace / "models" / "hand.mlmodel").touch()
    (workspace / "runs" / "evil\x1b[2J").mkdir()
    return workspace


LINES = {
    "htr-exp tr": ["train"],
    "htr-exp --v": ["--version"],
    "htr-exp train data": ["dataset=", "dataset."],
    "htr-exp train dataset=": ["dataset=demo", "dataset=folder", "dataset=gratian", "dataset=odalricus", "dataset=summa_elegantius"],
    "htr-exp train 'dataset=g": ["dataset=gratian"],
    "./htr-exp evaluate training.lr": ["training.lrate="],
    "htr-exp train ++training.lr": ["++training.lrate="],
    "htr-exp train training.optimizer=S": ["training.optimizer=SGD"],
    "htr-exp train training.augment=": ["training.augment=true", "training.augment=false"],
    "htr-exp train -m dataset=demo,g": ["dataset=demo,gratian"],
    "htr-exp train model.path=my": ["model.path=my.mlmodel"],
    "htr-exp train dataset.path=pa": ["dataset.path=pages/"],
    "htr-exp train model.path=models/h": ["model.path=models/hand.mlmodel"],
    "htr-exp train model.path=h": ["model.path=hand.mlmodel"],
    "htr-exp evaluate segmentation_model.file=": ["segmentation_model.file=hand.mlmodel"],
    "htr-exp train dataset=Mon": ["dataset=Mon corpus"],
    "htr-exp train dataset.path=Mon": ["dataset.path=Mon corpus"],
    "htr-exp train dataset=demo,Mon": ["dataset=demo,Mon corpus"],
    "htr-exp train --d": ["--dry-run"],
    "htr-exp train --cfg h": ["hydra"],
    "htr-exp train --package lea": ["leakage"],
    "htr-exp check --html=pa": ["--html=pages/"],
    "htr-exp status --watch la": ["last"],
    "htr-exp status --workspace pa": ["pages/"],
    "htr-exp check pa": ["pages/"],
    "htr-exp check dataset=de": ["dataset=demo"],
    "htr-exp doctor slurm=p": ["slurm=publicgpu"],
    "htr-exp logs d": ["demo-1a"],
    "htr-exp resume las": ["last"],
    "htr-exp resume demo-1a slurm.time": ["slurm.time_min="],
    "htr-exp status slurm.time": [],
    "htr-exp options lea": ["leakage", "leakage.accept", "leakage.near_text"],
    "htr-exp completion b": ["bash"],
    "htr-exp nothing ": [],
    "htr-exp train seed": ["seed="],
    'htr-exp "': ["train"],
    "": [],
}  # fmt: skip
"""A line as far as the cursor, and the first words that may end it."""


@pytest.mark.parametrize("line", LINES)
def test_a_line_is_completed(line: str, here: Path, call: Call) -> None:
    said = call("completion", "answer", "fish", line)
    assert (said.code, said.err) == (0, "")
    offered, expected = said.out.splitlines(), LINES[line]
    assert (offered[: len(expected)] if expected else offered[:0]) == expected
    if line.endswith("nothing ") or "status slurm" in line:
        assert offered == []


def test_every_verb_and_every_run_is_offered_and_no_name_steers(here: Path, call: Call) -> None:
    assert set(VERBS) <= set(call("completion", "answer", "bash", "htr-exp ").out.split())
    said = call("completion", "answer", "bash", "htr-exp status ").out.splitlines()
    assert {"last", "demo-1a", "my\\ run", "site="} <= set(said)
    assert not [word for word in said if "evil" in word]


@pytest.mark.parametrize("shell", SCRIPTS)
def test_each_shell_gets_a_script_and_users_are_told_how_to_use_it(shell: str, call: Call) -> None:
    assert "completion answer" in call("completion", shell).out
    assert INSTALLING[shell] in call("completion").out


@pytest.mark.parametrize(
    ("line", "replaced", "replies"),
    [
        ("htr-exp train dataset=d", "d", ["demo"]),
        ("htr-exp train dataset=d", "dataset=d", ["dataset=demo"]),  # npm takes = out of COMP_WORDBREAKS
        ("htr-exp train dataset=", "", ["demo", "folder"]),
        ("htr-exp train 'dataset=d", "dataset=d", ["dataset=demo"]),
        ("htr-exp logs my", "my", ["my\\ run"]),
        ("htr-exp logs 'my", "my", ["my run"]),
        ('htr-exp logs "my', "my", ["my run"]),
        ("htr-exp train --dr", "--dr", ["--dry-run"]),
    ],
)
def test_bash_gets_what_it_replaces(line: str, replaced: str, replies: list[str], here: Path, call: Call) -> None:
    said = call("completion", "answer", "bash", "--", line, replaced).out.splitlines()
    assert said[: len(replies)] == replies


FAR = {"runs": "run-of-mine", "data": "Gratian", "base models": "my.safetensors"}


@pytest.fixture
def far(workspace: Path, tmp_path: Path) -> Path:
    """Runs, ground truth and models in another folder than the current one."""
    for folder, name in FAR.items():
        (tmp_path / "far" / folder / name).mkdir(parents=True)
    (tmp_path / "far" / "base models" / "my.safetensors").rmdir()
    (tmp_path / "far" / "base models" / "my.safetensors").touch()
    return tmp_path / "far"


def offered(call: Call, *words: str) -> list[str]:
    """What TAB offers of the site: its runs, ground truth and models."""
    lines = (["logs", *words, "ru"], ["train", *words, "dataset=G"], ["train", *words, "model.file=my"])
    said = [call("completion", "answer", "fish", shlex.join(["htr-exp", *line])).out for line in lines]
    return "".join(said).split()


def test_words_of_a_site_in_another_folder_are_offered(call: Call, workspace: Path, far: Path) -> None:
    found = ["run-of-mine", "dataset=Gratian", "model.file=my.safetensors"]
    typed = [f"site.{key}={far / name}" for key, name in zip(("runs", "ground_truth", "models"), FAR)]
    assert offered(call) == []
    assert offered(call, *typed) == found
    (workspace / "conf" / "site").mkdir(parents=True)
    text = f"# Mine.\ndefaults: [unistra, _self_]\nname: mine\nworkspace: {far}\nruns: ${{.workspace}}/runs\n"
    text += "ground_truth: ${site.workspace}/data\nmodels: ${site.workspace}/base models\n"
    (workspace / "conf" / "site" / "mine.yaml").write_text(text)
    assert offered(call) == []
    assert offered(call, "site=mine") == found
    (workspace / "htr-exp.yaml").write_text("site: mine\n")
    assert offered(call) == found
    assert offered(call, "site=laptop") == []


def test_words_of_the_site_of_another_workspace_are_offered(
    call: Call, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workspace / "Repertoire_model_finetune" / "guide-1a").mkdir(parents=True)
    (workspace / "elsewhere").mkdir()
    monkeypatch.chdir(workspace / "elsewhere")
    line = "htr-exp status --workspace .. g"
    assert call("completion", "answer", "fish", line).out == ""
    monkeypatch.setenv("HTR_EXP_SITE", "unistra")
    assert call("completion", "answer", "fish", line).out == "guide-1a\n"
    monkeypatch.delenv("HTR_EXP_SITE")
    (workspace / "htr-exp.yaml").write_text("site: unistra\n")
    assert call("completion", "answer", "fish", line).out == "guide-1a\n"
    assert call("completion", "answer", "fish", "htr-exp status --workspace=.. g").out == "guide-1a\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("htr-exp.yaml", "site: nowhere\n"),
        ("htr-exp.yaml", "{\n"),
        ("conf/site/mine.yaml", "{\n"),
        ("conf/site/mine.yaml", "runs: ${site.runs}\ndefaults: [mine]\n"),
        ("conf/site/mine.yaml", "runs: ${oc.env:HOME}/runs\n"),
        ("conf/site/mine.yaml", "- runs\n"),
        ("conf/site/mine.yaml", 'runs: "a\\0b"\n'),
    ],
)
def test_a_site_that_cannot_be_read_is_no_trouble(name: str, text: str, call: Call, workspace: Path) -> None:
    (workspace / name).parent.mkdir(parents=True, exist_ok=True)
    (workspace / name).write_text(text)
    words = "site=mine " if name.startswith("conf") else ""
    said = call("completion", "answer", "fish", f"htr-exp status {words}")
    assert (said.code, said.err, said.out.splitlines()) == (0, "", ["last", "site=", "site."])


HEAVY = "{'hydra', 'omegaconf', 'rich', 'lxml', 'PIL', 'numpy', 'torch', 'mlflow'}"


@pytest.mark.parametrize("line", ["train dataset=", "logs ", "train model.path="])
def test_an_answer_loads_nothing_that_takes_its_time(line: str, here: Path) -> None:
    Path("htr-exp.yaml").write_text("site: laptop\n")
    code = (
        f"import sys\nfrom htr_exp.cli.main import main\nmain(['completion', 'answer', 'bash', 'htr-exp {line}'])\n"
        f"sys.exit(' '.join({HEAVY} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.strip() == ""
    assert done.stdout


@pytest.mark.parametrize("verb", ["status", "compare", "logs"])
def test_a_verb_that_looks_at_runs_finds_them_without_hydra(verb: str, workspace: Path) -> None:
    """The folders of a shipped site are found without what composes an experiment."""
    Path("htr-exp.yaml").write_text("site: unistra\n")
    code = (
        f"import sys\nfrom htr_exp.cli.main import main\nmain(['{verb}'])\n"
        "sys.exit(' '.join({'hydra', 'omegaconf', 'antlr4'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert not {"hydra", "omegaconf", "antlr4"} & set(done.stderr.split())
