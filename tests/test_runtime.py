from __future__ import annotations

from pathlib import Path

import pytest

from htr_exp import runtime
from htr_exp.errors import RuntimeUnavailableError


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
    assert runtime.workers(asked, device) == workers


def test_loader_processes_are_never_more_than_eight_nor_than_the_cpus_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("SLURM_CPUS_PER_TASK", raising=False)
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(64)), raising=False)
    assert runtime.workers(None, "cuda:0") == 8
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "16")
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 1}, raising=False)
    assert runtime.workers(None, "cuda:0") == 1


def test_a_kraken_that_is_elsewhere_is_taken_as_stated() -> None:
    there = runtime.stated("/opt/kraken/bin/ketos", "7.1.4")
    assert (there.version, there.program("kraken")) == ("7.1.4", "/opt/kraken/bin/kraken")


def test_without_a_path_the_job_takes_the_kraken_of_its_python_or_of_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    monkeypatch.setattr("sys.executable", str(python))
    assert runtime.stated(None, "7.1.1").program("ketos") == "ketos"
    (python.parent / "ketos").touch()
    assert runtime.stated(None, "7.1.1").program("ketos") == str(python.parent / "ketos")


def test_a_stated_version_must_be_supported() -> None:
    with pytest.raises(RuntimeUnavailableError, match=r"runtime.kraken=6.0.3: supported is 7.1.x"):
        runtime.stated(None, "6.0.3")
