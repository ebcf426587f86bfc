from __future__ import annotations

import os
from pathlib import Path

import pytest

from htr_exp.core import file_cache
from htr_exp.core.file_cache import stamp_of
from htr_exp.core.files import sha256_bytes
from htr_exp.core.known_files import KnownFiles

ONE, OTHER = b"in principio", b"in principia"


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files whose content is read."""
    found: list[Path] = []

    def digest_of(path: Path) -> str:
        found.append(path)
        return file_cache.digest_of(path)

    monkeypatch.setattr("htr_exp.core.known_files.digest_of", digest_of)
    return found


@pytest.fixture
def old(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file counts as one that changed long ago."""
    monkeypatch.setattr(file_cache, "TICK_NS", -(10**12))


def test_a_file_is_read_once_as_long_as_it_stays_the_same(tmp_path: Path, read: list[Path], old: None) -> None:
    file, known = tmp_path / "file", KnownFiles()
    file.write_bytes(ONE)
    first = known.look(file, sha256_bytes(ONE))
    assert first == stamp_of(file.stat())
    assert known.look(file, sha256_bytes(ONE)) == first
    assert read == [file]
    assert known.look(file, sha256_bytes(OTHER)) is None


@pytest.mark.parametrize("how", ["written", "replaced"])
def test_another_content_of_the_same_size_and_time_is_told(tmp_path: Path, old: None, how: str) -> None:
    file, known = tmp_path / "file", KnownFiles()
    file.write_bytes(ONE)
    before = file.stat()
    assert known.look(file, sha256_bytes(ONE)) is not None
    target = file if how == "written" else tmp_path / "other"
    while target.exists() and target.stat().st_ctime_ns == before.st_ctime_ns:
        target.write_bytes(OTHER)  # the clock of a file system has ticks
    target.write_bytes(OTHER)
    os.utime(target, ns=(before.st_atime_ns, before.st_mtime_ns))
    os.replace(target, file)
    assert file.stat().st_mtime_ns == before.st_mtime_ns
    assert known.look(file, sha256_bytes(ONE)) is None


def test_a_new_file_is_read_each_time(tmp_path: Path, read: list[Path]) -> None:
    """Within one tick of the clock a second change leaves the times as they are."""
    file, known = tmp_path / "file", KnownFiles()
    file.write_bytes(ONE)
    for _ in range(2):
        assert known.look(file, sha256_bytes(ONE)) is not None
    assert len(read) == 2


def test_what_is_no_file_any_more_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert KnownFiles().look(tmp_path / "pipe", sha256_bytes(b"")) is None
    assert KnownFiles().look(tmp_path, sha256_bytes(b"")) is None
    with pytest.raises(FileNotFoundError):
        KnownFiles().look(tmp_path / "nothing", sha256_bytes(b""))
