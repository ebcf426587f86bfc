"""Folders, disks and quotas."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.disks import small_disk
from helpers.findings import named
from htr_exp.cli.doctor import (
    folders,
)
from htr_exp.cli.doctor.finding import Finding
from htr_exp.cli.doctor.folders import Folder


def written(path: Path) -> list[Folder]:
    return [Folder("workspace", path, "site.workspace", written=True)]


def test_a_folder_that_can_be_written_is_left_as_it_was(tmp_path: Path) -> None:
    found = named(folders.findings(written(tmp_path), shared=False))
    assert found["workspace"] == Finding("workspace", "ok", f"{tmp_path}, can be written")
    assert found["disk"].found.split()[2:4] == ["free", "of"]
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_yet_is_tried_above(tmp_path: Path) -> None:
    found = named(folders.findings(written(tmp_path / "a" / "b"), shared=False))
    assert found["workspace"].found == f"{tmp_path / 'a' / 'b'}, which is made when it is needed"
    assert list(tmp_path.iterdir()) == []


def test_a_file_or_a_link_to_nowhere_in_place_of_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    assert "is a file where a folder is needed" in named(folders.findings(written(tmp_path / "file"), shared=False))["workspace"].found  # fmt: skip
    found = named(folders.findings(written(tmp_path / "link" / "runs"), shared=False))["workspace"]
    assert (found.state, found.found) == ("error", f"{tmp_path / 'link'} is a link that leads nowhere")


def test_folders_to_read_from_may_be_missing_unless_they_are_asked_for(tmp_path: Path) -> None:
    folder = Folder("models", tmp_path / "x", "site.models", written=False)
    assert "models" not in named(folders.findings([folder], shared=False))
    asked = Folder("dataset", tmp_path / "x", "dataset.path", written=False, needed=True)
    assert named(folders.findings([asked], shared=False))["dataset"].state == "error"


def test_a_read_only_disk_is_told(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "ro,size=1m") as disk:
        found = named(folders.findings(written(disk / "runs"), shared=False))
    assert found["workspace"].state == "error"
    assert found["workspace"].found.endswith("cannot be written: Read-only file system")
    assert "site.workspace=FOLDER" in str(found["workspace"].remedy)


def refuses(number: int) -> Callable[[Path, Path], None]:
    def rename(source: Path, target: Path) -> None:
        raise OSError(number, os.strerror(number), str(source))

    return rename


def replaces(source: Path, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    os.replace(source, target)


@pytest.mark.parametrize(
    ("rename", "why"),
    [
        (refuses(errno.EPERM), "Operation not permitted"),
        (refuses(errno.EXDEV), "Invalid cross-device link"),
        (replaces, "two processes could work in one run"),
    ],
)
def test_a_file_system_on_which_locks_do_not_work_is_told(
    rename: Callable[[Path, Path], None], why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It makes folders and renames files, and that is not enough."""
    monkeypatch.setattr(os, "rename", rename)
    found = named(folders.findings(written(tmp_path), shared=False))["workspace"]
    assert found.state == "error"
    assert f"cannot be written: locks do not work there: {why}" in found.found
    assert list(tmp_path.iterdir()) == []


