from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil
import pytest

from htr_exp.core import lock
from htr_exp.core.lock import Locked, LockLost, Owner, locked, made_once, owner_of


@pytest.fixture
def gone() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def sign(folder: Path, **values: Any) -> Path:
    """Make a lock as this process would sign it, but for some values."""
    folder.mkdir(parents=True)
    (folder / "owner.json").write_text(json.dumps(asdict(Owner.this_process()) | values))
    return folder


def age(folder: Path, seconds: float) -> None:
    """Let the heart of a lock have stopped so long ago."""
    then = (folder / "owner.json").stat().st_mtime - seconds
    os.utime(folder / "owner.json", (then, then))


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
    sign(tmp_path / "lock", pid=gone)
    assert owner_of(tmp_path / "lock") is None
    with locked(tmp_path / "lock"):
        assert json.loads((tmp_path / "lock" / "owner.json").read_text())["pid"] == os.getpid()


def test_process_number_that_came_back_is_not_the_owner(tmp_path: Path) -> None:
    folder = sign(tmp_path / "lock", started=Owner.this_process().started - 1)  # the next tick is another process
    assert owner_of(folder) is None


OTHER_BOOT = {"boot": "0c9f3a3e-0000-4000-8000-000000000000"}
ELSEWHERE = {"host": "elsewhere", "machine": "1", **OTHER_BOOT}
OUT_OF_SIGHT = {
    "on another machine": ELSEWHERE,
    "on another machine of this name": {**ELSEWHERE, "host": socket.gethostname()},
    "in a container of this machine": {"namespace": "pid:[1]"},
}


@pytest.mark.parametrize("where", OUT_OF_SIGHT)
def test_owner_that_cannot_be_seen_counts_while_its_heart_beats(tmp_path: Path, where: str) -> None:
    folder = sign(tmp_path / "lock", pid=2**22 + 1, **OUT_OF_SIGHT[where])
    assert owner_of(folder) is not None
    age(folder, lock.STALE_S + 5)
    assert owner_of(folder) is None
    with locked(folder) as held:
        assert held.taken_from is not None
        assert held.taken_from.pid == 2**22 + 1


def test_living_owner_on_this_machine_counts_however_long_its_heart_stood_still(tmp_path: Path) -> None:
    folder = sign(tmp_path / "lock")
    age(folder, 1e6)
    assert owner_of(folder) is not None
    with pytest.raises(Locked), locked(folder):
        pass


