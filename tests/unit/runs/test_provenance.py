from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.findings import program
from htr_exp.runs import provenance


def test_the_code_is_kept_by_content_and_runs_from_where_it_is_kept(tmp_path: Path) -> None:
    kept = provenance.keep_code(tmp_path)
    assert kept == tmp_path / "code" / provenance.code_digest()[:16]
    assert provenance.keep_code(tmp_path) == kept
    said = subprocess.run(
        [sys.executable, "-c", "from htr_exp.runs import provenance; print(provenance.PACKAGE, provenance.code_digest())"],
        env={"PYTHONPATH": str(kept)}, cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert said.stdout.split() == [str(kept / "htr_exp"), provenance.code_digest()]


def test_the_code_of_jobs_is_never_changed_while_they_import_it(tmp_path: Path) -> None:
    kept = provenance.keep_code(tmp_path)
    compiled = kept / "htr_exp" / "core" / "__pycache__" / "files.cpython-311.pyc"
    compiled.parent.mkdir()
    compiled.write_bytes(b"as a job that runs writes it")
    before = {path: path.stat().st_mtime_ns for path in [kept, *kept.rglob("*")]}
    assert provenance.keep_code(tmp_path) == kept
    assert {path: path.stat().st_mtime_ns for path in [kept, *kept.rglob("*")]} == before


def test_code_of_somebody_else_is_not_what_jobs_import(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    shutil.copytree(provenance.keep_code(tmp_path), theirs / "code" / provenance.code_digest()[:16])
    kept = provenance.keep_code(theirs)
    assert kept != theirs / "code" / provenance.code_digest()[:16]
    assert provenance.keep_code(theirs) == kept
    (tmp_path / "linked" / "code").mkdir(parents=True)
    link = tmp_path / "linked" / "code" / provenance.code_digest()[:16]
    link.symlink_to(tmp_path / "nowhere")
    assert provenance.keep_code(tmp_path / "linked") != link


def test_the_digest_of_the_code_is_of_names_and_contents(tmp_path: Path) -> None:
    kept = provenance.keep_code(tmp_path)

    def digest() -> str:
        code = "from htr_exp.runs import provenance; print(provenance.code_digest())"
        return subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONPATH": str(kept)}, cwd=tmp_path, capture_output=True, text=True, check=True
        ).stdout  # fmt: skip

    before = digest()
    module = kept / "htr_exp" / "core" / "files.py"
    module.write_text(module.read_text() + "# edited\n")
    edited = digest()
    assert edited != before
    module.rename(module.with_name("files_.py"))
    (kept / "htr_exp" / "core" / "files.py").write_text((kept / "htr_exp" / "core" / "files_.py").read_text())
    assert digest() not in (before, edited)


@pytest.mark.seconds
@pytest.mark.parametrize(
    ("says", "state"),
    [
        ('case "$*" in *rev-parse*) echo abc;; *diff*) echo changed;; *) printf "conf/new.yaml\\0";; esac', ("abc", True, ["conf/new.yaml"])),
        ('case "$*" in *rev-parse*) echo abc;; esac', ("abc", False, [])),
        ('case "$*" in *rev-parse*) echo abc;; *) sleep 600;; esac', (None, None, None)),
    ],
    ids=["changed", "as committed", "silent"],
)  # fmt: skip
def test_nothing_is_claimed_of_a_commit_that_git_does_not_tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, state: tuple[object, ...]
) -> None:
    (tmp_path / ".git").mkdir()
    monkeypatch.setattr(provenance, "code_digest", lambda: "digest")
    monkeypatch.setattr(provenance, "PACKAGE", tmp_path / "htr_exp")
    monkeypatch.setattr(provenance, "GIT_TIMEOUT_S", 1.0 if "sleep" in says else 60.0)
    monkeypatch.setenv("PATH", f"{program(tmp_path / 'bin', 'git', says).parent}:{os.environ['PATH']}")
    found, diff = provenance.code()
    assert (found["commit"], found["dirty"], found.get("untracked")) == state
    assert found["digest"] == "digest"
    assert diff == ("changed\n" if state[1] else "")
