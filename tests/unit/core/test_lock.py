from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from htr_exp.core import lock
from htr_exp.core.lock import Locked, locked, made_once, owner_of


@pytest.fixture
def gone() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def sign(folder: Path, *, pid: int, started: float, host: str | None = None) -> Path:
    folder.mkdir(parents=True)
    (folder / "owner.json").write_text(
        json.dumps({"host": host or socket.gethostname(), "pid": pid, "started": started})
    )
    return folder


def test_held_lock_names_its_owner_and_is_gone_afterwards(tmp_path: Path) -> None:
    with locked(tmp_path / "lock"):
        owner = owner_of(tmp_path / "lock")
        assert owner is not None
        assert (owner.host, owner.pid) == (socket.gethostname(), os.getpid())
    assert not list(tmp_path.iterdir())


def test_second_one_is_told_who_holds_it(tmp_path: Path) -> None:
    with locked(tmp_path / "lock"):
        with pytest.raises(Locked) as caught, locked(tmp_path / "lock"):
            pass
        assert caught.value.owner.pid == os.getpid()
        assert (tmp_path / "lock").exists()


def test_lock_is_given_up_when_the_work_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), locked(tmp_path / "lock"):
        raise ZeroDivisionError
    assert not (tmp_path / "lock").exists()


def test_lock_of_an_ended_process_is_taken_over(tmp_path: Path, gone: int) -> None:
    sign(tmp_path / "lock", pid=gone, started=0.0)
    assert owner_of(tmp_path / "lock") is None
    with locked(tmp_path / "lock"):
        assert json.loads((tmp_path / "lock" / "owner.json").read_text())["pid"] == os.getpid()


def test_process_number_that_came_back_is_not_the_owner(tmp_path: Path) -> None:
    sign(tmp_path / "lock", pid=os.getpid(), started=psutil.Process().create_time() - 3600)
    assert owner_of(tmp_path / "lock") is None


def test_owner_on_another_machine_counts_while_its_heart_beats(tmp_path: Path) -> None:
    folder = sign(tmp_path / "lock", pid=1, started=0.0, host="elsewhere")
    assert owner_of(folder) is not None
    old = (folder / "owner.json").stat().st_mtime - lock.STALE_S - 1
    os.utime(folder / "owner.json", (old, old))
    assert owner_of(folder) is None


def test_lock_about_to_be_signed_is_respected_for_a_moment(tmp_path: Path) -> None:
    folder = tmp_path / "lock"
    folder.mkdir()
    assert owner_of(folder) is not None
    os.utime(folder, (1, 1))
    assert owner_of(folder) is None


def test_half_written_signature_is_respected_for_a_moment(tmp_path: Path) -> None:
    folder = tmp_path / "lock"
    folder.mkdir()
    (folder / "owner.json").write_text("")
    assert owner_of(folder) is not None


def test_signature_cut_short_by_a_kill_does_not_block_for_ever(tmp_path: Path) -> None:
    folder = tmp_path / "lock"
    folder.mkdir()
    (folder / "owner.json").write_text('{"host": ')
    os.utime(folder / "owner.json", (1, 1))
    os.utime(folder, (1, 1))
    with locked(folder):
        pass


@pytest.mark.seconds
def test_of_many_that_come_to_an_abandoned_lock_one_at_a_time_gets_in(tmp_path: Path, gone: int) -> None:
    sign(tmp_path / "lock", pid=gone, started=0.0)
    inside, most = [0], [0]

    def work() -> None:
        with locked(tmp_path / "lock", wait=lambda owner: True):
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            threading.Event().wait(0.01)
            inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (inside[0], most[0]) == (0, 1)  # a thread that fails is an error of pytest's own


def test_one_that_is_clearing_an_abandoned_lock_is_waited_for(tmp_path: Path, gone: int) -> None:
    """Between its look and its act another may come; it must not find the place empty, nor act upon an old look."""
    folder = sign(tmp_path / "lock", pid=gone, started=0.0)
    guard = tmp_path / "lock.clearing"
    guard.mkdir()
    lock._clear(folder)
    assert folder.exists()
    old = guard.stat().st_mtime - lock.GUARD_S - 1
    os.utime(guard, (old, old))  # whoever made it was killed
    lock._clear(folder)
    lock._clear(folder)
    assert not list(tmp_path.iterdir())


def test_a_lock_that_is_held_is_not_cleared_upon_an_old_look(tmp_path: Path) -> None:
    with locked(tmp_path / "lock"):
        lock._clear(tmp_path / "lock")
        assert (tmp_path / "lock" / "owner.json").exists()
    assert not list(tmp_path.iterdir())


def writes(text: str) -> Callable[[Path], None]:
    """Make a file with this text."""

    def make(path: Path) -> None:
        path.write_text(text)

    return make


def test_file_is_made_once(tmp_path: Path) -> None:
    assert made_once(tmp_path / "made", writes("1"))
    assert not made_once(tmp_path / "made", writes("2"))
    assert (tmp_path / "made").read_text() == "1"
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


def test_failed_making_leaves_nothing(tmp_path: Path) -> None:
    def fail(aside: Path) -> None:
        aside.write_text("half")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        made_once(tmp_path / "made", fail)
    assert not list(tmp_path.iterdir())


def test_half_made_file_of_a_killed_process_is_cleared_away(tmp_path: Path, gone: int) -> None:
    (tmp_path / f".made.part-{gone}").write_text("half")
    sign(tmp_path / ".made.lock", pid=gone, started=0.0)
    assert made_once(tmp_path / "made", writes("whole"))
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


def test_what_another_made_while_one_waited_is_taken(tmp_path: Path) -> None:
    waits = []

    def wait(owner: object) -> bool:
        waits.append(owner)
        (tmp_path / "made").write_text("theirs")
        (tmp_path / ".made.lock" / "owner.json").unlink()
        (tmp_path / ".made.lock").rmdir()
        return True

    sign(tmp_path / ".made.lock", pid=os.getpid(), started=psutil.Process().create_time())
    assert not made_once(tmp_path / "made", writes("mine"), wait=wait)
    assert (tmp_path / "made").read_text() == "theirs"
    assert len(waits) == 1
