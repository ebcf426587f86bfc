"""A run folder at another place, without its workspace: its commands still do what the run did, given the data."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from fakes.scenario import metadata_of
from helpers.one_training import OneTraining, User
from htr_exp.core.files import read_json, read_jsonl
from htr_exp.runs.run_dir import RunDir

pytestmark = pytest.mark.seconds


@pytest.fixture
def archived(user: User, tmp_path: Path) -> RunDir:
    """The run, in another folder; of its workspace nothing is left."""
    run = RunDir(Path(shutil.move(user.first.path, tmp_path / "an archive's $folder")))
    shutil.rmtree(user.workspace / "cache")
    shutil.rmtree(user.workspace / "runs")
    run.data_path.write_text("/nowhere/pages\n")  # the data is at another place, too
    run.base_model_path.write_text("/nowhere/base.mlmodel\n")
    return run


def commands(run: RunDir, made: OneTraining, **variables: object) -> subprocess.CompletedProcess[str]:
    """Run commands.sh where nothing but these variables and kraken is known."""
    ketos = next(word for word in made.words if word.startswith("runtime.ketos=")).partition("=")[2]
    environment = {
        "PATH": f"{Path(ketos).parent}:{Path(sys.executable).parent}:/usr/bin:/bin",
        "HOME": os.environ["HOME"],
    }
    environment |= {name: str(value) for name, value in variables.items()}
    return subprocess.run(["sh", str(run.commands)], env=environment, capture_output=True, text=True)


def test_its_commands_do_what_the_run_did(archived: RunDir, made: OneTraining, tmp_path: Path) -> None:
    data, base = tmp_path / "it's the data", tmp_path / "mine.mlmodel"
    shutil.copytree(made.pages, data)
    shutil.copy(made.base, base)
    for xml in data.glob("*.xml"):
        xml.unlink()  # the images are enough
    said = commands(archived, made, DATA=data, BASE=base)
    assert (said.returncode, said.stderr) == (0, "")
    out = archived.path / "by-hand"
    again, before = metadata_of(out / "best.mlmodel"), metadata_of(archived.best)
    assert {key: before[key] for key in again} == again
    read = [row["text"] for file in (out / "best").iterdir() for row in read_jsonl(file)]
    sides = [archived.predictions_of(side) for side in ("test", "validation")]
    assert sorted(read) == sorted(row["best"] for side in sides for row in read_jsonl(side))
    assert archived.broken_seals(every_digest=True) == []


def test_what_it_lacks_is_said(archived: RunDir, made: OneTraining, tmp_path: Path) -> None:
    said = commands(archived, made)
    assert said.returncode == 2
    assert said.stderr.startswith("commands.sh: DATA=/nowhere/pages: there is no such folder; say where the images")
    said = commands(archived, made, DATA=made.pages)
    assert said.returncode == 2
    assert said.stderr.startswith("commands.sh: BASE=/nowhere/base.mlmodel: there is no such file; say where the base")
    (tmp_path / "empty").mkdir()
    said = commands(archived, made, DATA=tmp_path / "empty", BASE=made.base)
    assert said.returncode == 2
    assert ".png in it" in said.stderr


def test_its_pages_name_no_path_of_the_machine(archived: RunDir, made: OneTraining) -> None:
    pages = [page["page"] for side in read_json(archived.split).values() for page in side]
    with tarfile.open(archived.page_archive) as archive:
        texts = [archive.extractfile(member).read().decode() for member in archive.getmembers()]
    assert sum("<PcGts" in text for text in texts) == len(pages)
    assert not any(str(made.folder) in text for text in texts)
