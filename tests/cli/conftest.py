"""Fixtures of the tests of verbs."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.fake_kraken import Scenario
from helpers.in_process import Call, in_process
from helpers.one_training import OneTraining, User, one_training
from helpers.page_files import page_line, page_xml, put, write_image


@pytest.fixture
def call(workspace: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    """Run a command line in this process."""
    return in_process(capsys)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> OneTraining:
    """A small training that was done, once for all tests."""
    return one_training(tmp_path_factory.mktemp("one training"))


@pytest.fixture
def user(call: Call, made: OneTraining, workspace: Path, scenario: Scenario) -> User:
    """Somebody at the command line, with a copy of that training."""
    return User(call, made, workspace)


@pytest.fixture
def check(call: Call) -> Call:
    """Run `check` in this process."""
    return lambda *words: call("check", *words)


@pytest.fixture
def dirty(pages: Path) -> Path:
    """Six good pages, and some that are not."""
    lines = page_line(1, " liber \u200bprimus") + page_line(2, None) + page_line(3, None) + page_line(4, baseline=None)
    for number in range(5):
        write_image(pages / f"bad{number}.png", shade=90 + number)
        put(pages, page_xml(lines, image=f"bad{number}.png"), f"bad{number}.xml")
    (pages / "f01.png").unlink()
    return pages
