"""What TAB offers, as each shell takes it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.in_process import Call
from htr_exp.cli.arguments import VERBS
from htr_exp.cli.completion import INSTALLING, SCRIPTS

HTR_EXP = Path(sys.executable).with_name("htr-exp")


@pytest.fixture
def here(workspace: Path) -> Path:
    """A workspace with runs, a choice of the user's and a model."""
    for name in ("runs/demo-1a", "runs/my run", "conf/dataset", "pages"):
        (workspace / name).mkdir(parents=True)
    (workspace / "conf" / "dataset" / "gratian.yaml").write_text("# Mine.\ndefaults: [folder]\n")
    (workspace / "my.mlmodel").touch()
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
    "htr-exp train --d": ["--dry-run"],
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
    ("line", "replies"),
    [
        ("htr-exp train dataset=d", ["demo"]),
        ("htr-exp train dat", ["dataset=", "dataset."]),
        ("htr-exp logs my", ["my\\ run"]),
    ],
)
def test_bash_gets_what_it_replaces(line: str, replies: list[str], here: Path, call: Call) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("there is no bash here")
    typed = f"COMP_LINE='{line}'; COMP_POINT={len(line)}; compopt() {{ :; }}; _htr_exp '{HTR_EXP}'; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    script = f"{call('completion', 'bash').out}\n{typed}"
    done = subprocess.run([bash, "--norc", "-c", script], capture_output=True, text=True, env=os.environ)
    assert (done.stdout.splitlines(), done.stderr) == (replies, "")


def test_an_answer_loads_nothing_that_takes_its_time(here: Path) -> None:
    code = (
        "import sys\nfrom htr_exp.cli.main import main\nmain(['completion', 'answer', 'bash', 'htr-exp train dataset='])\n"
        "sys.exit(' '.join({'hydra', 'omegaconf', 'rich', 'lxml', 'PIL', 'numpy', 'torch', 'mlflow'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.strip() == ""
    assert "gratian" in done.stdout
