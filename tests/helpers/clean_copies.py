"""Clean copies of odd files and of the real sets that are dirty."""

from __future__ import annotations

from pathlib import Path

from helpers import odd_files
from helpers.page_files import write_image
from helpers.real_data import only
from htr_exp.groundtruth.clean_copy import write_copy
from htr_exp.groundtruth.examine import examine_folders, summary
from htr_exp.groundtruth.model import Dataset

# Start of the folder's name: pages and lines of the copy.
COPIES = {"01": (10, 185), "02": (3, 151), "03": (6, 160), "09": (14, 865), "12": (2, 243)}

# Characters that the Unicode of kraken's Python does not have: 7.1 loses a line of nothing else, 4.3 stops. No copy can
# correct that without changing what was transcribed.
UNKNOWN = ("noncharacter", "newer", "no such character")


def odd_copies(tmp_path: Path) -> dict[Path, int]:
    """The copy of every odd file that has one, and its number of lines as we report it."""
    found = {}
    for number, path in enumerate(odd_files.write(tmp_path / "odd")):
        folder = tmp_path / f"{number}"
        write_image(folder / "1.jpg")
        path.rename(folder / path.name)
        dataset: Dataset = examine_folders([folder])
        if dataset.pages and not any(word in path.name for word in UNKNOWN):
            out = tmp_path / f"{number}-copy"
            found[out / path.name] = write_copy([folder], dataset, out).lines
    assert len(found) > 50
    return found


def real_copies(real_data: Path, tmp_path: Path) -> dict[Path, tuple[int, int]]:
    """The copies of the dirty sets with the pages and lines that they have to hold."""
    found = {}
    for start, numbers in COPIES.items():
        folder = only(real_data, f"dirty/{start}-*")
        out = tmp_path / start
        made = write_copy([folder], examine_folders([folder]), out)
        copy = examine_folders([out])
        assert (summary(copy.errors), summary(copy.dropped)) == ({}, {})
        assert (made.pages, made.lines) == (len(copy.pages), copy.lines) == numbers
        found[out] = numbers
    return found
