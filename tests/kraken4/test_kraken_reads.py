"""What we say kraken makes of a file is what the real kraken 4.3.13 makes of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from helpers import odd_files
from unit.groundtruth.test_as_kraken import differences

DATA = os.environ.get("HTR_EXP_REAL_DATA")


def test_every_oddity_is_read_as_the_real_kraken_reads_it(kraken4: Path, tmp_path: Path) -> None:
    assert differences(kraken4 / "bin" / "python", "4.3", odd_files.write(tmp_path)) == []


@pytest.mark.skipif(not DATA, reason="set HTR_EXP_REAL_DATA to the folder with demo/, dev/ and dirty/")
def test_real_files_are_read_as_the_real_kraken_reads_them(kraken4: Path) -> None:
    files = [path for part in ("demo", "dev", "dirty") for path in sorted(Path(DATA or "", part).rglob("*.xml"))]
    assert differences(kraken4 / "bin" / "python", "4.3", files) == []
