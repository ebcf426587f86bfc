"""TAB in real shells: what somebody has typed becomes the words that were meant."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from helpers.typist import Typist
from htr_exp.cli.completion import INSTALLING

pytestmark = [pytest.mark.seconds, pytest.mark.timeout(1800)]  # a start of ours for each line

TYPED = {
    "htr-exp trai\t": ["htr-exp", "train"],
    "htr-exp train --dr\t": ["htr-exp", "train", "--dry-run"],
    "htr-exp train --cfg j\t": ["htr-exp", "train", "--cfg", "job"],
    "htr-exp train dataset=gra\t": ["htr-exp", "train", "dataset=gratian"],
    "htr-exp train dataset=Mon\t": ["htr-exp", "train", "dataset=Mon corpus"],
    "htr-exp train dataset=É\t": ["htr-exp", "train", "dataset=Évangile"],
    "htr-exp train -m dataset=demo,gra\t": ["htr-exp", "train", "-m", "dataset=demo,gratian"],
    "htr-exp train ++training.opti\tSG\t": ["htr-exp", "train", "++training.optimizer=SGD"],
    "htr-exp train model.path=x@\t": ["htr-exp", "train", "model.path=x@y.mlmodel"],
    "htr-exp train model.path=d\t": ["htr-exp", "train", "model.path=d$e'f\".mlmodel"],
    'htr-exp train "model.path=d\t': ["htr-exp", "train", "model.path=d$e'f\".mlmodel"],
    "htr-exp train 'model.path=d\t": ["htr-exp", "train", "model.path=d$e'f\".mlmodel"],
    "htr-exp check mes\tune\t": ["htr-exp", "check", "mes pages/une=1.xml"],
    "htr-exp train dataset.path='mes pages'/une\t": ["htr-exp", "train", "dataset.path=mes pages/une=1.xml"],
    "htr-exp logs my\t": ["htr-exp", "logs", "my run"],
    "htr-exp logs my\\ r\t": ["htr-exp", "logs", "my run"],
    'htr-exp logs "my\t': ["htr-exp", "logs", "my run"],
    "htr-exp logs 'my\t": ["htr-exp", "logs", "my run"],
    "htr-exp logs dé\t": ["htr-exp", "logs", "démo-1a"],
    "htr-exp status --workspace=el\tau\t": ["htr-exp", "status", "--workspace=elsewhere/au delà/"],
}
"""Keys that are pressed, and the words of the line afterwards."""


@pytest.fixture
def here(workspace: Path) -> Path:
    """A folder with much that has an odd name."""
    for name in (
        "runs/démo-1a", "runs/my run", "conf/dataset", "mes pages", "elsewhere/au delà", "ground_truth/Mon corpus",
        "ground_truth/Évangile",
    ):  # fmt: skip
        (workspace / name).mkdir(parents=True)
    for name in ("models/x@y.mlmodel", "models/d$e'f\".mlmodel", "mes pages/une=1.xml"):
        (workspace / name).parent.mkdir(exist_ok=True)
        (workspace / name).touch()
    (workspace / "conf" / "dataset" / "gratian.yaml").write_text("# Mine.\ndefaults: [folder]\n")
    return workspace


@pytest.mark.parametrize("shell", INSTALLING)
def test_what_is_typed_becomes_what_was_meant(shell: str, here: Path, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here: `make test-shells` installs it, as root on Debian")
    home = tmp_path / "home" / shell
    home.mkdir(parents=True)
    with Typist(shell, INSTALLING[shell], home) as typist:
        assert {typed: typist.words(typed) for typed in TYPED} == TYPED
