"""The doctor, with each thing broken in turn. Slurm, modules and Apptainer are fakes here, which say what the real ones were heard to say."""

from __future__ import annotations

import contextlib
import functools
import http.server
import importlib.metadata
import io
import json
import os
import platform
import re
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from fakes.fake_slurm_site import Site, site
from fakes.scenario import weights
from helpers.command_line import CommandLine
from helpers.folders import TESTS
from htr_exp.cli.doctor import (
    cluster,
    containers,
    examination,
    finding,
    folders,
    kraken,
    machine,
    models,
    records,
    software,
    terminal,
)
from htr_exp.cli.doctor.finding import Finding, NoAnswer, within
from htr_exp.cli.doctor.folders import Folder
from htr_exp.cli.main import main
from htr_exp.config.compose import compose_experiment
from htr_exp.config.schema import Experiment, Tracking
from htr_exp.core.lock import locked
from htr_exp.kraken import apptainer
from htr_exp.tracking import store as tracking_store
from htr_exp.tracking.store import lock

DATA = TESTS / "data" / "slurm"
MODULES = TESTS / "fakes" / "module_init.sh"
CHECKOUT = TESTS.parent


def named(findings: Iterable[Finding]) -> dict[str, Finding]:
    """Return findings by name. Every one is a sentence, and everything that is broken has a remedy."""
    found = list(findings)
    for one in found:
        assert one.state in ("ok", "note", "warning", "error")
        assert one.found
        assert one.found == one.found.strip()
        assert one.remedy or one.state in ("ok", "note"), one
    return {one.name: one for one in found}


@functools.cache
def composed(*words: str) -> Experiment:
    return compose_experiment(words).experiment


def program(folder: Path, name: str, script: str) -> Path:
    """Write a program that is a shell script."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)
    return folder / name


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Put a program on PATH, before any real one."""
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    return lambda name, script: program(tmp_path / "bin", name, script)


@pytest.fixture
def bare_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH of the system's own programs alone: no Slurm, no Apptainer, no GPU."""
    folder = tmp_path / "bare"
    folder.mkdir()
    for name in ("bash", "sh", "env", "cat", "sleep", "true"):
        (folder / name).symlink_to(f"/bin/{name}" if Path(f"/bin/{name}").exists() else f"/usr/bin/{name}")
    monkeypatch.setenv("PATH", str(folder))
    return folder


# ---- asking -----------------------------------------------------------------------------------------------------------


def test_what_hangs_is_given_up() -> None:
    began = time.monotonic()
    with pytest.raises(NoAnswer, match=r"^the disk does not answer within 0\.1 s$"):
        within(0.1, lambda: time.sleep(30), "the disk")
    assert time.monotonic() - began < 5


def test_what_a_question_raises_is_raised_where_it_was_asked() -> None:
    with pytest.raises(PermissionError):
        within(5, lambda: (_ for _ in ()).throw(PermissionError(13, "no")), "x")


def test_a_program_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    hung = program(tmp_path, "hung", f"sleep 600 & echo $! >'{tmp_path}/pid'; wait")
    with pytest.raises(NoAnswer, match=r"hung does not answer within 0\.5 s"):
        finding.said_by([str(hung)], timeout_s=0.5)
    pid = int((tmp_path / "pid").read_text())
    for _ in range(100):
        if not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text().split()[2]:
            break
        time.sleep(0.05)
    else:
        pytest.fail("its child is alive")


def test_a_program_that_cannot_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("x")
    with pytest.raises(NoAnswer, match="text does not start: Permission denied"):
        finding.said_by([str(tmp_path / "text")])


@pytest.mark.parametrize(
    ("problem", "parts"),
    [
        ("dataset is not set: choose one of `options`, or name a folder", ("dataset is not set", "choose one of `options`, or name a folder")),
        ("slurm.partition=x: there is no such partition; choose one of a, b", ("slurm.partition=x: there is no such partition", "choose one of a, b")),
        ("slurm.time_min=9: p allows 5 minutes", ("slurm.time_min=9: p allows 5 minutes", "mend it")),
    ],
)  # fmt: skip
def test_a_problem_is_told_apart_from_what_to_do(problem: str, parts: tuple[str, str]) -> None:
    assert finding.split(problem, "mend it") == parts


# ---- Python and packages ----------------------------------------------------------------------------------------------


def test_every_requirement_of_ours_is_understood() -> None:
    needs = software.required()
    assert needs is not None
    texts = importlib.metadata.requires("htr-exp") or []
    assert len(needs) == len(texts) > 10
    for need, text in zip(needs, texts):
        assert text.startswith(need.name)
        assert all(re.fullmatch(r"(?:[<>=!~]=|[<>])\d[\d.]*", part) for part in need.wanted.split(",")), text
    assert {need.extra for need in needs} == {None, *software.EXTRAS}


@pytest.mark.parametrize(
    ("spec", "version", "taken"),
    [
        ("x<1.4,>=1.3.2", "1.3.2", True),
        ("x<1.4,>=1.3.2", "1.3.8", True),
        ("x<1.4,>=1.3.2", "1.3.1", False),
        ("x<1.4,>=1.3.2", "1.4.0rc3", False),
        ("x>=11", "9.9", False),
        ("x>=2024.5", "2026.11.15", True),
        ("x==2.9.1", "2.9.1+cpu", True),
        ("x==2.9.1", "2.9.10", False),
        ("x~=2.0.1", "2.0.9", True),
        ("x~=2.0.1", "2.1", False),
        ("x~=2.0.1", "2.0.0", False),
        ("x!=2.0", "2", False),
        ("x>1", "1.0.1", True),
        ("x<=1", "1.0.1", False),
        ("x", "0", True),
    ],
)
def test_versions_are_compared_as_pip_does(spec: str, version: str, taken: bool) -> None:
    assert software.requirement(spec).takes(version) is taken


def test_all_that_is_needed_is_here() -> None:
    found = named(software.findings())
    assert {found["Python"].state, found["htr_exp"].state} == {"ok"}
    assert "hydra-core 1." in found["htr_exp"].found
    assert software.lacking() == []


