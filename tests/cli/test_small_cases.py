"""Small inputs that once failed, each by its name; right-to-left has a file of its own, with the real kraken (tests/real)."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fakes.fake_sbatch import Sbatch, put_on_path
from fakes.fake_slurm_site import site
from helpers.command_line import changed
from helpers.folders import SLURM_DATA
from helpers.in_process import Call
from helpers.page_files import page_line, page_xml, put, write_image
from helpers.registers import ruled_register

pytestmark = pytest.mark.seconds


@pytest.fixture
def programs(tmp_path: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Sbatch:
    found = site(tmp_path, monkeypatch)
    found.says("sinfo", (SLURM_DATA / "sinfo.txt").read_text())
    return put_on_path(found.file.parent / "bin", monkeypatch)


@pytest.mark.parametrize(
    "names", [["PARTITION"], ["TIMELIMIT", "NO_REQUEUE"], ["ACCOUNT", "GRES", "MEM_PER_NODE", "ARRAY_INX"]]
)
def test_sbatch_environment(
    experiment: list[str], call: Call, programs: Sbatch, monkeypatch: pytest.MonkeyPatch, names: list[str]
) -> None:
    """What the site or the user exports for sbatch decides neither the plan nor the job."""
    for name in names:
        monkeypatch.setenv(f"SBATCH_{name}", "1")
    asked = [*experiment, "slurm=publicgpu"]
    planned = call("train", *asked, "--dry-run")
    submitted = call("train", *asked)
    for said in (planned, submitted):
        assert said.code == 0, said.err
        words = " ".join(f"{said.out} {said.err}".split())
        assert all(f"SBATCH_{name}" in words for name in names)
        assert "of your shell: not used" in words
    assert [name for name in programs.environment if name.startswith("SBATCH_")] == []
    assert "#SBATCH --partition=publicgpu" in programs.scripts[0]


@pytest.mark.parametrize("text", ["with text", "without"])
def test_ruled_register(experiment: list[str], call: Call, tmp_path: Path, text: str) -> None:
    """Ten different pages of one ruled register are ten pages."""
    pages = ruled_register(tmp_path / "register", 10, with_text=text == "with text")
    said = call(
        "train", "--dry-run", *changed(experiment, [f"dataset.path={pages}", "split.validation=0.2", "split.test=0.2"])
    )
    assert said.code == 0, said.err
    assert "count as one" not in said.out + said.err
    assert re.search(r"train +6 ", said.out), said.out


TERMINALS = {
    "latin-1": {"PYTHONIOENCODING": "latin-1"},
    "ascii": {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C", "PYTHONIOENCODING": "ascii"},
}


@pytest.mark.parametrize("terminal", TERMINALS)
def test_latin1_terminal(workspace: Path, call: Call, terminal: str) -> None:
    """Signs that the terminal's encoding lacks are shown as escapes, on the terminal and in JSON."""
    pages = workspace / "pages"
    write_image(pages / "p.png")
    put(pages, page_xml(page_line(1, "d\u0304ni \u204a ab \uf1e1 \U0001d11e q é"), image="p.png"), "p.xml")
    environment = os.environ | TERMINALS[terminal]

    def said(*words: str) -> str:
        argv = [sys.executable, "-m", "htr_exp", "check", str(pages), *words]
        done = subprocess.run(argv, env=environment, cwd=workspace, capture_output=True)
        assert (done.returncode, b"Traceback" in done.stderr) == (0, False), done.stderr.decode("latin-1")
        return done.stdout.decode("latin-1")

    assert "d U+0304 n i" in said("--html=page.html")
    assert json.loads(said("--json")) == call("check", pages, "--json").json
    assert "\u204a" in (workspace / "page.html").read_text(encoding="utf-8")
