from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from htr_exp.config.schema import Runtime
from htr_exp.core import machine
from htr_exp.core.errors import RuntimeUnavailableError
from htr_exp.kraken import runtime


@pytest.mark.parametrize(
    ("asked", "device", "given", "workers"),
    [
        (None, "cpu", "8", 0),
        (None, "cuda:0", "4", 3),
        (None, "cuda:0", "1", 0),
        (2, "cuda:0", "4", 2),
        (2, "cpu", "4", 2),
        (0, "cuda:0", "4", 0),
    ],
)
def test_loader_processes_follow_the_cpus_of_the_job(
    asked: int | None, device: str, given: str, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", given)
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(64)), raising=False)
    assert machine.workers(asked, device) == workers


def test_loader_processes_are_never_more_than_eight_nor_than_the_cpus_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("SLURM_CPUS_PER_TASK", raising=False)
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(64)), raising=False)
    assert machine.workers(None, "cuda:0") == 8
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "16")
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 1}, raising=False)
    assert machine.workers(None, "cuda:0") == 1


def wanted(**changes: Any) -> Runtime:
    """The runtime group as conf/runtime/host.yaml has it, changed."""
    return replace(Runtime(kind="host", fallback=False, mixed_versions=False), **changes)


def test_a_kraken_that_is_elsewhere_is_taken_as_stated() -> None:
    there = runtime.stated(wanted(ketos="/opt/kraken/bin/ketos", kraken="7.1.4"))
    assert (there.version, there.program("kraken")) == ("7.1.4", "/opt/kraken/bin/kraken")


def test_without_a_path_the_job_takes_the_kraken_of_its_python_or_of_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    monkeypatch.setattr("sys.executable", str(python))
    assert runtime.stated(wanted(kraken="7.1.1")).program("ketos") == "ketos"
    (python.parent / "ketos").touch()
    assert runtime.stated(wanted(kraken="7.1.1")).program("ketos") == str(python.parent / "ketos")


@pytest.mark.parametrize("version", ["6.0.3", "5.3.0", "4.3.12", "8.0.0", "new"])
@pytest.mark.parametrize("kind", ["host", "module", "apptainer"])
def test_a_stated_version_must_be_supported(version: str, kind: str) -> None:
    with pytest.raises(RuntimeUnavailableError, match=rf"runtime.kraken={version}: .* supported are 4.3.13 and 7.1.x"):
        runtime.stated(wanted(kind=kind, kraken=version))