@pytest.mark.parametrize(("version", "told"), [(None, "is not installed"), ("1.4.0", "is 1.4.0, and <1.4,>=1.3.2 is needed")])  # fmt: skip
def test_a_package_that_is_missing_or_too_new_is_told_with_pips_words(
    version: str | None, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.metadata.version

    def pretended(name: str) -> str:
        if name != "hydra-core":
            return real(name)
        if version is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return version

    monkeypatch.setattr(importlib.metadata, "version", pretended)
    found = named(software.findings())["hydra-core"]
    assert (found.state, found.found) == ("error", told)
    assert found.remedy == f"`{sys.executable} -m pip install 'hydra-core<1.4,>=1.3.2'`"
    assert [one.name for one in software.lacking()] == (["hydra-core"] if version is None else [])


@pytest.mark.parametrize(("version", "state"), [((3, 9, 2), "error"), ((3, 10, 0), "ok"), ((3, 13, 5), "ok"), ((3, 14, 0), "error")])  # fmt: skip
def test_a_python_that_is_not_supported_is_told(
    version: tuple[int, ...], state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "version_info", version)
    assert named(software.findings())["Python"].state == state


@pytest.mark.parametrize(("needed", "state"), [(frozenset(), "note"), (frozenset({"mlflow"}), "warning")])
def test_a_missing_extra_matters_where_it_is_needed(
    needed: frozenset[str], state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.metadata.version

    def pretended(name: str) -> str:
        if name == "mlflow":
            raise importlib.metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(importlib.metadata, "version", pretended)
    found = named(software.findings(needed=needed))["extra mlflow"]
    assert found.state == state
    assert "pip install 'htr-exp[mlflow]'" in str(found.remedy)


@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_a_python_without_any_package_is_told_instead_of_a_traceback(flags: tuple[str, ...]) -> None:
    said = subprocess.run(
        [sys.executable, "-S", "-m", "htr_exp", "doctor", *flags], cwd=CHECKOUT, capture_output=True, text=True
    )
    assert (said.returncode, said.stderr) == (2, "")
    assert "is not installed in this Python, which lacks hydra, " in said.stdout
    assert f"{sys.executable} -m pip install {CHECKOUT}" in said.stdout
    if flags:
        assert json.loads(said.stdout)[0]["state"] == "error"


# ---- the machine ------------------------------------------------------------------------------------------------------


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
    monkeypatch.setattr(finding, "TIMEOUT_S", 0.3)
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
    code = "from htr_exp.doctor import machine; print(machine.memory_limit())"
    said = subprocess.run(
        ["sh", "-c", 'ulimit -v 1000000 && exec "$0" -c "$1"', sys.executable, code], capture_output=True, text=True
    )
    assert said.stdout == "(1024000000.0, '`ulimit -v`')\n", said.stderr


# ---- folders and disks ------------------------------------------------------------------------------------------------


def written(path: Path) -> list[Folder]:
    return [Folder("workspace", path, "site.workspace", written=True)]


def test_a_folder_that_can_be_written_is_left_as_it_was(tmp_path: Path) -> None:
    found = named(folders.findings(written(tmp_path), shared=False))
    assert found["workspace"] == Finding("workspace", "ok", f"{tmp_path}, can be written")
    assert found["disk"].found.split()[2:4] == ["free", "of"]
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_yet_is_tried_above(tmp_path: Path) -> None:
    found = named(folders.findings(written(tmp_path / "a" / "b"), shared=False))
    assert found["workspace"].found == f"{tmp_path / 'a' / 'b'}, which is made when it is needed"
    assert list(tmp_path.iterdir()) == []


def test_a_file_or_a_link_to_nowhere_in_place_of_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    assert "is a file where a folder is needed" in named(folders.findings(written(tmp_path / "file"), shared=False))["workspace"].found  # fmt: skip
    found = named(folders.findings(written(tmp_path / "link" / "runs"), shared=False))["workspace"]
    assert (found.state, found.found) == ("error", f"{tmp_path / 'link'} is a link that leads nowhere")


def test_folders_to_read_from_may_be_missing_unless_they_are_asked_for(tmp_path: Path) -> None:
    folder = Folder("models", tmp_path / "x", "site.models", written=False)
    assert "models" not in named(folders.findings([folder], shared=False))
    asked = Folder("dataset", tmp_path / "x", "dataset.path", written=False, needed=True)
    assert named(folders.findings([asked], shared=False))["dataset"].state == "error"


@contextlib.contextmanager
def small_disk(folder: Path, options: str) -> Iterator[Path]:
    """Mount a small disk of its own."""
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True)
    if done.returncode:
        pytest.skip("mounting a small disk needs root: run the tests as root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_read_only_disk_is_told(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "ro,size=1m") as disk:
        found = named(folders.findings(written(disk / "runs"), shared=False))
    assert found["workspace"].state == "error"
    assert found["workspace"].found.endswith("cannot be written: Read-only file system")
    assert "site.workspace=FOLDER" in str(found["workspace"].remedy)


def test_a_home_that_cannot_be_written_is_a_warning(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "ro,size=1m") as disk:
        home = Folder("your home", disk, "HOME", written=True, unusable="warning")
        found = named(folders.findings([home], shared=False))["your home"]
    assert (found.state, "Read-only file system" in found.found) == ("warning", True)


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere: run the tests as an ordinary user")
def test_a_folder_of_somebody_else_is_told(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir(mode=0o555)
    found = named(folders.findings(written(tmp_path / "theirs"), shared=False))["workspace"]
    assert found.found.endswith("cannot be written: Permission denied")


def test_a_full_disk_is_an_error(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=1m") as disk:
        with contextlib.suppress(OSError), open(disk / "big", "wb") as file:
            file.write(bytes(2 << 20))
        found = named(folders.findings(written(disk), shared=False))
    assert found["disk"].state == "error"
    assert found["disk"].found.startswith("full: 0 bytes free of 1.0 MB (tmpfs, mounted at")
    assert found["workspace"].found.endswith("cannot be written: No space left on device")


def test_a_disk_without_room_for_more_files_is_an_error(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=2g,nr_inodes=30") as disk:
        found = named(folders.findings(written(disk), shared=False))
    assert found["files"].state == "error"
    assert found["files"].found.endswith("of 30 (inodes)")
    assert found["disk"].state == "warning"


def test_disks_that_are_told_only_to_be_read_may_be_full(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=1m") as disk:
        read = Folder("models", disk, "site.models", written=False)
        assert named(folders.findings([read], shared=False))["disk"].state == "ok"


def test_a_dead_file_server_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "TIMEOUT_S", 0.2)
    monkeypatch.setattr(folders, "_look", lambda folder: time.sleep(30))
    found = named(folders.findings(written(tmp_path), shared=False))["workspace"]
    assert (found.state, found.found) == ("error", f"the file system of {tmp_path} does not answer within 0.2 s")


def test_a_clock_that_is_off_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = time.time
    monkeypatch.setattr(folders.time, "time", lambda: real() - 95)
    found = named(folders.findings(written(tmp_path), shared=False))["workspace"]
    assert found.state == "warning"
    assert re.search(r"clock is 9\d s ahead of ours", found.found)


def test_a_workspace_on_a_disk_of_this_machine_is_noted_where_nodes_must_see_it(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=1m") as disk:
        assert "tmpfs" in named(folders.findings(written(disk), shared=True))["nodes"].found
        assert "nodes" not in named(folders.findings(written(disk), shared=False))


QUOTA = """Disk quotas for user bob (uid 500):
     Filesystem  blocks   quota   limit   grace   files   quota   limit   grace
      /dev/sda1  {blocks}  2000000 2500000  {grace}    5432       0       0        
10.0.0.1:/export/home
                 1000       0       0              10       0       0
"""
LUSTRE = """Disk quotas for usr bob (uid 500):
      Filesystem  kbytes   quota   limit   grace   files   quota   limit   grace
     /scratch   1234567       0       0       -    {files}  100000  110000       -
uid 500 is using default block quota setting
"""


@pytest.mark.parametrize(
    ("blocks", "grace", "state", "told"),
    [
        ("1000000 ", "", "ok", "1.0 GB of 2.6 GB used on /dev/sda1"),
        ("2400000*", "6days", "warning", "nearly full: 2.5 GB of 2.6 GB used on /dev/sda1"),
        ("2500000*", "none", "error", "full: 2.6 GB of 2.6 GB used on /dev/sda1"),
    ],
)
def test_a_quota_is_read(
    blocks: str, grace: str, state: str, told: str, tmp_path: Path, on_path: Callable[[str, str], Path]
) -> None:  # the texts are written from the manuals of quota 4.06 and lfs, not recorded
    on_path("quota", f"cat <<'END'\n{QUOTA.format(blocks=blocks, grace=grace)}END\nexit 1")
    found = [one for one in folders.findings(written(tmp_path), shared=False) if one.name == "quota"]
    assert [(one.state, one.found) for one in found] == [
        (state, told),
        ("ok", "none on 10.0.0.1:/export/home"),
    ]


def test_a_quota_of_lustre_counts_files_too(tmp_path: Path, on_path: Callable[[str, str], Path]) -> None:
    assert folders.quota_rows(LUSTRE.format(files=109000))[0]["hard_files"] == "110000"
    on_path("quota", f"cat <<'END'\n{LUSTRE.format(files=109000)}END")
    found = named(folders.findings(written(tmp_path), shared=False))["quota"]
    assert (found.state, found.found) == ("warning", "nearly full: 109000 of 110000 files used on /scratch")


@pytest.mark.parametrize(("script", "told"), [("echo 'Disk quotas for user root (uid 0): none'", "none is known"), ("sleep 60", "does not answer within 0.3 s")])  # fmt: skip
def test_no_quota_is_no_fault(
    script: str, told: str, tmp_path: Path, on_path: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "TIMEOUT_S", 0.3)
    on_path("quota", script)
    found = named(folders.findings(written(tmp_path), shared=False))["quota"]
    assert found.state == "note"
    assert told in found.found


# ---- kraken -----------------------------------------------------------------------------------------------------------


def of_kraken(*words: str, asked: bool = True) -> dict[str, Finding]:
    experiment = composed(*words)
    return named(kraken.findings(experiment, Path(experiment.site.images).absolute(), asked=asked, words=words))


def test_kraken_of_this_machine_is_started(workspace: Path, fake_kraken: Path) -> None:
    found = of_kraken(f"runtime.ketos={fake_kraken}")
    assert found == {"runtime=host": Finding("runtime=host", "ok", f"kraken 7.1.1 ({fake_kraken})")}


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("echo 'ketos, version 5.2.9'", "5.2.9"),
        ("echo 'ImportError: libcudart.so: cannot open' >&2; exit 1", "ImportError: libcudart.so: cannot open"),
        ("sleep 60", "does not answer within 0.5 s"),
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


@pytest.fixture
def modulefiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module system that plays Environment Modules, and its folder of modulefiles, empty yet."""
    (tmp_path / "system" / "init").mkdir(parents=True)
    (tmp_path / "system" / "init" / "sh").write_text(f". '{MODULES}'\n")
    for name in ("LMOD_PKG", "LMOD_DIR", "MODULEPATH", "LOADEDMODULES"):
        monkeypatch.delenv(name, raising=False)
    for name in [name for name in os.environ if name.startswith("BASH_FUNC_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MODULESHOME", str(tmp_path / "system"))
    monkeypatch.setenv("FAKE_MODULES", "em5")
    (tmp_path / "modulefiles").mkdir()
    return tmp_path / "modulefiles"


@pytest.fixture
def kraken_module(modulefiles: Path, fake_kraken4: Path) -> Path:
    (modulefiles / "kraken").mkdir()
    (modulefiles / "kraken" / "4.3.13").write_text(f"#%Module1.0\nprepend-path PATH {fake_kraken4.parent}\n")
    return modulefiles


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
        monkeypatch.setattr(kraken.modules, "SCRIPT", kraken.modules.SCRIPT.replace(place, "/dev/null/nowhere"))
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
    asks = "`srun --partition=publicgpu --gres=gpu:1 --constraint=gputc --mem=8G --time=10 python -m htr_exp doctor runtime=module slurm=publicgpu`"
    assert asks in str(found.remedy)


def test_a_module_system_that_hangs_is_given_up(
    workspace: Path, modulefiles: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_MODULES", "hung")
    monkeypatch.setattr(kraken, "MODULES_S", 0.5)
    monkeypatch.setattr(kraken.modules, "TIMEOUT_S", 2.0)
    found = of_kraken("runtime=module", "runtime.fallback=false", "runtime.image=null", "runtime.fallback_kraken=null")
    assert found["module kraken/4.3.13"].found == "the module system does not answer within 0.5 s"


def sif(path: Path, architecture: str | None = None, *, keep: int | None = None) -> Path:
    """Write a file with the header of a SIF image, with one object in it."""
    here = apptainer.MACHINES.get(platform.machine(), platform.machine())
    code = {name: code for code, name in apptainer.PROCESSORS.items()}[architecture or here]
    rows = apptainer.DESCRIPTOR.pack(0x4004, True, 1, 0, 0, 8192, 5000).ljust(585, b"\0")
    header = apptainer.HEADER.pack(
        b"#!/usr/bin/env run-singularity\n", b"SIF_MAGIC\0", b"01\0", code + b"\0", bytes(16), 0, 0, 0, 1, 4096, 585, 8192, 5000
    )  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(((header.ljust(4096, b"\0") + rows).ljust(8192, b"\0") + bytes(5000))[:keep])
    return path


@pytest.fixture
def fake_apptainer(fake_kraken: Path, on_path: Callable[[str, str], Path]) -> Callable[..., None]:
    """An apptainer that runs programs on this machine, or says what the real 1.4.5 was heard to say when it did not."""

    def play(words: str = "", code: int = 0) -> None:
        on_path(
            "apptainer",
            f"""[ "$1" = --version ] && {{ echo 'apptainer version 1.4.5'; exit; }}
            printf '%b\\n' '{words}' >&2
            [ {code} = 0 ] || exit {code}
            case "$*" in *.sif*) while [ "$1" != env ]; do shift; done; PATH='{fake_kraken.parent}':$PATH exec "$@" ;; esac""",
        )

    play()
    return play


def test_an_image_is_run_for_real(workspace: Path, fake_apptainer: Callable[..., None]) -> None:
    image = sif(workspace / "images" / "kraken-7.1.1.sif")
    sif(workspace / "images" / "cut.sif", keep=9000)
    sif(workspace / "images" / "mac.sif", "arm64" if platform.machine() != "aarch64" else "amd64")
    (workspace / "images" / "text.sif").write_text("no image")
    found = of_kraken("runtime=apptainer")
    assert found["Apptainer"].found.startswith("apptainer version 1.4.5")
    assert found["container"].found == "starts here in kraken-7.1.1.sif"
    used = found["image kraken-7.1.1.sif"]
    assert used.state == "ok"
    assert re.fullmatch(rf"kraken 7\.1\.1 \(sha256 [0-9a-f]{{12}}\); 13 kB, for \w+ \({image.parent}\)", used.found)
    for name, told in (("cut", "is cut short: it has 9000 of 13192 bytes"), ("mac", "is for another processor"), ("text", "is not a SIF image")):  # fmt: skip
        assert found[f"image {name}.sif"].state == "warning"
        assert told in found[f"image {name}.sif"].found


def test_an_image_that_hangs_is_given_up(
    workspace: Path, fake_apptainer: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(containers, "TIMEOUT_S", 0.5)
    (workspace / "images").mkdir()
    os.mkfifo(workspace / "images" / "kraken-7.1.1.sif")  # what reads it waits for ever
    found = of_kraken("runtime=apptainer")["image kraken-7.1.1.sif"]
    assert (found.state, "does not answer within 0.5 s" in found.found) == ("error", True)


@pytest.mark.parametrize(("keep", "told"), [(9000, "is cut short"), (None, "does not exist")])
def test_an_image_that_is_needed_and_broken_is_an_error(
    keep: int | None, told: str, workspace: Path, fake_apptainer: Callable[..., None]
) -> None:
    if keep:
        sif(workspace / "images" / "kraken-7.1.1.sif", keep=keep)
    found = of_kraken("runtime=apptainer")["image kraken-7.1.1.sif"]
    assert found.state == "error"
    assert told in found.found


FAILURES = [
    (r"\033[91mERROR  : Failed to create user namespace: maximum number of user namespaces exceeded, check /proc/sys/user/max_user_namespaces\n"
     r"\033[0mINFO   : A system administrator may need to enable user namespaces, install\nINFO   :   apptainer-suid, or compile with ./mconfig --with-suid",
     "Failed to create user namespace", "apptainer-suid"),
    (r"INFO:    fuse2fs not found, will not be able to mount EXT3 filesystems\nFATAL:   container creation failed: image driver mount failure: "
     r"image driver squashfuse_ll instance exited with error: squashfuse_ll exited: fuse: failed to open /dev/fuse: Permission denied",
     "failed to open /dev/fuse", "mode 0666"),
    (r"FATAL:   container creation failed: image driver mount failure: image driver squashfuse_ll instance exited with error: squashfuse_ll exited: "
     r"fuse: mount failed: Invalid argument", "fuse: mount failed", "squashfuse and fuse3"),
    (r"\033[91mERROR  : Requesting capability set 0x000001ffffffffff while permitted capability set is 0x000001fffeffffff\n\033[0m",
     "Requesting capability set", "root default capabilities = no"),
    (r"FATAL:   container creation failed: mount hook function failure: mount /proc/self/fd/3->/var/lib/apptainer/mnt/session/rootfs error: while "
     r"mounting image /proc/self/fd/3: kernel reported a bad superblock for squashfs image partition", "bad superblock", "copy it again"),
    (r"FATAL:   something that nobody has seen", "something that nobody has seen", "administrators"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "told", "remedy"), FAILURES, ids=[told for _, told, _ in FAILURES])
def test_a_container_that_cannot_be_started_says_why_and_what_to_do(
    words: str, told: str, remedy: str, workspace: Path, fake_apptainer: Callable[..., None]
) -> None:
    fake_apptainer(words, 255)
    sif(workspace / "images" / "kraken-7.1.1.sif")
    found = of_kraken("runtime=apptainer")["container"]
    assert found.state == "error"
    assert told in found.found
    assert "\x1b" not in found.found
    assert "INFO" not in found.found
    assert remedy in str(found.remedy)


def test_an_image_that_is_unpacked_at_every_start_is_a_warning(
    workspace: Path, fake_apptainer: Callable[..., None]
) -> None:
    fake_apptainer(r"INFO:    squashfuse not found, will not be able to mount SIF or other squashfs files\nINFO:    Converting SIF file to temporary sandbox...")  # fmt: skip
    sif(workspace / "images" / "kraken-7.1.1.sif")
    found = of_kraken("runtime=apptainer")
    assert found["container"].state == "warning"
    assert found["image kraken-7.1.1.sif"].state == "ok"


def test_a_container_that_hangs_is_given_up(
    workspace: Path, on_path: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(containers, "START_S", 0.3)
    on_path("apptainer", '[ "$1" = --version ] && { echo apptainer version 1.4.5; exit; }; sleep 60')
    assert "does not answer within 0.3 s" in of_kraken("runtime=apptainer")["container"].found


def test_an_image_in_place_of_the_module_makes_its_lack_a_warning(
    workspace: Path, modulefiles: Path, fake_apptainer: Callable[..., None]
) -> None:
    sif(workspace / "images" / "kraken-7.1.1.sif")
    found = of_kraken("runtime=module", "runtime.fallback_kraken=7.1.1")
    assert found["module kraken/4.3.13"].state == "warning"
    assert "the image is used instead" in str(found["module kraken/4.3.13"].remedy)
    assert found["image kraken-7.1.1.sif"].state == "ok"


def test_another_image_is_no_replacement(
    workspace: Path, modulefiles: Path, fake_apptainer: Callable[..., None]
) -> None:
    sif(workspace / "images" / "kraken-4.3.13.sif", keep=9000)
    sif(workspace / "images" / "kraken-7.1.1.sif")
    found = of_kraken("runtime=module")
    assert (found["module kraken/4.3.13"].state, found["image kraken-7.1.1.sif"].state) == ("error", "ok")


def test_with_the_module_the_image_may_be_missing(
    workspace: Path, kraken_module: Path, fake_apptainer: Callable[..., None]
) -> None:
    found = of_kraken("runtime=module", f"runtime.modulepath=[{kraken_module}]")
    assert found["module kraken/4.3.13"].state == "ok"
    assert found["image kraken-4.3.13.sif"].state == "note"


def test_without_a_choice_all_that_is_here_is_told(
    workspace: Path, kraken_module: Path, fake_apptainer: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setenv("MODULEPATH", str(kraken_module))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nowhere" / "python"))
    monkeypatch.setenv("PATH", os.pathsep.join(part for part in os.environ["PATH"].split(os.pathsep) if not (Path(part) / "ketos").exists()))  # fmt: skip
    sif(workspace / "images" / "kraken-7.1.1.sif")
    found = of_kraken(asked=False)
    assert (found["runtime=module"].state, found["runtime=apptainer"].state) == ("ok", "ok")
    assert found["runtime=host"].state == "warning"
    assert str(found["runtime=host"].remedy).startswith("choose runtime=module or runtime=apptainer, or install it")


# ---- base models ------------------------------------------------------------------------------------------------------


def of_models(folder: Path, *words: str, asked: bool = False, config_dirs: Sequence[Path] = ()) -> dict[str, Finding]:
    return named(models.findings(compose_experiment(words, config_dirs).experiment, folder, config_dirs, asked=asked))


def test_models_are_told_by_what_they_say_of_themselves(workspace: Path) -> None:
    folder = workspace / "models"
    folder.mkdir()
    (folder / "good.mlmodel").write_bytes(weights())
    (folder / "cut.mlmodel").write_bytes(weights()[:-50])
    (folder / "note.mlmodel").write_text("version https://git-lfs.github.com/spec/v1\n")
    (folder / "old.pronn").write_bytes(b"x")
    (folder / "readme.txt").write_text("not a model")
    os.mkfifo(folder / "pipe.mlmodel")
    found = of_models(folder)
    assert found["good.mlmodel"].state == "ok"
    assert re.fullmatch(r"recognition, 37 characters, \S+ \S+, network \[1,12,.*\]", found["good.mlmodel"].found)
    for name, told in (("cut.mlmodel", "ends too early"), ("note.mlmodel", "Git LFS"), ("old.pronn", "format of 2014")):
        assert found[name].state == "warning"
        assert told in found[name].found
    assert not {"readme.txt", "pipe.mlmodel"} & set(found)


def test_published_models_that_are_not_here_are_notes(workspace: Path) -> None:
    found = of_models(workspace / "models")
    assert found["models"].state == "note"
    assert (found["model=tridis"].state, "10.5281/zenodo.13862096" in found["model=tridis"].found) == ("note", True)
    assert "model=demo" not in found
    (workspace / "models").mkdir()
    (workspace / "models" / "tridis_v2_medieval_earlymodern.mlmodel").write_bytes(weights())
    found = of_models(workspace / "models")
    assert found["tridis_v2_medieval_earlymodern.mlmodel"].state == "ok"
    assert "model=tridis" not in found


def test_a_choice_of_ones_own_that_is_no_yaml_is_told(workspace: Path) -> None:
    (workspace / "mine" / "model").mkdir(parents=True)
    (workspace / "mine" / "model" / "broken.yaml").write_text("doi: [\n")
    (workspace / "mine" / "model" / "here.yaml").write_text("doi: 10.1/x\npath: here.mlmodel\n")
    told = of_models(workspace / "models", config_dirs=[workspace / "mine"])
    assert "model=here" not in told
    found = told["model=broken"]
    assert found.state == "warning"
    assert "broken.yaml cannot be read" in found.found


@pytest.mark.parametrize(
    ("words", "state", "told"),
    [
        (("model.path=good.mlmodel",), "ok", "recognition, 37 characters"),
        (("model.path=cut.mlmodel",), "error", "ends too early"),
        (("model.path=nowhere.mlmodel",), "error", "is not there"),
        (("model=tridis",), "note", "is not here yet"),
        (("model=demo",), "ok", "recognition"),
    ],
)
def test_the_model_that_is_asked_for_is_looked_at(
    words: tuple[str, ...], state: str, told: str, workspace: Path
) -> None:
    (workspace / "good.mlmodel").write_bytes(weights())
    (workspace / "cut.mlmodel").write_bytes(weights()[:-50])
    (found,) = of_models(workspace / "models", *words, asked=True).values()
    assert found.state == state
    assert told in found.found


def test_training_from_scratch_needs_no_model(workspace: Path) -> None:
    assert of_models(workspace / "models", "model=none", asked=True) == {}


def test_a_model_on_a_dead_disk_is_given_up(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "TIMEOUT_S", 0.3)
    monkeypatch.setattr(models, "read_header", lambda file: time.sleep(30))
    (workspace / "good.mlmodel").write_bytes(weights())
    (found,) = of_models(workspace, "model.path=good.mlmodel", asked=True).values()
    assert (found.state, "does not answer within 0.3 s" in found.found) == ("error", True)


# ---- Slurm ------------------------------------------------------------------------------------------------------------

NODES = "cpu1|public|idle\n" + "".join(f"gpu{n}|{p}|idle\n" for n in (1, 2, 3) for p in ("publicgpu", "grantgpu"))


@pytest.fixture
def slurm_site(workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A cluster that says what a Slurm 22.05 said."""
    found = site(tmp_path, monkeypatch)
    configured(found)
    found.says("sinfo", (DATA / "sinfo.txt").read_text() + NODES)
    return found


def configured(slurm_site: Site, **changes: str) -> None:
    text = (DATA / "scontrol_config.txt").read_text() + (DATA / "scontrol_partitions.txt").read_text()
    for name, value in changes.items():
        text, count = re.subn(rf"(?m)(^{name}\s*= ).*$", rf"\g<1>{value}", text)
        assert count, name
    slurm_site.says("scontrol", text)


def of_slurm(*words: str) -> dict[str, Finding]:
    return named(cluster.findings(composed(*words)))


def test_a_machine_without_slurm_is_one_note(workspace: Path, bare_path: Path) -> None:
    (found,) = of_slurm().values()
    assert (found.state, found.name) == ("note", "Slurm")
    (found,) = of_slurm("slurm=publicgpu").values()
    assert (found.state, found.name) == ("error", "slurm=publicgpu")
    assert "slurm=none" in str(found.remedy)


def test_programs_that_are_missing_are_told(slurm_site: Site, bare_path: Path, tmp_path: Path) -> None:
    for name in ("sbatch", "squeue", "sinfo", "scontrol", "scancel"):
        (bare_path / name).symlink_to(tmp_path / "slurm" / "bin" / name)
    assert of_slurm()["programs"].found == "sbatch is here, but not sacct"


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"err": "slurm_load_ctl_conf error: Unable to contact slurm controller (connect failure)\n", "code": 1}, "Unable to contact"),
        ({"sleep_s": 20}, "does not answer within 0.5 s"),
    ],
)  # fmt: skip
@pytest.mark.parametrize(("words", "state"), [((), "warning"), (("slurm=publicgpu",), "error")])
def test_a_controller_that_does_not_answer_ends_the_questions(
    answer: dict[str, Any], told: str, words: tuple[str, ...], state: str, slurm_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr(cluster, "TIMEOUT_S", 0.5 if "sleep_s" in answer else 10)
    slurm_site.says("scontrol", **answer)
    (found,) = of_slurm(*words).values()
    assert (found.name, found.state) == ("controller", state)
    assert told in found.found
    assert slurm_site.calls("sinfo") == []


def test_programs_that_know_no_cluster_are_told_apart(slurm_site: Site) -> None:
    slurm_site.says("scontrol", err="scontrol: fatal: Could not establish a configuration source\n", code=1)
    (found,) = of_slurm().values()
    assert found.state == "note"
    assert "they know of no cluster" in found.found


def test_sinfo_that_fails_is_told(slurm_site: Site) -> None:
    slurm_site.says("sinfo", err="slurm_load_partitions: Socket timed out on send/recv operation\n", code=1)
    assert "Socket timed out" in of_slurm()["controller"].found


def test_a_cluster_is_described(slurm_site: Site) -> None:
    found = of_slurm()
    assert {one.state for one in found.values()} == {"ok"}
    assert found["controller"].found == "answers: Slurm 22.05.8, cluster htr_exp"
    assert found["partition publicgpu"].found == (
        "jobs of up to 24 hours on 3 nodes with at most 8 CPUs and 15.6 GB; gres gpu:1; features gputc"
    )
    assert found["partition public"].found == "jobs of up to 24 hours on 1 node with 48 CPUs and 46.9 GB"
    assert found["partition grantgpu"].found.startswith("jobs without limit")
    assert "up to 1000 jobs" in found["limits"].found
    assert "killed 5 s later" in found["limits"].found


def test_the_partition_of_the_choice_comes_first(slurm_site: Site) -> None:
    found = [name for name in of_slurm("slurm=publicgpu") if name.startswith("partition")]
    assert found == ["partition publicgpu", "partition grantgpu", "partition public"]


def test_what_is_asked_for_is_tried_and_nothing_submitted(slurm_site: Site) -> None:
    found = of_slurm("slurm=publicgpu")["slurm=publicgpu"]
    assert found.found == "sbatch takes it: publicgpu, 300 minutes, 4 CPUs, 8 GB, gpu:1, gputc"
    assert [call["argv"] for call in slurm_site.calls("sbatch")] == [["--test-only"]]


@pytest.mark.parametrize(
    ("words", "told", "remedy"),
    [
        (("slurm.partition=nope",), "slurm.partition=nope: there is no such partition", "choose one of grantgpu, public, publicgpu"),
        (("slurm.time_min=9000",), "slurm.time_min=9000: publicgpu allows 1440 minutes", "change it"),
        (("slurm.cpus_per_task=0",), "slurm.cpus_per_task=0: it must be at least 1", "change it"),
    ],
)  # fmt: skip
def test_what_cannot_be_had_is_an_error(words: tuple[str, ...], told: str, remedy: str, slurm_site: Site) -> None:
    found = of_slurm("slurm=publicgpu", *words)["slurm=publicgpu"]
    assert (found.state, found.found) == ("error", told)
    assert str(found.remedy).startswith(remedy)


def test_what_sbatch_refuses_is_an_error_in_plain_words(slurm_site: Site) -> None:
    slurm_site.says("sbatch", err="sbatch: error: Invalid account or account/partition combination specified\n", code=1)
    found = of_slurm("slurm=publicgpu", "slurm.account=acc")["slurm=publicgpu"]
    assert found.state == "error"
    assert "slurm.account=acc slurm.partition=publicgpu: this account does not exist" in found.found


def test_a_partition_that_is_closed_or_without_nodes_is_a_warning_for_who_chose_it(slurm_site: Site) -> None:
    rows = (DATA / "sinfo.txt").read_text()
    slurm_site.says("sinfo", rows.replace("publicgpu|up", "publicgpu|down") + NODES)
    found = of_slurm("slurm=publicgpu")["partition publicgpu"]
    assert (found.state, found.found[:30]) == ("warning", "is down, no job begins there: ")
    assert of_slurm("slurm=grantgpu")["partition publicgpu"].state == "note"
    slurm_site.says("sinfo", rows + re.sub(r"(gpu[23]\|\w+)\|idle", r"\1|drained", NODES))
    found = of_slurm("slurm=publicgpu")["partition publicgpu"]
    assert (found.state, found.found.endswith("2 of its 3 nodes out of service (2 drained)")) == ("ok", True)
    slurm_site.says("sinfo", rows + re.sub(r"(gpu\d\|\w+)\|idle", r"\1|down*", NODES))
    found = of_slurm("slurm=publicgpu")["partition publicgpu"]
    assert (found.state, found.found.endswith("all of its nodes out of service (3 down)")) == ("warning", True)


def test_what_pre_emption_means_for_a_run_is_told(slurm_site: Site) -> None:
    found = of_slurm("slurm=publicgpu")["pre-emption"]
    assert found.state == "ok"
    assert found.found == (
        "a run in partition publicgpu may be pushed aside by a job of partition grantgpu: it is told at once, has 15 s to write its "
        "state, and loses at most the epoch under way; Slurm puts it back into the queue, and it goes on from there by itself "
        "(PreemptMode=REQUEUE, GraceTime=10, KillWait=5, send_user_signal)"
    )
    assert of_slurm("slurm=grantgpu")["pre-emption"].found == "no run in partition grantgpu is pushed aside by another"


@pytest.mark.parametrize(
    ("words", "told"),
    [((), "at most training.lag=10"), (("training.quit=fixed",), "then it loses the epoch under way")],
)
def test_too_few_seconds_are_told_with_what_they_cost(words: tuple[str, ...], told: str, slurm_site: Site) -> None:
    text = (DATA / "scontrol_config.txt").read_text().replace(",preempt_send_user_signal", "")
    slurm_site.says(
        "scontrol", text + (DATA / "scontrol_partitions.txt").read_text().replace("GraceTime=10", "GraceTime=0")
    )
    found = of_slurm("slurm=publicgpu", *words)["pre-emption"].found
    assert "it has 5 s to write its state, which may be too few" in found
    assert told in found


@pytest.mark.parametrize(
    ("mode", "state", "told"),
    [
        ("CANCEL", "warning", "Slurm does not start it again"),
        ("GANG,SUSPEND", "ok", "stands still meanwhile and loses nothing"),
        ("OFF", "ok", "no run in partition publicgpu is pushed aside"),
    ],
)
def test_each_mode_of_pre_emption_means_something_else(mode: str, state: str, told: str, slurm_site: Site) -> None:
    text = (DATA / "scontrol_config.txt").read_text() + (DATA / "scontrol_partitions.txt").read_text()
    slurm_site.says("scontrol", text.replace("PreemptMode=REQUEUE State", f"PreemptMode={mode} State"))
    found = of_slurm("slurm=publicgpu")["pre-emption"]
    assert found.state == state
    assert told in found.found


def test_a_cluster_that_pre_empts_nobody_says_so(slurm_site: Site) -> None:
    configured(slurm_site, PreemptType="preempt/none")
    assert of_slurm()["pre-emption"].found == "no job is pushed aside by another on this cluster"


def test_time_without_pre_emption_and_a_requeue_that_we_ask_for_are_told(slurm_site: Site) -> None:
    configured(slurm_site, PreemptExemptTime="01:00:00", JobRequeue="0")
    found = of_slurm("slurm=publicgpu")["pre-emption"].found
    assert "not in its first 1 hour" in found
    assert "JobRequeue=0, which our jobs overrule" in found


def test_pre_emption_by_qos_is_told(slurm_site: Site) -> None:
    configured(slurm_site, PreemptType="preempt/qos", PreemptMode="CANCEL")
    slurm_site.says("sacctmgr", "normal||cluster|00:00:00\nfree||cluster|00:01:00\npaid|free|cluster|00:00:00\n")
    told = "a run in QOS free may be pushed aside by a job of QOS paid: it is told at once, has 65 s"
    assert told in of_slurm("slurm=publicgpu")["pre-emption"].found
    found = of_slurm("slurm=publicgpu", "slurm.qos=free")["pre-emption"]
    assert (found.state, told in found.found, "Slurm does not start it again" in found.found) == ("warning", True, True)
    assert of_slurm("slurm=publicgpu", "slurm.qos=paid")["pre-emption"].found == "no run in QOS paid is pushed aside by another"  # fmt: skip
    slurm_site.says("sacctmgr", err="sacctmgr: error: Only 'accounting_storage/slurmdbd' is supported.\n", code=1)
    found = of_slurm()["pre-emption"]
    assert (found.state, "which ones is not known" in found.found) == ("note", True)


@pytest.mark.parametrize(
    ("changes", "sacct", "state", "told"),
    [
        ({}, {}, "ok", "sacct remembers"),
        ({"AccountingStorageType": "accounting_storage/none"}, {}, "note", "known for 10 minutes only"),
        ({}, {"err": "sacct: error: slurm_persist_conn_open: failed to connect: Connection refused\n", "code": 1}, "warning", "sacct does not answer"),
    ],
)  # fmt: skip
def test_accounting_is_told_with_what_is_lost_without_it(
    changes: dict[str, str], sacct: dict[str, Any], state: str, told: str, slurm_site: Site
) -> None:
    configured(slurm_site, **changes)
    slurm_site.says("sacct", **sacct)
    found = of_slurm()["accounting"]
    assert found.state == state
    assert told in found.found


# ---- MLflow -----------------------------------------------------------------------------------------------------------


def of_records(workspace: Path, kind: str = "embedded", uri: str | None = None) -> Finding:
    (found,) = named(records.findings(Tracking(kind, uri), workspace)).values()
    return found


class Server:
    """A server that answers as it is told, or takes a connection and never says a word."""

    def __init__(self, code: int | None) -> None:
        self.paths: list[str] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.paths.append(self.path)
                if code is None:
                    time.sleep(5)
                    return
                self.send_response(code)
                self.end_headers()
                self.wfile.write(b"OK")

            def log_message(self, *words: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.uri = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.mark.parametrize(
    ("code", "state", "told"),
    [
        (200, "ok", "answers in 0."),
        (401, "warning", "wants a name and password"),
        (404, "warning", "answers (404), but not as MLflow does"),
        (None, "warning", "does not answer (no answer within 0.5 s; given up after 0."),
    ],
)
def test_a_tracking_server_is_asked(
    code: int | None, state: str, told: str, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "SERVER_S", 0.5 if code is None else 5)
    server = Server(code)
    try:
        found = of_records(workspace, "server", server.uri.replace("//", "//me:secret@"))
    finally:
        server.close()
    assert found.state == state
    assert told in found.found
    assert "secret" not in found.found
    assert server.paths == ["/health"]


def test_a_server_that_is_not_there_costs_no_run(workspace: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    found = of_records(workspace, "server", f"http://127.0.0.1:{port}")
    assert found.state == "warning"
    assert "Connection refused" in found.found
    assert "`sync` records them later" in str(found.remedy)


@pytest.mark.parametrize("uri", [None, "ftp://x", "localhost:5000"])
def test_an_address_that_is_none_is_an_error(uri: str | None, workspace: Path) -> None:
    assert of_records(workspace, "server", uri).state == "error"


def test_without_tracking_there_is_one_note(workspace: Path) -> None:
    assert of_records(workspace, "none").state == "note"


def store(workspace: Path, schema: str | None = None, runs: int = 2) -> Path:
    """Write a database with what of MLflow's the doctor looks at."""
    with contextlib.closing(sqlite3.connect(workspace / "mlflow.db")) as db:
        db.execute("CREATE TABLE runs (run_uuid TEXT, lifecycle_stage TEXT)")
        db.executemany("INSERT INTO runs VALUES (?, 'active')", [(str(run),) for run in range(runs)])
        db.execute("CREATE TABLE alembic_version (version_num TEXT)")
        db.execute("INSERT INTO alembic_version VALUES (?)", (schema or records._schemas()[-1],))
        db.commit()
    return workspace / "mlflow.db"


def test_the_embedded_store_is_looked_into(workspace: Path) -> None:
    assert of_records(workspace).found == f"{workspace}/mlflow.db is made when the first run is recorded"
    assert not (workspace / "mlflow.db").exists()
    path = store(workspace)
    before = path.read_bytes()
    assert of_records(workspace) == Finding("tracking=embedded", "ok", f"{path} holds 2 runs and can be written")
    assert path.read_bytes() == before


def test_the_schemas_are_those_of_the_installed_mlflow(workspace: Path) -> None:
    known = records._schemas()
    assert len(known) > 40
    assert known[0] == "451aebb31d03"  # MLflow's first
    assert len(set(known)) == len(known)


def test_a_store_of_another_mlflow_is_told(workspace: Path) -> None:
    path = store(workspace, "451aebb31d03")
    assert "older MLflow" in of_records(workspace).found
    assert "mlflow db upgrade sqlite:///" in str(of_records(workspace).remedy)
    path.unlink()
    store(workspace, "ffffffffffff")
    assert "newer MLflow" in of_records(workspace).found


@pytest.mark.parametrize("content", [b"no database at all, but long enough to be read as one" * 30, b""])
def test_a_store_that_is_no_database_is_an_error(content: bytes, workspace: Path) -> None:
    (workspace / "mlflow.db").write_bytes(content)
    found = of_records(workspace)
    assert found.state == "error"
    assert "is not MLflow's database" in found.found
    assert "`sync` makes it again" in str(found.remedy)


def test_a_locked_store_is_a_warning(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking_store, "BUSY_SECONDS", 0.2)
    path = store(workspace)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        found = of_records(workspace)
    assert found.state == "warning"
    assert "locked by another program" in found.found


def test_a_store_that_is_being_written_is_a_note(workspace: Path) -> None:
    path = store(workspace)
    with locked(lock(path)):
        found = of_records(workspace)
    assert (found.state, f"is being written by process {os.getpid()} on" in found.found) == ("note", True)


def test_a_read_only_store_is_a_warning(workspace: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=1m") as disk:
        store(disk)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        found = of_records(disk)
    assert found.state == "warning"
    assert "cannot be written (read-only)" in found.found


def test_without_mlflows_store_the_embedded_one_is_a_warning(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = records.importlib.util.find_spec
    monkeypatch.setattr(records.importlib.util, "find_spec", lambda name: None if name == "sqlalchemy" else real(name))
    states = [one.state for one in records.findings(Tracking("embedded"), workspace)]
    assert states == ["warning", "ok"]


# ---- the whole --------------------------------------------------------------------------------------------------------


def test_all_sections_are_told_and_the_exit_code_is_that_of_the_worst(htr_exp: CommandLine, fake_kraken: Path) -> None:
    said = htr_exp("doctor", f"runtime.ketos={fake_kraken}", "tracking=none", "slurm=none", "--json")
    assert (said.code, said.stderr) == (0, "")
    assert list(dict.fromkeys(row["section"] for row in said.json)) == [
        "What was asked for", "kraken", "Base models", "Folders and disks", "This machine", "Slurm", "MLflow", "Python and packages",
    ]  # fmt: skip
    assert {tuple(row) for row in said.json} == {("section", "name", "state", "found", "remedy")}
    assert "error" not in {row["state"] for row in said.json}
    said = htr_exp("doctor", f"runtime.ketos={fake_kraken.with_name('gone')}", "--json")
    assert (said.code, "error" in {row["state"] for row in said.json}) == (2, True)
    said = htr_exp("doctor", f"runtime.ketos={fake_kraken.with_name('gone')}")
    assert said.code == 2
    assert re.search(r"\nkraken\n  error    runtime=host  .*there is no such program\n +-> ", said.stdout)
    assert said.stdout.splitlines()[-1].startswith("1 error, ")


def test_words_that_a_training_would_refuse_are_told(workspace: Path, fake_kraken: Path) -> None:
    title, found = next(iter(examination.examine(["training.epochs=0", "slurm.gres=gpu:1"])))
    assert title == "What was asked for"
    assert [one.found for one in found] == [
        "training.epochs=0: it must be at least 1",
        "slurm.gres=gpu:1 changes nothing with slurm=none",
    ]


def test_a_segmentation_without_more_words_is_no_error(workspace: Path, fake_kraken: Path) -> None:
    _, found = next(iter(examination.examine(["task=segmentation"])))
    assert [(one.state, one.found) for one in found] == [("ok", "task=segmentation: a training takes them")]


def test_a_word_of_kraken_that_we_do_not_take_is_told_once(workspace: Path, fake_kraken: Path) -> None:
    _, found = next(iter(examination.examine(["training.quit=dumb"])))
    assert [one.state for one in found] == ["error"]


def test_what_slurm_lacks_is_told_once(workspace: Path, slurm_site: Site) -> None:
    sections = dict(examination.examine(["slurm=template"]))
    assert {one.state for one in sections["What was asked for"]} == {"ok"}
    wrong = [one.found for one in sections["Slurm"] if one.state == "error"]
    assert wrong == ["slurm.time_min is not set", "slurm.partition is not set"]


def test_words_that_make_no_experiment_are_an_error(htr_exp: CommandLine) -> None:
    said = htr_exp("doctor", "runtime=modul")
    assert (said.code, said.stdout) == (2, "")
    assert "did you mean module?" in said.stderr


def test_the_dataset_of_the_choice_must_be_there(workspace: Path) -> None:
    sections = dict(examination.examine(["dataset.path=nowhere"]))
    found = named(sections["Folders and disks"])["dataset"]
    assert (found.state, found.found) == ("error", f"{workspace / 'nowhere'} does not exist")


def test_nothing_is_left_behind(workspace: Path, fake_kraken: Path, call: Callable[..., int]) -> None:
    call("doctor", f"runtime.ketos={fake_kraken}")
    assert list(workspace.iterdir()) == []


@pytest.fixture
def call(workspace: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., int]:
    return lambda *words: main(words)


def shown(findings: Sequence[Finding], width: int | None) -> str:
    out = Console(file=io.StringIO(), width=width or 240, force_terminal=width is not None, highlight=False)
    terminal.show_findings(out, [("kraken", findings), ("Slurm", [])])
    assert isinstance(out.file, io.StringIO)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", out.file.getvalue())


LONG = Finding("image a-rather-long-name.sif", "error", "one two three " * 12 + "/a/path/that/is/long", "mend it " * 20)


def test_a_screen_shows_long_lines_below_each_other() -> None:
    lines = [line for line in shown([Finding("x", "ok", "y"), LONG], 80).splitlines() if "looks at" not in line]
    assert max(map(len, lines)) <= 80
    body = [line for line in lines if "two" in line or "mend" in line]
    assert len(body) > 4
    assert all(line.startswith(" " * 34) for line in body[1:])


def test_a_file_gets_one_line_a_finding() -> None:
    longer = Finding(LONG.name, LONG.state, LONG.found * 3, LONG.remedy)
    lines = shown([Finding("x", "ok", "y"), longer], None).splitlines()
    assert lines[0] == "kraken"
    assert lines[1] == "  ok       x                      y"
    assert lines[2].startswith("  error    image a-rather-long-name.sif one two three")
    assert lines[2].endswith(longer.found[-40:])
    assert lines[3].strip().startswith("-> mend it")
    assert lines[-1] == "1 error, 0 warnings, 0 notes, 1 ok"
    assert all(line == line.rstrip() for line in lines)


def test_nothing_heavy_is_imported(experiment: list[str]) -> None:
    words = ["doctor", *(word for word in experiment if word.startswith(("runtime", "model"))), "--json"]
    heavy = {"torch", "kraken", "coremltools", "mlflow", "lightning", "pyarrow"}
    code = (
        f"import sys\nfrom htr_exp.cli.main import main\nmain({words!r})\n"
        f"loaded = {heavy!r} & set(sys.modules)\nsys.exit(f'imports {{loaded}}' if loaded else 0)\n"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
