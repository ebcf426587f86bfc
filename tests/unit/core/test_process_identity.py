from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from htr_exp.core import process_identity
from htr_exp.core.process_identity import here, lives, start_of

LINUX = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")


@LINUX
def test_start_of_a_process_is_in_ticks_since_the_machine_was_started() -> None:
    ours = start_of(os.getpid())
    assert ours is not None
    seconds = psutil.boot_time() + ours / os.sysconf("SC_CLK_TCK")
    assert abs(seconds - psutil.Process().create_time()) < 2


@pytest.mark.parametrize("linux", [pytest.param(True, marks=LINUX), False])
def test_ended_process_and_zombie_do_not_live(monkeypatch: pytest.MonkeyPatch, linux: bool) -> None:
    monkeypatch.setattr(process_identity, "_LINUX", linux)
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = start_of(process.pid)
    assert started is not None
    assert lives(process.pid, started)
    assert not lives(process.pid, started + 1)
    assert process.stdin is not None
    process.stdin.close()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert not lives(process.pid, started)
    process.wait()
    assert not lives(process.pid, started)


@LINUX
def test_process_that_is_hidden_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_bytes", lambda path: (_ for _ in ()).throw(FileNotFoundError()))
    assert lives(os.getpid(), 1)
    assert not lives(2**22 + 1, 1)


def test_processes_see_each_other_on_one_machine_in_one_namespace() -> None:
    ours = replace(here(), boot="b", namespace="n")
    assert ours.sees(replace(ours, host="renamed"))
    assert not ours.sees(replace(ours, namespace="m"))
    assert not ours.sees(replace(ours, boot="c"))
    assert ours.restarted_since(replace(ours, boot="c"))
    assert not ours.restarted_since(replace(ours, boot="c", machine="another"))
    assert not ours.restarted_since(ours)


def test_where_the_kernel_draws_no_number_the_name_decides() -> None:
    ours = replace(here(), boot="", namespace="")
    assert ours.sees(ours)
    assert not ours.sees(replace(ours, host="elsewhere"))
    assert not ours.restarted_since(ours)
