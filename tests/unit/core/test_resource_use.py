"""What a program and its children take, by what the system and nvidia-smi say."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.findings import program
from htr_exp.core import resource_use
from htr_exp.core.resource_use import ResourceWatch

pytestmark = pytest.mark.seconds

MB = 80
HOLDS = f"held = b'x' * {MB * 10**6}"
CHILD = f"import sys; {HOLDS}; print('ready', flush=True); sys.stdin.read()"


@pytest.fixture
def parent() -> Iterator[subprocess.Popen[str]]:
    """A program that holds 80 MB, and so does its child."""
    words = f"import subprocess, sys; {HOLDS}; subprocess.run([sys.executable, '-c', {CHILD!r}])"
    started = subprocess.Popen([sys.executable, "-c", words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with started:
        assert started.stdout is not None
        assert started.stdout.readline() == "ready\n"
        yield started


def test_what_a_program_and_its_children_hold_is_added_up_and_the_most_is_kept(
    parent: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource_use, "LOOK_S", 0.0)
    watch = ResourceWatch(parent.pid, on_gpu=False, before={})
    watch.look()
    peak = watch.peaks["memory_gb"]
    assert 2 * MB / 1000 <= peak < 1
    assert parent.stdin is not None
    parent.stdin.close()
    parent.wait()
    watch.look()
    assert watch.peaks == {"memory_gb": peak}
    later = ResourceWatch(os.getpid(), on_gpu=False, before={"epoch": 3, "memory_gb": 99.0})
    later.look()
    assert later.peaks == {"memory_gb": 99.0}


def test_of_gpus_only_what_its_own_processes_hold_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parent: subprocess.Popen[str]
) -> None:
    (tmp_path / "pid").write_text(str(parent.pid))
    says = f'read pid < \'{tmp_path}/pid\'; echo "$pid, 1000"; echo "$pid, 500"; echo \'1, 70000\'; echo "$pid, [N/A]"'
    monkeypatch.setenv("PATH", f"{program(tmp_path, 'nvidia-smi', says).parent}:{os.environ['PATH']}")
    for on_gpu, peaks in ((True, {"gpu_memory_gb": 1.57}), (False, {})):
        watch = ResourceWatch(parent.pid, on_gpu=on_gpu, before={})
        watch.look_at_gpu()
        assert watch.peaks == peaks


def test_a_driver_that_hangs_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    says = f"echo asked >> '{tmp_path}/asked'; sleep 600"
    monkeypatch.setenv("PATH", f"{program(tmp_path, 'nvidia-smi', says).parent}:{os.environ['PATH']}")
    monkeypatch.setattr(resource_use, "GPU_TIMEOUT_S", 3.0)
    watch = ResourceWatch(os.getpid(), on_gpu=True, before={})
    for _ in range(3):
        watch.look_at_gpu()
    assert watch.peaks == {}
    assert (tmp_path / "asked").read_text().count("asked") <= 1


def test_cpu_time_is_that_of_all_processes_since_the_last_question() -> None:
    burns = "import time\nwhile time.process_time() < {}: pass\n"
    child = burns.format(0.3) + "print('ready', flush=True); input()"
    words = f"import subprocess, sys\n{burns.format(0.4)}subprocess.run([sys.executable, '-c', {child!r}])"
    with subprocess.Popen(
        [sys.executable, "-c", words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as one:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
        watch = ResourceWatch(one.pid, on_gpu=False, before={})
        first, second = watch.cpu_time(), watch.cpu_time()
        one.communicate("\n")
        assert watch.cpu_time()["cpu_s"] < 0.1
    assert 0.65 < first["cpu_s"] < 10
    assert second["cpu_s"] < 0.1
    assert ResourceWatch(one.pid, on_gpu=False, before={}).cpu_time() == {}
