"""A small training that was done once, and copies of it: a user at the command line in a workspace of its own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from fakes.scenario import weights
from helpers.command_line import CommandLine, changed
from helpers.fake_kraken import programs
from helpers.folders import CHECKOUT
from helpers.in_process import Call, Said
from helpers.page_files import make_pages
from htr_exp.core.files import read_json
from htr_exp.runs.run_dir import RunDir
from htr_exp.runs.selection import runs_in
from htr_exp.tracking import run_view

READING = ("dataset.", "model.", "runtime.", "tracking", "training.device")
"""Words of the training that an evaluation takes, too."""


@dataclass(frozen=True)
class OneTraining:
    """A workspace with one run that is done, and the words that trained it."""

    folder: Path
    words: list[str]

    @property
    def workspace(self) -> Path:
        return self.folder / "workspace"

    @property
    def pages(self) -> Path:
        return self.folder / "pages"

    @property
    def base(self) -> Path:
        return self.folder / "base.mlmodel"


def one_training(folder: Path) -> OneTraining:
    """Train on six pages: four to train on, one to validate, one to test."""
    ketos = programs(folder / "kraken" / "bin")
    made = OneTraining(folder, [])
    made.workspace.mkdir()
    make_pages(made.pages)
    made.base.write_bytes(weights(accuracy=0.5))
    made.words.extend([
        f"dataset.path={made.pages}", f"model.path={made.base}", f"runtime.ketos={ketos}", "tracking=none",
        "split.validation=0.17", "split.test=0.17", "training.device=cpu", "training.quit=fixed", "training.epochs=2",
    ])  # fmt: skip
    said = CommandLine(made.words, made.workspace)("train", *made.words, env=_environment(folder))
    assert said.code == 0, said.stderr
    return made


def _environment(folder: Path) -> Mapping[str, str]:
    homes = {
        name: str(folder / "home" / name) for name in ("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")
    }
    path = os.pathsep.join(filter(None, (str(CHECKOUT), os.environ.get("PYTHONPATH"))))
    return os.environ | homes | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}


class User:
    """Somebody at the command line, with a copy of the workspace of one training."""

    def __init__(self, call: Call, made: OneTraining, workspace: Path) -> None:
        shutil.copytree(made.workspace, workspace, dirs_exist_ok=True)
        self.call, self.made, self.words, self.workspace = call, made, made.words, workspace
        (self.first,) = self.runs

    @property
    def pages(self) -> Path:
        return self.made.pages

    def copied_pages(self, name: str = "pages copied") -> Path:
        """The pages in a folder that may be changed."""
        return Path(shutil.copytree(self.pages, self.workspace.parent / name))

    def page_of(self, side: str) -> str:
        """The one page, or the first, on a side of the first run, without suffix."""
        return Path(str(read_json(self.first.split)[side][0]["page"])).stem

    def train(self, *changes: str) -> Said:
        return self.call("train", *changed(self.words, changes))

    def dry(self, *changes: str) -> Said:
        """Plan a training with a split of its own."""
        kept = [word for word in self.words if not word.startswith("split.")]
        return self.call("train", "--dry-run", *changed(kept, changes))

    def evaluate(self, *changes: str) -> Said:
        return self.call("evaluate", *changed([word for word in self.words if word.startswith(READING)], changes))

    def trained(self, *changes: str) -> RunDir:
        """Train another run to its end."""
        return self._new(lambda: self.train(*changes))

    def evaluated(self, *changes: str) -> RunDir:
        return self._new(lambda: self.evaluate(*changes))

    def _new(self, make: Callable[[], Said]) -> RunDir:
        before = {run.path for run in self.runs}
        said = make()
        assert said.code == 0, said.err
        (new,) = [run for run in self.runs if run.path not in before]
        return new

    @property
    def runs(self) -> list[RunDir]:
        return runs_in(self.workspace / "runs")

    def tables(self, *runs: RunDir) -> dict[str, str]:
        """What every table says of runs, or of all, each on one line."""
        names = [run.name for run in runs]
        return {verb: " ".join(self.call(verb, *names).out.split()) for verb in ("status", "compare")}

    def in_mlflow(self, run: RunDir) -> Mapping[str, str]:
        """The tags of a run."""
        return run_view.read(run.path, self.workspace).tags

    def row(self, run: RunDir) -> dict[str, object]:
        """The run in `compare --json`."""
        (row,) = self.call("compare", "--json", run.name).json
        return dict(row)
