"""A real kraken 4.3.13 and a module that leads to it, as tests see them; `make test-kraken4` provides both."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

HERE = Path(__file__).parent
VARIABLES = dict(os.environ)  # the fixture `workspace` takes ours away from the tests


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all that stands in this folder."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("kraken4")


def _named(variable: str) -> Path:
    if variable not in VARIABLES:
        pytest.skip(f"{variable} is not set: run `make test-kraken4`")
    return Path(VARIABLES[variable])


@pytest.fixture(scope="session")
def kraken4() -> Path:
    """The environment that has kraken 4.3.13: bin/ketos and the rest."""
    return _named("HTR_EXP_KRAKEN4")


@pytest.fixture(scope="session")
def modulefiles() -> Path:
    """The folder of modulefiles with kraken/4.3.13, on a machine that has a module system."""
    from htr_exp.kraken import environment_modules

    folder = _named("HTR_EXP_MODULEFILES")
    if environment_modules.system(VARIABLES) is None:
        pytest.skip("there is no module system here: as root, apt-get install environment-modules")
    return folder


@pytest.fixture(scope="session")
def in_module(kraken4: Path, modulefiles: Path) -> list[str]:
    """The words of a runtime by that module."""
    return ["runtime=module", f"runtime.modulepath=[{modulefiles}]", "runtime.fallback=false"]
