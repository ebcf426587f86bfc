from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from helpers.disks import small_disk
from htr_exp.core.files import append_jsonl, full, make_folder, read_json, read_jsonl, write_atomically, write_json
from htr_exp.core.lock import locked, made_once


@pytest.fixture(params=[0o077, 0o027, 0o022, 0o002], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_files_and_folders_follow_the_umask(umask: int, tmp_path: Path) -> None:
    file = tmp_path / "folder" / "inner" / "file.json"
    make_folder(file.parent, below=tmp_path)
    write_json(file, {})
    append_jsonl(tmp_path / "more.jsonl", {})
    assert mode(file) == mode(tmp_path / "more.jsonl") == 0o666 & ~umask
    assert mode(file.parent) == mode(file.parent.parent) == 0o777 & ~umask


def test_what_is_replaced_follows_it_too(umask: int, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("old")
    file.chmod(0o644)
    write_atomically(file, "new")
    assert (file.read_text(), mode(file)) == ("new", 0o666 & ~umask)


def test_the_group_of_a_shared_folder_is_kept(tmp_path: Path) -> None:
    tmp_path.chmod(0o2775)
    make_folder(tmp_path / "folder", below=tmp_path)
    write_atomically(tmp_path / "folder" / "file", "")
    assert stat.S_ISGID & (tmp_path / "folder").stat().st_mode
    assert (tmp_path / "folder" / "file").stat().st_gid == tmp_path.stat().st_gid


def test_the_umask_of_the_process_is_never_changed_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading it means setting it, and what another thread makes meanwhile would be open to everybody."""

    def changed(_: int) -> int:
        raise AssertionError("os.umask was called")

    monkeypatch.setattr(os, "umask", changed)
    threads = [
        threading.Thread(target=write_atomically, args=(tmp_path / str(number % 3), "x")) for number in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1", "2"]


@pytest.mark.parametrize(
    "write",
    [
        lambda folder: write_json(folder / "file.json", {}),
        lambda folder: append_jsonl(folder / "live" / "file.jsonl", {}),
        lambda folder: make_folder(folder / "a" / "b", below=folder),
        lambda folder: locked(folder / "lock").__enter__(),
        lambda folder: made_once(folder / "made", Path.touch),
    ],
)
def test_a_folder_that_is_gone_is_not_made_again(write: Callable[[Path], None], tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write(tmp_path / "moved")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "lines",
    [b'{"a": 1}\n{"a": 2}\n', b'\xef\xbb\xbf{"a": 1}\n\n{"a": 2}', b'{"a": 1}\n{"b": 3}\n[7]\n{"a": 2}\n', b'{"a": 1}\n{"a": 2}\n{"a": ',
     b'{"a": 1}\n{"a": 3}, {"a": 4}\n{"a": 2}\n', b'{"a": 1}\n\xff\xfe\n{"a": 2}\n', b'{"a": 1}\n{"a": [1\n2]}\n{"a": 2}\n'],
)  # fmt: skip
def test_lines_that_are_no_records_are_left_out(tmp_path: Path, lines: bytes) -> None:
    (tmp_path / "records.jsonl").write_bytes(lines)
    assert read_jsonl(tmp_path / "records.jsonl", "a") == [{"a": 1}, {"a": 2}]


@dataclass(frozen=True)
class Room:
    """What statvfs(3) says of a disk."""

    f_blocks: int = 1000
    f_bavail: int = 1000
    f_frsize: int = 4096
    f_files: int = 1000
    f_favail: int = 1000


DISKS = {
    "has room": (Room(), False),
    "has no block left": (Room(f_bavail=0), True),
    "has less than a MiB left": (Room(f_bavail=255), True),
    "has a MiB left": (Room(f_bavail=256), False),
    "has no file left": (Room(f_favail=0), True),
    "does not count files": (Room(f_files=0, f_favail=0), False),
    "does not count blocks": (Room(f_blocks=0, f_bavail=0), False),
}


@pytest.mark.parametrize("name", DISKS)
def test_a_disk_is_full_where_nothing_more_fits(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room, is_full = DISKS[name]
    monkeypatch.setattr("os.statvfs", lambda place: room)
    assert full([tmp_path, tmp_path]) == [tmp_path] * is_full


def test_a_place_that_is_gone_is_not_called_full(tmp_path: Path) -> None:
    assert full([tmp_path / "gone"]) == []


def test_a_disk_that_is_full_is_found_among_others(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    with small_disk(tmp_path / "disk", "size=200k") as place:
        assert full([place]) == [place]  # it never has a MiB


@pytest.mark.parametrize("number", ["9" * 300, f"-{'9' * 299}", f"0.{'3' * 400}"])
def test_long_numbers_of_records_are_read(number: str, tmp_path: Path) -> None:
    file = tmp_path / "record.json"
    file.write_text(f'{{"number": {number}, "text": "{"7" * 1000}"}}')
    assert read_json(file) == {"number": float(number) if "." in number else int(number), "text": "7" * 1000}


@pytest.mark.parametrize("digits", [301, 5000])
def test_whole_numbers_that_no_floating_point_number_can_be_are_refused(digits: int, tmp_path: Path) -> None:
    file = tmp_path / "record.json"
    file.write_text(f'{{"number": {"9" * digits}}}')
    with pytest.raises(ValueError, match=f"a number has {digits} digits"):
        read_json(file)
