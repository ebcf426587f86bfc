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
    assert [epoch["epoch"] for epoch in run.epochs()] == [1, 2, 3, 4]
    if errors is not None:
        (line,) = errors.splitlines()
        assert line.startswith("warning: stdout cannot be written any more (")


VERBS = [
    ["options"],
    ["options", "--json"],
    ["--help"],
    ["check", "--help"],
    ["status"],
    ["status", "--json"],
    ["compare", "--csv"],
]
"""What only shows."""


def shown(htr_exp: CommandLine, verb: list[str], how: str = "", **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a verb that only shows, by a shell that redirects what it says."""
    words = ["sh", "-c", f'exec "$@" {how}', "sh", sys.executable, "-m", "htr_exp", *verb]
    given = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    return subprocess.run(words, cwd=htr_exp.folder, check=False, text=True, **given)


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_what_only_shows_ends_with_its_pipe(htr_exp: CommandLine, verb: list[str]) -> None:
    options, lose = closed_pipe()
    done = shown(htr_exp, verb, **options)
    lose()
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_what_only_shows_says_that_it_cannot_be_written(htr_exp: CommandLine, verb: list[str]) -> None:
    done = shown(htr_exp, verb, ">/dev/full")
    assert (done.returncode, done.stderr.splitlines()) == (
        2,
        [
            "error: stdout cannot be written (No space left on device)",
            "  - free some space, or let it be shown elsewhere; then run the same command again",
        ],
    )


@pytest.mark.parametrize(
    ("how", "code", "said"),
    [
        (">&-", 2, "error: stdout cannot be written (Bad file descriptor)\n  - let it be shown elsewhere; then run the same command again\n"),
        (">/dev/full 2>&1", 2, ""),
        ("<&- >&- 2>&-", 2, ""),
        ("<&- 2>&-", 0, ""),
        ("2>/dev/full", 0, ""),
    ],
)  # fmt: skip
def test_streams_that_are_closed_or_full_end_in_no_traceback(
    htr_exp: CommandLine, how: str, code: int, said: str
) -> None:
    done = shown(htr_exp, ["options", "--json"], how)
    assert (done.returncode, done.stderr) == (code, said)
    assert (done.stdout != "") == (code == 0)
    wrong = shown(htr_exp, ["check", "nowhere"], how)
    assert wrong.returncode == 2
    assert "Traceback" not in wrong.stdout + wrong.stderr


def test_a_table_that_nobody_reads_or_that_cannot_be_written_ends_as_other_words_do(htr_exp: CommandLine) -> None:
    assert htr_exp.train().code == 0
    options, lose = closed_pipe()
    for verb in ("compare", "status"):
        done = shown(htr_exp, [verb], **options)
        assert (done.returncode, done.stderr) == (0, "")
        done = shown(htr_exp, [verb], ">/dev/full")
        assert (done.returncode, done.stderr.count("\n")) == (2, 2), done.stderr
    lose()


def test_work_goes_on_with_all_streams_closed(htr_exp: CommandLine) -> None:
    done = shown(htr_exp, htr_exp.training("training.epochs=1"), "<&- >&- 2>&-")
    assert done.returncode == 0
    (run,) = htr_exp.runs
    assert run.state().state == "done"


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
