"""The real module of kraken 4.3.13, through the module system of this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from helpers.command_line import CommandLine
from htr_exp.config.schema import Runtime
from htr_exp.kraken import environment_modules
from htr_exp.kraken.environment_modules import ModuleUnavailable
from htr_exp.kraken.process import settings
from htr_exp.kraken.runtime import provide

BARE = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
"""What a batch job with --export=NONE begins with."""


@pytest.fixture(params=["bash", "sh"])
def shell(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shell that asks."""
    if request.param == "sh":
        monkeypatch.setattr("htr_exp.kraken.environment_modules.shutil.which", lambda name: None)


@pytest.mark.usefixtures("shell")
@pytest.mark.parametrize("name", ["kraken/4.3.13", "kraken"])
def test_a_process_with_the_module_has_that_kraken(modulefiles: Path, kraken4: Path, name: str) -> None:
    loaded = environment_modules.load(name, use=[str(modulefiles)], environment=BARE)
    assert loaded.modules == ("kraken/4.3.13",)
    said = subprocess.run(
        ["ketos", "--version"],
        env=loaded.environment | settings(1),
        executable=str(kraken4 / "bin" / "ketos"),
        capture_output=True,
        text=True,
    )
    assert said.stdout == "ketos, version 4.3.13\n"
    assert loaded.environment["PATH"].split(os.pathsep)[0] == str(kraken4 / "bin")


@pytest.mark.usefixtures("shell")
def test_the_module_is_listed(modulefiles: Path) -> None:
    assert environment_modules.available("kraken", use=[str(modulefiles)], environment=BARE) == ["kraken/4.3.13"]


@pytest.mark.usefixtures("shell")
def test_another_version_is_not_there(modulefiles: Path) -> None:
    with pytest.raises(ModuleUnavailable, match=r"^`module load kraken/4\.3\.14` fails: .*kraken/4\.3\.14"):
        environment_modules.load("kraken/4.3.14", use=[str(modulefiles)], environment=BARE)


def module_of(modulefiles: Path, **changes: Any) -> Runtime:
    """The runtime group of runtime=module with that folder of modulefiles."""
    given: dict[str, Any] = {"kraken": "4.3.13", "module": "kraken/4.3.13", "modulepath": [str(modulefiles)]}
    return Runtime(kind="module", fallback=False, mixed_versions=False, **(given | changes))


def test_the_configuration_finds_it(modulefiles: Path, kraken4: Path, workspace: Path) -> None:
    found = provide(module_of(modulefiles))
    assert (found.version, found.kind, found.module) == ("4.3.13", "module", "kraken/4.3.13")
    assert found.program("ketos") == str(kraken4 / "bin" / "ketos")
    words, variables = found.command(["ketos", "--version"], threads=1, folder=workspace)
    assert subprocess.run(words, env=variables, capture_output=True, text=True).stdout == "ketos, version 4.3.13\n"


def test_our_own_kraken_does_not_stand_in_its_way(modulefiles: Path, kraken4: Path, htr_exp: CommandLine) -> None:
    """What is beside our Python, and on PYTHONPATH, is another kraken."""
    said = htr_exp(
        "train", "--dry-run", *[word for word in htr_exp.words if not word.startswith("runtime.")],
        "runtime=module", f"runtime.modulepath=[{modulefiles}]", "runtime.fallback=false",
    )  # fmt: skip
    assert said.code == 0, said.stderr
    assert shutil.which("ketos") != str(kraken4 / "bin" / "ketos")
