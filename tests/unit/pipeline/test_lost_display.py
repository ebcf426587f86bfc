"""What becomes of a run where nothing can be shown any more."""

from __future__ import annotations

import fcntl
import os
import pty
import subprocess
import sys
import termios
from collections.abc import Callable
from typing import Any

import pytest

from helpers.command_line import CommandLine
from helpers.fake_kraken import Scenario
from helpers.waiting import TIMEOUT_S, until
from htr_exp.core.own_python import python_module
from htr_exp.runs.run_dir import RunDir

Lose = Callable[[], object]


def full_disk() -> tuple[dict[str, Any], Lose]:
    full = os.open("/dev/full", os.O_WRONLY)
    return {"stdout": full}, lambda: os.close(full)


def closed_pipe() -> tuple[dict[str, Any], Lose]:
    """As with `| head -1`."""
    reader, writer = os.pipe()
    os.close(reader)
    return {"stdout": writer}, lambda: os.close(writer)


def closed_terminal() -> tuple[dict[str, Any], Lose]:
    """As a laptop that is closed while it shows an ssh session: SIGHUP, and no output any more."""
    ours, theirs = pty.openpty()

    def own() -> None:
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

    def lose() -> None:
        os.close(theirs)
        os.close(ours)

    return {"stdin": theirs, "stdout": theirs, "stderr": theirs, "start_new_session": True, "preexec_fn": own}, lose


@pytest.mark.parametrize("display", [full_disk, closed_pipe, closed_terminal])
def test_the_display_never_ends_the_work(
    htr_exp: CommandLine, scenario: Scenario, display: Callable[[], tuple[dict[str, Any], Lose]]
) -> None:
    scenario.play(epoch_seconds=0.3)
    options, lose = display()
    words = [sys.executable, "-m", "htr_exp", *htr_exp.training("training.epochs=4")]
    process = subprocess.Popen(words, cwd=htr_exp.folder, text=True, **({"stderr": subprocess.PIPE} | options))
    htr_exp.started.append(process)
    until(lambda: htr_exp.runs and htr_exp.runs[0].epochs(), "an epoch")
    lose()
    _, errors = process.communicate(timeout=TIMEOUT_S)
    (run,) = htr_exp.runs
    assert (process.returncode, run.state().state) == (0, "done"), errors
    assert [epoch["epoch"] for epoch in run.epochs()] == [0, 1, 2, 3]
    if errors is not None:
        (line,) = errors.splitlines()
        assert line.startswith("warning: stdout cannot be written any more (")


@pytest.mark.parametrize("verb", [["options"], ["options", "--json"], ["--help"], ["status"]])
def test_what_only_shows_ends_with_its_pipe(htr_exp: CommandLine, verb: list[str]) -> None:
    options, lose = closed_pipe()
    words = [sys.executable, "-m", "htr_exp", *verb]
    done = subprocess.run(words, cwd=htr_exp.folder, stderr=subprocess.PIPE, check=False, **options)
    lose()
    assert (done.returncode, done.stderr) == (0, b"")


def launched(run: RunDir, **options: Any) -> subprocess.CompletedProcess[str]:
    """The process of one of several runs, or of a job."""
    words = python_module("htr_exp.pipeline.launch", str(run.path))
    return subprocess.run(words, stderr=subprocess.PIPE, text=True, check=False, **options)


@pytest.mark.parametrize("display", [full_disk, closed_pipe])
def test_the_process_of_a_run_needs_no_display_either(
    planned: Callable[..., RunDir], scenario: Scenario, display: Callable[[], tuple[dict[str, Any], Lose]]
) -> None:
    run = planned("training.epochs=1")
    options, lose = display()
    done = launched(run, **options)
    lose()
    assert (done.returncode, run.state().state) == (0, "done"), done.stderr
    assert done.stderr.startswith("warning: stdout cannot be written any more (")


def test_the_process_of_a_run_that_cannot_be_written_says_so(
    planned: Callable[..., RunDir], scenario: Scenario
) -> None:
    run = planned()
    run.state_file.unlink()
    run.state_file.mkdir()  # stands for a disk that is full or read-only: nothing can be put there
    done = launched(run, stdout=subprocess.PIPE)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert done.stderr.startswith("error: ")
    assert str(run.live) in done.stderr
