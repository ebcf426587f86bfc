"""What we say kraken makes of a file is what the real kraken 7.1.1 makes of it, for every file and oddity there is."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from helpers import odd_files
from helpers.kraken_reads import differences
from helpers.real_data import files_to_read


@pytest.mark.kraken
def test_every_oddity_is_read_as_the_real_kraken_reads_it(tmp_path: Path) -> None:
    assert differences(Path(sys.executable), "7.1", odd_files.write(tmp_path)) == []


@pytest.mark.kraken
def test_real_files_are_read_as_the_real_kraken_reads_them(real_data: Path) -> None:
    files = files_to_read(real_data)
    assert len(files) > 100
    assert differences(Path(sys.executable), "7.1", files) == []
