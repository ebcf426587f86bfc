"""Fixtures of the tests of verbs."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.in_process import Call, in_process
from helpers.page_files import page_line, page_xml, put, write_image


@pytest.fixture
def call(workspace: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    """Run a command line in this process."""
    return in_process(capsys)


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
