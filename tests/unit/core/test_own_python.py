"""Programs that we start find no module in the current directory."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from helpers.folders import CHECKOUT
from htr_exp.core.own_python import python_module, spawn_context

pytestmark = pytest.mark.seconds


@pytest.fixture
def trapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current directory in which every module of Python's own, and some others, writes down that it ran."""
    folder = tmp_path / "from-elsewhere"
    folder.mkdir()
    for name in {*sys.stdlib_module_names, "htr_exp", "rich", "yaml", "numpy"} - {"__future__"}:
        (folder / f"{name}.py").write_text(f"open({str(folder / 'ran')!r}, 'a').write({name!r} + '\\n')\n")
    monkeypatch.chdir(folder)
    return folder


def ran(folder: Path) -> str:
    return (folder / "ran").read_text() if (folder / "ran").exists() else ""


def test_a_module_is_started_without_the_current_directory(trapped: Path) -> None:
    said = subprocess.run(python_module("json.tool", "--help"), capture_output=True, text=True)
    assert (said.returncode, ran(trapped)) == (0, "")
    assert "usage: " in said.stdout


def test_a_module_of_ours_is_that_of_this_process(trapped: Path) -> None:
    said = subprocess.run(python_module("htr_exp", "--version"), capture_output=True, text=True)
    assert said.stdout.startswith("htr_exp ")
    assert ran(trapped) == ""


def test_a_module_gets_its_arguments(trapped: Path) -> None:
    data = trapped / "data.json"
    data.write_text('{"b": 1}')
    said = subprocess.run(python_module("json.tool", "--compact", str(data)), capture_output=True, text=True)
    assert said.stdout == '{"b":1}\n'


def test_a_spawned_process_is_started_without_the_current_directory(trapped: Path) -> None:
    with ProcessPoolExecutor(1, mp_context=spawn_context()) as pool:
        assert pool.submit(os.getpid).result(60) != os.getpid()
    assert ran(trapped) == ""


@pytest.mark.parametrize("variable", ["{here}", ".", "", ":", ":{other}", "{other}:", "sub"])
def test_neither_we_nor_our_children_look_into_the_current_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    (tmp_path / "here" / "sub").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("PYTHONPATH", variable.format(here=tmp_path / "here", other=tmp_path / "other") + f":{CHECKOUT}")
    shown = "import htr_exp, os, sys; print(sys.path, os.environ['PYTHONPATH'])"
    said = subprocess.run([sys.executable, "-c", shown], capture_output=True, text=True)
    assert said.stderr == ""
    assert f"'{CHECKOUT}'" in said.stdout
    assert "here" not in said.stdout
    assert "''" not in said.stdout
    assert ("other" in variable) == (str(tmp_path / "other") in said.stdout)
    assert said.stdout.split()[-1] in (str(CHECKOUT), f"{tmp_path / 'other'}:{CHECKOUT}")


def test_a_checkout_in_the_current_directory_stays_ours() -> None:
    shown = "import htr_exp, hydra_plugins.htr_exp_sweep, sys; print(sys.path)"
    said = subprocess.run([sys.executable, "-c", shown], cwd=CHECKOUT, capture_output=True, text=True)
    assert said.stderr == ""
