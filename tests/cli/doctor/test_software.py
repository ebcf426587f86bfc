"""Python and packages."""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import sys

import pytest

from helpers.findings import named
from helpers.folders import CHECKOUT
from htr_exp.cli.doctor import (
    software,
)


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
