"""The real kraken 4.3.13 reads clean copies as we count them."""

from __future__ import annotations

from pathlib import Path

from helpers.clean_copies import odd_copies, real_copies
from helpers.kraken_reads import lines_in, really


def test_kraken_reads_every_copy_as_we_count_it(kraken4: Path, tmp_path: Path) -> None:
    copies = odd_copies(tmp_path)
    answers = really(kraken4 / "bin" / "python", list(copies))
    assert [lines for lines, _, _ in answers] == list(copies.values())


def test_kraken_reads_real_copies_as_we_count_them(kraken4: Path, real_data: Path, tmp_path: Path) -> None:
    for out, numbers in real_copies(real_data, tmp_path).items():
        assert lines_in(kraken4 / "bin" / "python", out) == numbers
