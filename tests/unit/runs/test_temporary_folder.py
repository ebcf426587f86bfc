from __future__ import annotations

import stat
import tempfile
from multiprocessing.connection import Listener
from pathlib import Path

import pytest

from htr_exp.core.errors import RuntimeUnavailableError
from htr_exp.core.files import read_jsonl, write_jsonl
from htr_exp.core.process_identity import here
from htr_exp.kraken.process import made_for
from htr_exp.runs import temporary_folder
from htr_exp.runs.run_dir import RunDir

HERE = {"host": here().host, "machine": here().machine}


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    found = RunDir(tmp_path / "run")
    found.live.mkdir(parents=True)
    return found


def test_it_is_in_the_place_of_temporary_files_and_recorded_before_it_is_made(run: RunDir, short: Path) -> None:
    folder = temporary_folder.reserve(run, short)
    assert folder.parent == short
    assert not folder.exists()
    assert read_jsonl(run.temporary) == [{"folder": str(folder), **HERE}]
    folder.mkdir()
    (folder / "torch_1234").mkdir()
    (folder / "torch_1234" / "left").touch()
    temporary_folder.clear(run)
    assert not folder.exists()
    assert not run.temporary.exists()


@pytest.mark.parametrize("longer", [0, 1, 100])
def test_sockets_have_room_in_it(run: RunDir, longer: int) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as short:
        around = Path(short).resolve()
        while (lacking := temporary_folder.LONGEST + longer - len(str(around))) > 0:
            around /= "x" * min(max(lacking - 1, 1), 200)
        around.mkdir(parents=True, exist_ok=True)
        assert longer == 0 or len(str(around)) > temporary_folder.LONGEST
        folder = temporary_folder.reserve(run, around)
        assert (folder.parent == around) == (longer == 0)
        with made_for("kraken", folder):
            (folder / "pymp-01234567").mkdir()
            Listener(str(folder / "pymp-01234567" / "listener-01234567"), "AF_UNIX").close()
        assert not folder.exists()


def test_what_another_machine_has_stays_known(run: RunDir, tmp_path: Path) -> None:
    theirs = {"folder": str(tmp_path / "htr-00aa11"), "host": "gpu7", "machine": HERE["machine"]}
    Path(theirs["folder"]).mkdir()
    write_jsonl(run.temporary, [theirs])
    folder = temporary_folder.reserve(run, tmp_path)
    folder.mkdir()
    temporary_folder.clear(run)
    assert not folder.exists()
    assert Path(theirs["folder"]).exists()
    assert read_jsonl(run.temporary) == [theirs]


def test_a_record_cannot_have_anything_else_removed(
    run: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else may have written the run folder."""
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").touch()
    (tmp_path / "htr-00aa11").symlink_to(precious)
    (tmp_path / "htr-00aa12").touch()
    named = [
        str(precious),
        f"{precious}/../precious",
        str(tmp_path / "htr-00aa11"),
        str(tmp_path / "htr-00aa12"),
        "htr-00aa13",
        "a\0b",
    ]
    write_jsonl(run.temporary, [{"folder": name, **HERE} for name in named])
    monkeypatch.chdir(tmp_path)
    Path("htr-00aa13").mkdir()
    temporary_folder.clear(run)
    assert Path("htr-00aa13").exists()
    assert (precious / "file").exists()
    assert (tmp_path / "htr-00aa12").exists()
    assert not run.temporary.exists()


def test_it_is_for_its_user_alone_and_goes_with_what_is_in_it(tmp_path: Path) -> None:
    folder = tmp_path / "htr-00aa11"
    with made_for("kraken", folder):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        (folder / "left").touch()
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(RuntimeUnavailableError) as refused, made_for("kraken", tmp_path / "gone" / "htr-00aa11"):
        pass
    assert str(refused.value) == (
        f"{tmp_path}/gone: kraken cannot keep temporary files there (No such file or directory)\n"
        "  - set TMPDIR to a folder that can be written and has some room"
    )
