"""What is sent to another site, over a real ssh and rsync."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.loopback_ssh import LoopbackSsh
from htr_exp.config.login import Login
from htr_exp.core.errors import ConfigError, HtrExpError
from htr_exp.remote import rsync
from htr_exp.remote.connection import Connection
from htr_exp.remote.failures import ConnectionFailed
from htr_exp.remote.file_lists import PARTIAL
from htr_exp.remote.push import Sent, place_there, push, said
from htr_exp.remote.rsync import TransferFailed

LOGIN = Login("ours", "cluster", "a workspace", None, {"ground_truth": "./Ground Truth", "models": "/models"}, False)


@pytest.fixture
def there(cluster: LoopbackSsh) -> Iterator[Connection]:
    with Connection("cluster") as found:
        yield found


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    """A folder with a name as Finder shows it with a slash, and files with odd names."""
    folder = tmp_path / "Exports:Verité de 'terrain' $HOME"
    (folder / "sub folder").mkdir(parents=True)
    for name in (
        "-rf.xml",
        "a b.xml",
        "a:b.png",
        'it\'s "so".xml',
        "sub folder/x\ny.xml",
        "e\u0301te\u0301.xml",
        "*.xml",
        "\\.xml",
    ):
        (folder / name).write_text(name)
    (folder / ".DS_Store").write_text("x")
    (folder / "._a b.xml").write_text("x")
    return folder


def arrived(cluster: LoopbackSsh, pages: Path) -> dict[str, str]:
    folder = cluster.there / "a workspace" / "Ground Truth" / pages.name
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


def figures(sent: Sent) -> tuple[int, int, int, int]:
    return sent.files, sent.same, len(sent.only_there), sent.left_out


def test_everything_arrives_under_its_name_and_nothing_is_sent_twice(
    cluster: LoopbackSsh, there: Connection, pages: Path
) -> None:
    first = push(there, pages, LOGIN)
    assert figures(first) == (8, 0, 0, 2)
    assert first.room.startswith("room there: ")
    assert arrived(cluster, pages) == {name: name for name in arrived(cluster, pages)}
    assert len(arrived(cluster, pages)) == 8
    again = push(there, pages, LOGIN)
    assert figures(again) == (0, 8, 0, 2)
    assert "nothing to send, 8 files were there already" in said(again)
    assert cluster.sessions() == 1


def test_content_decides_where_times_differ_and_size_or_content_makes_a_change(
    cluster: LoopbackSsh, there: Connection, pages: Path
) -> None:
    push(there, pages, LOGIN)
    os.utime(pages / "a b.xml", (1, 1))
    os.utime(pages / "sub folder/x\ny.xml", (1, 1))
    (pages / "-rf.xml").write_text("-rF.xml")
    os.utime(pages / "-rf.xml", (1, 1))
    (pages / "new.xml").write_text("new.xml")
    (pages / "\\.xml").rename(pages / "other.xml")
    assert figures(push(there, pages, LOGIN)) == (3, 6, 1, 2)
    assert arrived(cluster, pages)["-rf.xml"] == "-rF.xml"
    assert arrived(cluster, pages)["\\.xml"] == "\\.xml"  # nothing there is removed


def test_one_name_in_two_spellings_is_one_file_if_its_content_is(
    cluster: LoopbackSsh, there: Connection, pages: Path
) -> None:
    push(there, pages, LOGIN)
    (pages / "e\u0301te\u0301.xml").rename(pages / "\xe9t\xe9.xml")
    assert figures(push(there, pages, LOGIN)) == (0, 8, 0, 2)
    (pages / "\xe9t\xe9.xml").write_text("another")
    with pytest.raises(ConfigError, match="spelling of accents"):
        push(there, pages, LOGIN)
    (pages / "\xe9t\xe9.xml").unlink()
    (pages / "a b.xml").rename(pages / "A b.xml")
    with pytest.raises(ConfigError, match=r"A b.xml here, a b.xml there"):
        push(there, pages, LOGIN)


def test_links_are_followed_and_one_that_leads_nowhere_is_refused(
    cluster: LoopbackSsh, there: Connection, pages: Path, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "page.xml").write_text("page")
    (pages / "linked").symlink_to(tmp_path / "elsewhere")
    assert push(there, pages, LOGIN).files == 9
    assert arrived(cluster, pages)["linked/page.xml"] == "page"
    (pages / "linked" / "around").symlink_to(pages)
    (pages / "nowhere.xml").symlink_to("gone.xml")
    with pytest.raises(ConfigError) as refused:
        push(there, pages, LOGIN)
    assert len(refused.value.problems) == 2


def test_what_was_interrupted_goes_on(
    cluster: LoopbackSsh, there: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "big"
    folder.mkdir()
    for name in ("1", "2"):
        (folder / name).write_bytes(os.urandom(1 << 20))
    send = rsync.send

    def cut(*arguments: object) -> None:
        """The first file came, the second in part, and the connection is gone."""
        target = cluster.there / "a workspace" / "Ground Truth" / "big"
        shutil.copy2(folder / "1", target / "1")
        (target / PARTIAL).mkdir()
        (target / PARTIAL / "2").write_bytes((folder / "2").read_bytes()[: 1 << 19])
        there.stop()
        cluster.login_shell("sleep 1; exit 255")
        send(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(rsync, "send", cut)
    with pytest.raises(ConnectionFailed) as failed:
        push(there, folder, LOGIN)
    assert failed.value.lost
    monkeypatch.setattr(rsync, "send", send)
    cluster.login_shell()
    with Connection("cluster") as again:
        assert figures(push(again, folder, LOGIN)) == (1, 1, 0, 0)
    target = cluster.there / "a workspace" / "Ground Truth" / "big"
    assert (target / "2").read_bytes() == (folder / "2").read_bytes()
    assert sorted(path.name for path in target.iterdir() if path.name != PARTIAL) == ["1", "2"]


def test_what_does_not_fit_is_not_begun(cluster: LoopbackSsh, there: Connection, pages: Path) -> None:
    program = cluster.there / "bin" / "diskquota"
    program.write_text("#!/bin/sh\necho 'used 500 GB of 500 GB'\n")
    program.chmod(0o755)
    with pytest.raises(TransferFailed, match=r"quota there \(diskquota\) has room for 0 bytes"):
        push(there, pages, LOGIN)
    assert arrived(cluster, pages) == {}


def test_a_machine_without_rsync_is_said(cluster: LoopbackSsh, there: Connection, pages: Path) -> None:
    program = cluster.there / "bin" / "rsync"
    program.write_text("#!/bin/sh\necho 'sh: rsync: command not found' >&2\nexit 127\n")
    program.chmod(0o755)
    with pytest.raises(HtrExpError, match="cluster has no rsync"):
        push(there, pages, LOGIN)


def test_ground_truth_and_models_have_their_places(pages: Path, tmp_path: Path) -> None:
    (tmp_path / "m.mlmodel").touch()
    (tmp_path / "pages.zip").touch()
    assert place_there(pages, LOGIN) == f"a workspace/Ground Truth/{pages.name}"
    assert place_there(tmp_path / "m.mlmodel", LOGIN) == "/models"
    assert place_there(tmp_path / "pages.zip", LOGIN) == "a workspace/Ground Truth"
