"""How pages are shared among calls of kraken."""

from __future__ import annotations

from pathlib import Path

from htr_exp.transcribe.calls import _shares
from htr_exp.transcribe.pages import WantedPage


def test_shares_have_about_as_many_lines_and_keep_the_order_of_the_pages() -> None:
    pages = [
        WantedPage(f"p{number}", Path(f"{number}.jpg"), None, lines)
        for number, lines in enumerate((40, 1, 2, 3, 30, 4))
    ]
    first, second = _shares(pages, 2)
    assert [page.name for page in first] == ["p0", "p1"]
    assert [page.name for page in second] == ["p2", "p3", "p4", "p5"]
    assert [len(share) for share in _shares(pages[:2], 8)] == [1, 1]
    assert _shares([], 2) == []
