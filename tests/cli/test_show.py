"""`show`: the report of a run, made anew where that is needed, and nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.one_training import User
from helpers.reports import Page
from htr_exp.core import files
from htr_exp.runs.run_dir import RunDir

pytestmark = pytest.mark.seconds

HTR_EXP = Path(sys.executable).with_name("htr-exp")


def test_the_newest_run_is_shown(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    said = user.call("show")
    assert (said.code, said.err) == (0, "")
    assert said.out == f"report: {user.first.report.resolve().as_uri()}\n"
    assert user.call("show", user.first.name, "--json").json == {
        "run": str(user.first.path.resolve()), "report": str(user.first.report.resolve()), "made": False,
    }  # fmt: skip


def test_it_is_made_where_it_is_missing_or_another(user: User) -> None:
    before = user.first.report.read_bytes()
    for other in (None, b"", b"<script>alert(1)</script>", before + b" "):
        if other is None:
            user.first.report.unlink()
        else:
            user.first.report.write_bytes(other)
        assert user.call("show", "--json").json["made"] is True
        assert user.first.report.read_bytes() == before
        assert user.call("show", "--json").json["made"] is False


def test_it_is_made_anew_once_its_records_say_more(user: User) -> None:
    result = files.read_json(user.first.results)
    files.write_json(user.first.results, result | {"device": "another"})
    assert user.call("show", "--json").json["made"] is True
    assert "Changed since it was written: results.json." in Page(user.first.report.read_bytes()).text


def test_one_run_with_scores_is_needed(user: User) -> None:
    copy = user.workspace / "runs" / "copied"
    shutil.copytree(user.first.path, copy)
    said = user.call("show", "copied", user.first.name)
    assert (said.code, "show takes one run" in said.err) == (2, True)
    said = user.call("show", "nothing")
    assert (said.code, "there is no such run" in said.err) == (2, True)
    (copy / "results.json").unlink()
    said = user.call("show", "copied")
    assert (said.code, "copied has no scores yet" in said.err) == (2, True)


def test_a_damaged_folder_is_told_in_words(user: User) -> None:
    files.write_json(
        user.first.results, files.read_json(user.first.results) | {"test": {"best": {"cer": "x", "per_page": 1}}}
    )
    said = user.call("show")
    assert said.code in (0, 2)
    assert "Traceback" not in said.err
    files.write_json(user.first.provenance, files.read_json(user.first.provenance) | {"leakage": {"accepted": 7}})
    said = user.call("show")
    assert said.code == 2
    assert "the report cannot be made, the run folder is damaged or was edited" in said.err


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes anywhere: run the tests as another user to see this")
def test_a_folder_that_cannot_be_written_is_shown_all_the_same(user: User) -> None:
    user.first.report.unlink()
    user.first.path.chmod(0o500)
    shown = _in_the_cache(user)
    user.first.path.chmod(0o700)
    assert shown.read_bytes().startswith(b"<!DOCTYPE html>")


def test_a_full_disk_is_shown_all_the_same(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    user.first.report.unlink()
    real = files.write_atomically

    def full(path: Path, data: bytes | str) -> None:
        if path.parent == user.first.path.resolve():
            raise OSError(28, "No space left on device", str(path))
        real(path, data)

    monkeypatch.setattr(files, "write_atomically", full)
    shown = _in_the_cache(user)
    assert shown.read_bytes().startswith(b"<!DOCTYPE html>")
    assert not user.first.report.exists()
    monkeypatch.setattr(files, "write_atomically", real)
    assert user.call("show", "--json").json["made"] is True
    assert user.first.report.read_bytes() == shown.read_bytes()


def _in_the_cache(user: User) -> Path:
    said = user.call("show", "--json").json
    assert said["made"] is True
    assert user.call("show", "--json").json == said | {"made": False}
    shown = Path(said["report"])
    assert shown.parent == Path(os.environ["XDG_CACHE_HOME"]) / "htr_exp" / "reports"
    return shown


@pytest.mark.parametrize(
    ("words", "display", "opened"),
    [([], ":0", True), ([], "", False), (["--no-open"], ":0", False), (["--json"], ":0", False)],
)
def test_a_browser_is_opened_where_there_is_a_screen(
    words: list[str], display: str, opened: bool, user: User, tmp_path: Path
) -> None:
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\nprintf "%s|" "$@" >{tmp_path}/asked\n')
    browser.chmod(0o755)
    odd = user.first.path.rename(user.first.path.with_name("a $(touch ran) 'b' & c;%20"))
    said = subprocess.run(
        [str(HTR_EXP), "show", *words], env={**os.environ, "BROWSER": f"{browser} %s", "DISPLAY": display, "WAYLAND_DISPLAY": ""},
        capture_output=True, text=True, cwd=user.workspace,
    )  # fmt: skip
    assert (said.returncode, said.stderr) == (0, "")
    asked = tmp_path / "asked"
    assert (asked.read_text() if asked.exists() else "") == f"{RunDir(odd).report.resolve().as_uri()}|" * opened
    assert not (user.workspace / "ran").exists()


def test_nothing_of_a_strangers_page_is_opened_and_no_link_is_followed(user: User, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("mine")
    user.first.report.unlink()
    user.first.report.symlink_to(secret)
    said = user.call("show", user.first.name)
    assert (said.code, "it holds symbolic links or special files (report.html)" in said.err) == (2, True)
    assert secret.read_text() == "mine"


def test_no_image_and_no_cache_is_read_to_show_a_run(user: User) -> None:
    before = user.first.report.read_bytes()
    user.first.report.unlink()
    shutil.rmtree(user.workspace / "cache")
    user.first.places.unlink()
    assert user.call("show", "--json").json["made"] is True
    assert user.first.report.read_bytes() == before


def test_a_login_node_needs_nothing_heavy_to_show_a_run(user: User) -> None:
    heavy = ("torch", "kraken", "coremltools", "mlflow", "lightning", "pyarrow", "hydra")
    code = f"import sys\nfrom htr_exp.cli.main import main\nassert main(['show', '--json']) == 0\nsys.exit(str([name for name in {heavy} if name in sys.modules] or ''))"
    said = subprocess.run([sys.executable, "-c", code], cwd=user.workspace, capture_output=True, text=True)
    assert said.stderr.strip() == ""