def test_earlier_start_of_a_job_that_lives_on_this_node_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Slurm that tracks processes by groups does not end those in a session of their own."""
    folder = sign(tmp_path / "lock", job="12", restart=0)
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    assert owner_of(folder) is not None


def test_owner_counts_when_the_machine_has_another_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = sign(tmp_path / "lock")
    age(folder, 1e6)
    monkeypatch.setattr(socket, "gethostname", lambda: "another-network")
    assert owner_of(folder) is not None


@pytest.mark.seconds
def test_stopped_process_keeps_its_lock(tmp_path: Path) -> None:
    code = "import sys\nfrom pathlib import Path\nfrom htr_exp.core.lock import locked\nwith locked(Path(sys.argv[1])):\n    print(flush=True)\n    input()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, tmp_path / "lock"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    os.kill(process.pid, signal.SIGSTOP)
    age(tmp_path / "lock", 3600)
    owner = owner_of(tmp_path / "lock")
    os.kill(process.pid, signal.SIGCONT)
    process.communicate(b"\n")
    assert owner is not None
    assert owner.pid == process.pid
    assert not list(tmp_path.iterdir())


def test_clock_that_is_set_changes_no_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = sign(tmp_path / "lock")
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 3600)
    monkeypatch.setattr(psutil, "boot_time", lambda: 5.0)
    monkeypatch.setattr(psutil.Process, "create_time", lambda process: 17.0)  # it follows from the clock
    assert owner_of(folder) is not None


def test_owner_from_before_the_machine_was_started_again_is_gone(tmp_path: Path) -> None:
    assert owner_of(sign(tmp_path / "lock", **OTHER_BOOT)) is None


@pytest.mark.parametrize("left", ["", '{"host": ', "[]", '{"pid": 1}', '{"host": "a", "pid": -1, "started": 0}'])
def test_lock_without_a_signature_is_nobodys(tmp_path: Path, left: str) -> None:
    folder = tmp_path / "lock"
    folder.mkdir()
    assert owner_of(folder) is None
    (folder / "owner.json").write_text(left)
    assert owner_of(folder) is None
    with locked(folder):
        pass
    assert not list(tmp_path.iterdir())


def test_a_file_in_the_place_of_a_lock_is_cleared_away(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("")
    assert owner_of(tmp_path / "lock") is None
    with locked(tmp_path / "lock"):
        pass
    assert not list(tmp_path.iterdir())


def test_lock_is_signed_before_it_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is stopped while it signs must not write its name into another's lock."""
    real = os.rename
    others: list[Path] = []

    def slowly(source: Path, target: Path) -> None:
        if not others:
            others.append(sign(tmp_path / "lock"))
        real(source, target)

    monkeypatch.setattr(os, "rename", slowly)
    with pytest.raises(Locked), locked(tmp_path / "lock"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


def test_lock_of_a_process_that_was_killed_while_it_signed_is_cleared_away(tmp_path: Path, gone: int) -> None:
    sign(tmp_path / "lock.new-1", pid=gone)
    (tmp_path / "lock.new-2").mkdir()
    sign(tmp_path / "lock.gone-77-1", pid=gone)
    (tmp_path / "lock.gone-77-2").mkdir()
    living = sign(tmp_path / "lock.new-3")
    with locked(tmp_path / "lock"):
        pass
    assert list(tmp_path.iterdir()) == [living]


def test_owner_whose_lock_is_anothers_is_told_and_leaves_it_alone(tmp_path: Path) -> None:
    with locked(tmp_path / "lock") as held:
        held.confirm()
        shutil.rmtree(tmp_path / "lock")
        sign(tmp_path / "lock", pid=77, token="theirs", **ELSEWHERE)
        with pytest.raises(LockLost, match="process 77 on elsewhere took it over while process"):
            held.confirm()
    assert json.loads((tmp_path / "lock" / "owner.json").read_text())["token"] == "theirs"


def test_owner_whose_lock_was_removed_is_told(tmp_path: Path) -> None:
    with locked(tmp_path / "lock"):
        shutil.rmtree(tmp_path / "lock")
        with pytest.raises(LockLost, match="the lock was removed"):
            lock.confirm(tmp_path / "lock")
    lock.confirm(tmp_path / "lock")  # who holds none has nothing to lose
    assert not list(tmp_path.iterdir())


def test_heart_does_not_beat_in_a_lock_of_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "BEAT_S", 0.01)
    with locked(tmp_path / "lock"):
        shutil.rmtree(tmp_path / "lock")
        theirs = sign(tmp_path / "lock", token="theirs")
        age(theirs, 1000)
        before = (theirs / "owner.json").stat().st_mtime
        threading.Event().wait(0.1)
        assert (theirs / "owner.json").stat().st_mtime == before
    assert theirs.exists()


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_lock_that_cannot_be_cleared_away_is_an_error(tmp_path: Path, gone: int) -> None:
    sign(tmp_path / "lock", pid=gone)
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(PermissionError), locked(tmp_path / "lock"):
            pass
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.seconds
def test_of_many_that_come_to_an_abandoned_lock_one_at_a_time_gets_in(tmp_path: Path, gone: int) -> None:
    sign(tmp_path / "lock", pid=gone)
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
    folder = sign(tmp_path / "lock", pid=gone)
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
    sign(tmp_path / ".made.lock", pid=gone)
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

    sign(tmp_path / ".made.lock")
    assert not made_once(tmp_path / "made", writes("mine"), wait=wait)
    assert (tmp_path / "made").read_text() == "theirs"
    assert len(waits) == 1


def test_what_is_made_under_a_lost_lock_is_not_kept(tmp_path: Path) -> None:
    def make(aside: Path) -> None:
        aside.write_text("mine")
        shutil.rmtree(tmp_path / ".made.lock")

    with pytest.raises(LockLost):
        made_once(tmp_path / "made", make)
    assert not list(tmp_path.iterdir())
