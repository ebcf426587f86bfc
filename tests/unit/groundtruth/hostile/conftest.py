"""A folder with what means harm in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.page_files import page_line, page_xml, put, write_image


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a good page, which must not suffer from what else is there."""
    (tmp_path / "pages").mkdir()
    write_image(tmp_path / "pages" / "good.jpg")
    put(tmp_path / "pages", page_xml(page_line(1), image="good.jpg"), "good.xml")
    return tmp_path / "pages"
