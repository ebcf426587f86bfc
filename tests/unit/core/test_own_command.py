from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import htr_exp
from htr_exp.core import own_command


@pytest.fixture(autouse=True)
def asked_anew() -> Iterator[None]:
    own_command._program.cache_clear()
    yield
    own_command._program.cache_clear()


def test_in_the_active_environment_it_is_the_program_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    assert own_command.own_command("status --watch") == "htr-exp status --watch"


def test_outside_the_environment_it_works_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    program = own_command.own_command("--version").split()
    assert Path(program[0]).is_absolute()
    assert subprocess.run(program, capture_output=True, text=True).stdout == f"htr_exp {htr_exp.__version__}\n"


def test_a_launcher_names_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTR_EXP_LAUNCHER", "./htr-exp")
    assert own_command.own_command("ui") == "./htr-exp ui"


def test_without_the_program_python_runs_the_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    python = tmp_path / "python"
    shutil.copy("/bin/sh", python)
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert own_command.own_command("ui") == "python -m htr_exp ui"


def test_no_hint_spells_the_command_by_hand() -> None:
    package = Path(htr_exp.__file__).parent
    allowed = {"core/own_command.py", "demo/generate.py"}
    by_hand = {
        source.relative_to(package).as_posix()
        for source in package.rglob("*.py")
        if "python -m htr_exp" in source.read_text(encoding="utf-8")
    }
    assert by_hand <= allowed
