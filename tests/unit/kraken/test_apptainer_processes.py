"""What runs in an image hears signals, ends with us and leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from helpers.apptainer_image import in_image
from helpers.waiting import TIMEOUT_S
from htr_exp.kraken import apptainer
from htr_exp.kraken.apptainer import exec_command

SHELLS = [shell for shell in ("dash", "bash", "busybox") if shutil.which(shell)]


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a program in a session of its own; what is left of it is ended after the test."""
    started: list[subprocess.Popen[str]] = []

    def begin(words: list[str]) -> subprocess.Popen[str]:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        started.append(subprocess.Popen(words, **pipes, text=True, start_new_session=True))  # type: ignore[call-overload]
        return started[-1]

    yield begin
    for process in started:
        apptainer.kill(process.pid)
        process.wait()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        process.stdout.close()


def as_in_an_image(shell: str, *argv: str, leashed: bool) -> list[str]:
    """What the image's shell would be given, for a shell of ours."""
    line = exec_command(
        Path("/k.sif"), argv, binds=[], environment={"A": "b"}, folder=Path("/"), gpu=False, leashed=leashed
    )
    words = in_image(line)
    assert words[0] == "sh"
    return [*(["busybox", "sh"] if shell == "busybox" else [shell]), *words[1:]]


def alive_in(session: int) -> list[int]:
    """The processes of a session that have not ended."""
    found = []
    for state in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = state.read_bytes().rpartition(b")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] not in (b"Z", b"X"):
            found.append(int(state.parent.name))
    return found


def none_left_in(session: int) -> bool:
    end = time.monotonic() + 30
    while alive_in(session) and time.monotonic() < end:
        time.sleep(0.02)
    return not alive_in(session)


linux = pytest.mark.skipif(sys.platform != "linux", reason="Apptainer, and what it is given, runs on Linux alone")


@linux
@pytest.mark.parametrize("leashed", [False, True])
@pytest.mark.parametrize("shell", SHELLS)
def test_the_program_is_what_the_shell_becomes_and_does_not_hear_usr2(
    shell: str, leashed: bool, start: Callable[..., subprocess.Popen[str]]
) -> None:
    words = 'echo "$$ $A"; kill -USR2 $$; echo still here; exit 7'
    process = start(as_in_an_image(shell, "sh", "-c", words, leashed=leashed))
    assert process.stdout.read() == f"{process.pid} b\nstill here\n"
    assert process.wait(TIMEOUT_S) == 7
    process.stdin.close()
    assert none_left_in(process.pid)


@linux
@pytest.mark.parametrize("shell", SHELLS)
def test_a_leashed_program_ends_with_its_standard_input(
    shell: str, start: Callable[..., subprocess.Popen[str]]
) -> None:
    words = ["sh", "-c", 'read x; echo "read nothing: $?"; exec sleep 60']
    process = start(as_in_an_image(shell, *words, leashed=True))
    assert process.stdout.readline() == "read nothing: 1\n"
    os.killpg(process.pid, signal.SIGUSR2)
    time.sleep(0.2)
    assert process.poll() is None
    process.stdin.close()
    assert process.wait(TIMEOUT_S) == -signal.SIGKILL
    assert process.stdout.read() == ""
    assert none_left_in(process.pid)


@linux
@pytest.mark.parametrize("shell", SHELLS)
def test_the_leash_holds_while_the_program_ends_in_its_own_time(
    shell: str, start: Callable[..., subprocess.Popen[str]]
) -> None:
    script = (
        "import os, signal, time\n"  # os.write, since the signal may come while print is at work
        "def end(number, frame):\n    os.write(1, b'ending\\n')\n    time.sleep(60)\n"
        "signal.signal(signal.SIGTERM, end)\nprint('up', flush=True)\ntime.sleep(60)\n"
    )
    process = start(as_in_an_image(shell, sys.executable, "-c", script, leashed=True))
    assert process.stdout.readline() == "up\n"
    os.killpg(process.pid, signal.SIGTERM)
    assert process.stdout.readline() == "ending\n"
    process.stdin.close()
    assert process.wait(TIMEOUT_S) == -signal.SIGKILL
    assert none_left_in(process.pid)


@linux
def test_a_session_is_ended_with_the_groups_that_left_it(start: Callable[..., subprocess.Popen[str]]) -> None:
    script = "import os, time\nif os.fork() == 0:\n    os.setpgid(0, 0)\n    print('up', flush=True)\ntime.sleep(60)\n"
    process = start([sys.executable, "-c", script])
    assert process.stdout.readline() == "up\n"
    assert len(alive_in(process.pid)) == 2
    apptainer.kill(process.pid)
    assert process.wait(TIMEOUT_S) == -signal.SIGKILL
    assert none_left_in(process.pid)
    apptainer.kill(process.pid)  # again is no fault
