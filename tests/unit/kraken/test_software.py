from __future__ import annotations

import importlib.metadata
import platform
import sys
from pathlib import Path

import pytest

from htr_exp.kraken.runtime import Kraken
from htr_exp.kraken.software import software_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def install(folder: Path, text: str) -> Kraken:
    (folder / "ketos").write_text(text)
    (folder / "ketos").chmod(0o755)
    return Kraken("7.1.1", folder=folder)


@pytest.mark.parametrize(
    "first",
    [f"#!{sys.executable}\n", f"#! {sys.executable}\n", f"#!/bin/sh\n'''exec' {sys.executable} \"$0\" \"$@\"\n' '''\n"],
    ids=["plain", "with a blank", "long path"],
)
def test_the_python_of_ketos_is_asked_whatever_python_we_run(folder: Path, first: str) -> None:
    found = software_of(install(folder, first + "print('ketos')\n"))
    assert found["unknown"] is None
    assert found["python"] == platform.python_version()
    assert found["packages"]["numpy"] == importlib.metadata.version("numpy")
    assert len(found["packages"]) > 50


def test_what_is_unknown_says_why(folder: Path) -> None:
    found = software_of(install(folder, "\x7fELF"))
    assert found["packages"] == {}
    assert found["unknown"] == "the Python of kraken 7.1.1 does not answer: exit code 3"
