"""What we say kraken makes of a file is what the real kraken 4.3.13 makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers import odd_files, odd_shapes
from helpers.kraken_reads import differences
from helpers.real_data import files_to_read


def test_every_oddity_is_read_as_the_real_kraken_reads_it(kraken4: Path, tmp_path: Path) -> None:
    assert differences(kraken4 / "bin" / "python", "4.3", odd_files.write(tmp_path)) == []


def test_real_files_are_read_as_the_real_kraken_reads_them(kraken4: Path, real_data: Path) -> None:
    files = files_to_read(real_data)
    assert len(files) > 100
    assert differences(kraken4 / "bin" / "python", "4.3", files) == []


@pytest.mark.slow
def test_kraken_reads_n_of_m_lines_of_every_shape_as_check_says(kraken4: Path, tmp_path: Path) -> None:
    files = odd_shapes.write(tmp_path / "gt")
    found = odd_shapes.compiled(kraken4 / "bin" / "ketos", "4.3", files, tmp_path)
    assert found == odd_shapes.said(tmp_path / "gt", "4.3")