def test_a_home_that_cannot_be_written_is_a_warning(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "ro,size=1m") as disk:
        home = Folder("your home", disk, "HOME", written=True, unusable="warning")
        found = named(folders.findings([home], shared=False))["your home"]
    assert (found.state, "Read-only file system" in found.found) == ("warning", True)


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere: run the tests as an ordinary user")
def test_a_folder_of_somebody_else_is_told(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir(mode=0o555)
    found = named(folders.findings(written(tmp_path / "theirs"), shared=False))["workspace"]
    assert found.found.endswith("cannot be written: Permission denied")


def test_a_full_disk_is_an_error(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=1m") as disk:
        with contextlib.suppress(OSError), open(disk / "big", "wb") as file:
            file.write(bytes(2 << 20))
        found = named(folders.findings(written(disk), shared=False))
    assert found["disk"].state == "error"
    assert found["disk"].found.startswith("full: 0 bytes free of 1.0 MB (tmpfs, mounted at")
    assert found["workspace"].found.endswith("cannot be written: No space left on device")


def test_a_disk_without_room_for_more_files_is_an_error(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=2g,nr_inodes=30") as disk:
        found = named(folders.findings(written(disk), shared=False))
    assert found["files"].state == "error"
    assert found["files"].found.endswith("of 30 (inodes)")
    assert found["disk"].state == "warning"


def test_disks_that_are_told_only_to_be_read_may_be_full(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=1m") as disk:
        read = Folder("models", disk, "site.models", written=False)
        assert named(folders.findings([read], shared=False))["disk"].state == "ok"


def test_a_dead_file_server_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "TIMEOUT_S", 0.2)
    monkeypatch.setattr(folders, "_look", lambda folder: time.sleep(2))
    found = named(folders.findings(written(tmp_path), shared=False))["workspace"]
    assert (found.state, found.found) == ("error", f"the file system of {tmp_path} does not answer within 0.2 s")


def test_a_clock_that_is_off_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() - 95)
    found = named(folders.findings(written(tmp_path), shared=False))["workspace"]
    assert found.state == "warning"
    assert re.search(r"clock is 9\d s ahead of ours", found.found)


def test_a_workspace_on_a_disk_of_this_machine_is_noted_where_nodes_must_see_it(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=1m") as disk:
        assert "tmpfs" in named(folders.findings(written(disk), shared=True))["nodes"].found
        assert "nodes" not in named(folders.findings(written(disk), shared=False))


QUOTA = """Disk quotas for user bob (uid 500):
     Filesystem  blocks   quota   limit   grace   files   quota   limit   grace
      /dev/sda1  {blocks}  2000000 2500000  {grace}    5432       0       0        
10.0.0.1:/export/home
                 1000       0       0              10       0       0
"""
LUSTRE = """Disk quotas for usr bob (uid 500):
      Filesystem  kbytes   quota   limit   grace   files   quota   limit   grace
     /scratch   1234567       0       0       -    {files}  100000  110000       -
uid 500 is using default block quota setting
"""


@pytest.mark.parametrize(
    ("blocks", "grace", "state", "told"),
    [
        ("1000000 ", "", "ok", "1.0 GB of 2.6 GB used on /dev/sda1"),
        ("2400000*", "6days", "warning", "nearly full: 2.5 GB of 2.6 GB used on /dev/sda1"),
        ("2500000*", "none", "error", "full: 2.6 GB of 2.6 GB used on /dev/sda1"),
    ],
)
def test_a_quota_is_read(
    blocks: str, grace: str, state: str, told: str, tmp_path: Path, on_path: Callable[[str, str], Path]
) -> None:  # the texts are written from the manuals of quota 4.06 and lfs, not recorded
    on_path("quota", f"cat <<'END'\n{QUOTA.format(blocks=blocks, grace=grace)}END\nexit 1")
    found = [one for one in folders.findings(written(tmp_path), shared=False) if one.name == "quota"]
    assert [(one.state, one.found) for one in found] == [
        (state, told),
        ("ok", "none on 10.0.0.1:/export/home"),
    ]


def test_a_quota_of_lustre_counts_files_too(tmp_path: Path, on_path: Callable[[str, str], Path]) -> None:
    assert folders.quota_rows(LUSTRE.format(files=109000))[0]["hard_files"] == "110000"
    on_path("quota", f"cat <<'END'\n{LUSTRE.format(files=109000)}END")
    found = named(folders.findings(written(tmp_path), shared=False))["quota"]
    assert (found.state, found.found) == ("warning", "nearly full: 109000 of 110000 files used on /scratch")


@pytest.mark.parametrize(("script", "told"), [("echo 'Disk quotas for user root (uid 0): none'", "none is known"), ("sleep 60", "does not answer within 0.3 s")])  # fmt: skip
def test_no_quota_is_no_fault(
    script: str, told: str, tmp_path: Path, on_path: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "TIMEOUT_S", 0.3)
    on_path("quota", script)
    found = named(folders.findings(written(tmp_path), shared=False))["quota"]
    assert found.state == "note"
    assert told in found.found
