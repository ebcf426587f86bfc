"""Memory that runs out is told in words, with real limits of the system."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.fake_kraken import Scenario
from helpers.folders import DEMO
from helpers.memory_limits import addresses, control_group
from htr_exp.core.own_python import python_module
from htr_exp.runs.run_dir import RunDir

pytestmark = pytest.mark.seconds


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not hold a process to RLIMIT_AS")
@pytest.mark.parametrize("megabytes", [92, 112, 152])
def test_a_verb_whose_memory_is_limited_says_so(workspace: Path, megabytes: int) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "htr_exp", "check", str(DEMO / "pages"), "--quick"],
        cwd=workspace, env=os.environ | {"OPENBLAS_NUM_THREADS": "1"}, preexec_fn=addresses(megabytes),
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    headline, remedy = done.stderr.splitlines()
    assert headline == "error: the memory of this machine, or what this process may use of it, is full"
    assert "then run the same command again" in remedy


def test_a_kraken_that_takes_more_than_its_control_group_has_fails_its_run_in_words(
    planned: Callable[..., RunDir], scenario: Scenario
) -> None:
    scenario.play(eats_mb=600)
    run = planned()
    with control_group(300) as joins:
        done = subprocess.run(
            python_module("htr_exp.pipeline.launch", str(run.path)),
            preexec_fn=joins,
            capture_output=True,
            text=True,
            timeout=240,
        )
    assert done.returncode == 0, done.stderr
    state = run.state()
    assert state.state == "failed", done.stdout + done.stderr
    assert str(state.reason).startswith("kraken was killed (signal 9), as happens when memory is exceeded: ")
    scenario.play()
    again = subprocess.run(
        python_module("htr_exp.pipeline.launch", str(run.path)), capture_output=True, text=True, timeout=240
    )
    assert (again.returncode, run.state().state) == (0, "done")
