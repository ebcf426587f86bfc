"""Looking at files on several processors: the same result, whatever happens to a process."""

from __future__ import annotations

import os
import signal
from importlib import import_module
from pathlib import Path

import pytest

from helpers.page_files import page_line, page_xml, put, write_image
from htr_exp.groundtruth.examine import examine_folders

pytestmark = pytest.mark.seconds

spread_module = import_module("htr_exp.groundtruth.parallel")  # the module's own `spread` is the function


def doubled_unless_deadly(number: int) -> int:
    if number in (5, 13):
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * number


def refused(number: int) -> int:
    raise ValueError(number)


@pytest.fixture
def two_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spread_module, "FEW", 2)
    monkeypatch.setattr(spread_module, "_CHUNK", 4)
    monkeypatch.setattr(spread_module, "usable_cpus", lambda: 2)


def test_a_file_that_ends_its_process_costs_no_other(two_processors: None) -> None:
    found = list(spread_module.spread(doubled_unless_deadly, range(16), lambda number: -number))
    assert found == [-number if number in (5, 13) else 2 * number for number in range(16)]


def test_what_goes_wrong_in_a_process_is_not_swallowed(two_processors: None) -> None:
    with pytest.raises(ValueError, match="0"):
        list(spread_module.spread(refused, range(16), lambda number: -number))


def test_no_process_is_started_for_a_few_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spread_module, "ProcessPoolExecutor", None)
    assert list(spread_module.spread(str, range(3), str)) == ["0", "1", "2"]


def test_a_dataset_is_the_same_on_one_processor_and_on_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        write_image(tmp_path / f"{number}.jpg", number)
        text = None if number == 3 else f"linea {number} \u00e3"
        put(tmp_path, page_xml(page_line(1, text) + page_line(2, " b"), f"{number}.jpg"), f"{number}.xml")
    put(tmp_path, "<PcGts", "broken.xml")
    (tmp_path / "7.jpg").write_bytes(b"no image")
    alone = examine_folders([tmp_path])
    monkeypatch.setattr(spread_module, "FEW", 2)
    monkeypatch.setattr(spread_module, "_CHUNK", 4)
    monkeypatch.setattr(spread_module, "usable_cpus", lambda: 2)
    assert examine_folders([tmp_path]) == alone
    assert len(alone.errors) == 2
