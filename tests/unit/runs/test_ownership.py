"""Whether this account wrote a run folder itself."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.recorded_runs import make_run
from htr_exp.runs.ownership import is_ours, key_problem, sign
from htr_exp.runs.run_dir import RunDir


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "htr_exp"


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    found = RunDir(make_run(tmp_path))
    sign(found)
    return found


def test_a_run_that_we_signed_is_ours_also_once_it_was_moved(run: RunDir) -> None:
    assert is_ours(run)
    moved = run.path.rename(run.path.with_name("moved"))
    assert is_ours(RunDir(moved))


def test_a_run_that_nobody_signed_is_not(tmp_path: Path, home: Path) -> None:
    run = RunDir(make_run(tmp_path))
    assert not is_ours(run)
    assert not home.exists(), "asking makes no key"


def test_a_copy_is_not_ours(run: RunDir) -> None:
    assert not is_ours(RunDir(Path(shutil.copytree(run.path, run.path.with_name("copy")))))


def test_a_run_that_was_sealed_anew_is_not_ours(run: RunDir) -> None:
    run.commands.write_text("another\n")
    run.seal({})
    assert not is_ours(run)


def test_the_run_of_another_account_is_not_ours(run: RunDir, home: Path) -> None:
    (home / "signing.key").rename(home / "key-of-before")
    assert not is_ours(run)
    sign(run)
    assert is_ours(run)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to others")
def test_a_folder_that_another_account_owns_is_not_ours(run: RunDir) -> None:
    os.chown(run.path, 12345, 12345)
    assert not is_ours(run)


def test_only_this_account_reads_the_key_and_one_that_others_could_read_is_none(run: RunDir, home: Path) -> None:
    key = home / "signing.key"
    assert key.stat().st_mode & 0o777 == 0o600
    key.chmod(0o640)
    assert not is_ours(run)


def test_without_a_place_for_the_key_nothing_is_signed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "file"))
    run = RunDir(make_run(tmp_path))
    sign(run)
    assert not run.signature.exists()
    assert not is_ours(run)


@pytest.mark.parametrize("at", [1, 2, 3, 4, 5])
def test_a_run_whose_writing_was_cut_short_anywhere_is_ours_once_it_is_written_again(
    planned: Callable[..., RunDir], monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """A SIGKILL before any of the last files that are put in their places."""
    real, names = os.replace, []

    def replace(source: Path, target: Path) -> None:
        names.append(Path(target).name)
        if names[-1] in ("manifest.json", "signature", "provenance.json", "state.json", "pages.tar.gz"):
            left.append(names[-1])
            if len(left) == at:
                raise Killed
        real(source, target)

    left: list[str] = []
    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(Killed):
        planned()
    monkeypatch.setattr(os, "replace", real)
    assert at != 5 or left[-2:] == ["signature", "manifest.json"]
    assert is_ours(planned())


class Killed(BaseException):
    """No code of ours runs after it."""


def test_a_key_without_a_place_is_told_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", "/dev/null")
    run = RunDir(make_run(tmp_path))
    sign(run)
    assert not is_ours(run)
    problem = key_problem()
    assert problem is not None
    assert "has no place: /dev/null/.local/share/htr_exp cannot be written" in problem.what
    assert "`resume RUN --trust`" in problem.what
    assert problem.remedy.startswith("set XDG_DATA_HOME to a folder that is yours alone")


def test_a_key_that_cannot_be_used_is_told(run: RunDir, home: Path) -> None:
    assert key_problem() is None
    key = home / "signing.key"
    key.chmod(0o640)
    assert "is not for you alone" in str(key_problem())
    key.chmod(0o600)
    key.write_bytes(b"short")
    assert "is damaged" in str(key_problem())
    key.unlink()
    key.mkdir()
    assert "cannot be read (Is a directory)" in str(key_problem())


def test_asking_makes_no_key(home: Path) -> None:
    assert key_problem() is None
    assert not home.exists()
