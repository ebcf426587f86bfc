"""The machine: GPUs and limits."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.findings import named
from htr_exp.cli.doctor import (
    machine,
)


def test_a_machine_without_gpu_is_no_fault(bare_path: Path) -> None:
    found = named(machine.findings(runs_here=True, device="auto"))
    assert found["GPU"].state == "note"
    assert found["memory"].state == "ok"
    assert found["processors"].found[0].isdigit()


def test_a_gpu_that_is_asked_for_and_not_there_is_an_error(bare_path: Path) -> None:
    assert named(machine.findings(runs_here=True, device="cuda:0"))["GPU"].state == "error"
    assert named(machine.findings(runs_here=False, device="cuda:0"))["GPU"].state == "note"


def test_gpus_are_told_with_memory_and_driver(on_path: Callable[[str, str], Path]) -> None:
    on_path("nvidia-smi", "echo '0, Tesla T4, 15360 MiB, 535.104.05'; echo '1, Tesla T4, 15360 MiB, 535.104.05'")
    found = named(machine.findings(runs_here=True, device="auto"))["GPU"]
    assert found.state == "ok"
    assert found.found == "0: Tesla T4 (15360 MiB), 1: Tesla T4 (15360 MiB); driver 535.104.05"


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("echo 'NVIDIA-SMI has failed because it could not communicate with the NVIDIA driver.'; exit 9", "could not communicate"),
        ("sleep 60", "does not answer within 0.3 s"),
        ("true", "exit code 0"),
    ],
)  # fmt: skip
def test_a_broken_driver_is_told(
    script: str, told: str, on_path: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "TIMEOUT_S", 0.3)
    on_path("nvidia-smi", script)
    found = named(machine.findings(runs_here=True, device="auto"))["GPU"]
    assert found.state == "warning"
    assert told in found.found


@pytest.mark.parametrize("version", [1, 2])
def test_the_memory_that_a_session_may_use_is_told(
    version: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "cgroup"
    if version == 2:
        own.write_text("0::/user.slice/user-7.slice\n")
        slice_, file = tmp_path / "user.slice" / "user-7.slice", "memory.max"
    else:
        own.write_text("5:cpu:/\n4:memory:/user.slice/user-7.slice\n")
        slice_, file = tmp_path / "memory" / "user.slice" / "user-7.slice", "memory.limit_in_bytes"
    slice_.mkdir(parents=True)
    (slice_ / file).write_text("max\n")
    (slice_.parent / file).write_text("800000000\n")
    monkeypatch.setattr(machine, "CGROUPS", tmp_path)
    monkeypatch.setattr(machine, "OWN_CGROUPS", own)
    found = named(machine.findings(runs_here=True, device="cpu"))["memory"]
    assert found.state == "warning"
    assert "the limit of this session (cgroup) allows 800 MB: a training takes about 1.5 GB" in found.found
    assert named(machine.findings(runs_here=False, device="cpu"))["memory"].state == "ok"


def test_a_limit_of_the_shell_is_told() -> None:
    code = "from htr_exp.cli.doctor import machine; print(machine.memory_limit())"
    said = subprocess.run(
        ["sh", "-c", 'ulimit -v 1000000 && exec "$0" -c "$1"', sys.executable, code], capture_output=True, text=True
    )
    assert said.stdout == "(1024000000.0, '`ulimit -v`')\n", said.stderr
