"""kraken on this machine and through a module."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from helpers.findings import of_kraken, program
from htr_exp.cli.doctor import (
    kraken,
)
from htr_exp.cli.doctor.finding import Finding
from htr_exp.core.own_command import own_command
from htr_exp.kraken import environment_modules


def test_kraken_of_this_machine_is_started(workspace: Path, fake_kraken: Path) -> None:
    found = of_kraken(f"runtime.ketos={fake_kraken}")
    assert found == {"runtime=host": Finding("runtime=host", "ok", f"kraken 7.1.1 ({fake_kraken})")}


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("echo 'ketos, version 5.2.9'", "5.2.9"),
        ("echo 'ImportError: libcudart.so: cannot open' >&2; exit 1", "ImportError: libcudart.so: cannot open"),
        ("sleep 3", "does not answer within 0.5 s"),
    ],
)
def test_a_kraken_that_cannot_be_used_is_an_error(
    script: str, told: str, workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kraken, "PATIENCE_S", 0.5 if "sleep" in script else 60)
    broken = program(tmp_path / "broken", "ketos", script)
    found = of_kraken(f"runtime.ketos={broken}")["runtime=host"]
    assert found.state == "error"
    assert told in found.found


def test_no_kraken_is_an_error_with_the_words_of_pip(
    workspace: Path, bare_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    found = of_kraken()["runtime=host"]
    assert (found.state, found.found) == ("error", "kraken is not installed here")
    assert "pip install 'htr-exp[kraken]'" in str(found.remedy)


def test_kraken_of_a_module_is_started(workspace: Path, kraken_module: Path) -> None:
    found = of_kraken("runtime=module", f"runtime.modulepath=[{kraken_module}]", "runtime.fallback=false", "runtime.image=null", "runtime.fallback_kraken=null")  # fmt: skip
    assert {one.state for one in found.values()} == {"ok"}
    assert found["module system"].found == "Environment Modules 5.2.0"
    assert "kraken/4.3.13" in found["modules"].found
    assert found["module kraken/4.3.13"].found.startswith("kraken 4.3.13 (")


def test_a_module_that_is_not_there_is_told_in_its_own_words(workspace: Path, modulefiles: Path) -> None:
    found = of_kraken("runtime=module", f"runtime.modulepath=[{modulefiles}]", "runtime.fallback=false", "runtime.image=null", "runtime.fallback_kraken=null")  # fmt: skip
    assert found["module kraken/4.3.13"].state == "error"
    assert "Unable to locate a modulefile for 'kraken/4.3.13'" in found["module kraken/4.3.13"].found
    assert "ask the administrators" in str(found["module kraken/4.3.13"].remedy)


def test_without_a_module_command_the_module_is_an_error_and_what_comes_after_it_is_told(
    workspace: Path, modulefiles: Path, bare_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MODULESHOME")
    for place in ("/etc/profile.d", "/usr/share", "/opt"):  # whatever this machine has
        monkeypatch.setattr(
            environment_modules, "SCRIPT", environment_modules.SCRIPT.replace(place, "/dev/null/nowhere")
        )
    found = of_kraken("runtime=module")
    assert (found["module kraken/4.3.13"].state, found["module kraken/4.3.13"].found) == (
        "error",
        "there is no `module` command here",
    )
    assert found["Apptainer"].state == "error"
    assert found["image kraken-4.3.13.sif"].state == "error"


def test_what_a_login_node_lacks_is_a_warning_for_a_job_and_says_how_to_ask_the_node(
    workspace: Path, modulefiles: Path
) -> None:
    found = of_kraken("runtime=module", "slurm=publicgpu")["module kraken/4.3.13"]
    assert found.state == "warning"
    asks = f"`srun --partition=publicgpu --gres=gpu:1 --constraint=gputc --mem=8G --time=10 {own_command('doctor')} runtime=module slurm=publicgpu`"
    assert asks in str(found.remedy)


def test_a_module_system_that_hangs_is_given_up(
    workspace: Path, modulefiles: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_MODULES", "hung")
    monkeypatch.setattr(kraken, "MODULES_S", 0.5)
    monkeypatch.setattr(environment_modules, "TIMEOUT_S", 2.0)
    found = of_kraken("runtime=module", "runtime.fallback=false", "runtime.image=null", "runtime.fallback_kraken=null")
    assert found["module kraken/4.3.13"].found == "the module system does not answer within 0.5 s"
