"""A machine for the doctor, of fakes that say what the real ones were heard to say."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from fakes.fake_slurm_site import Site, site
from helpers.findings import MODULES, NODES, configured, program
from helpers.folders import SLURM_DATA
from htr_exp.cli.main import main


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


@pytest.fixture
def slurm_site(workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A cluster that says what a Slurm 22.05 said."""
    found = site(tmp_path, monkeypatch)
    configured(found)
    found.says("sinfo", (SLURM_DATA / "sinfo.txt").read_text() + NODES)
    return found


@pytest.fixture
def call(workspace: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., int]:
    return lambda *words: main(words)
