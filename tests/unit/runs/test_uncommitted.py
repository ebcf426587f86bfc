from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from htr_exp.core.secrets import LEFT_OUT
from htr_exp.runs import provenance


def git(folder: Path, *words: str) -> None:
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    subprocess.run(["git", "-C", str(folder), *identity, *words], check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in {
        "htr_exp/train.py": "rate = 1\n",
        "conf/site/laptop.yaml": "workspace: .\n",
        "notes.txt": "a\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-q", "-m", "first")
    monkeypatch.setattr(provenance, "code_digest", lambda: "digest")
    monkeypatch.setattr(provenance, "PACKAGE", tmp_path / "htr_exp")
    return tmp_path


def test_changed_and_new_code_is_in_the_diff(checkout: Path) -> None:
    (checkout / "htr_exp/train.py").write_text("rate = 2\n")
    (checkout / "conf/site/mine.yaml").write_text("workspace: /scratch\n")
    state, diff = provenance.code()
    assert "+rate = 2\n" in diff
    assert "+workspace: /scratch\n" in diff
    assert (state["dirty"], state["untracked"]) == (True, ["conf/site/mine.yaml"])


def test_the_diff_can_be_applied(checkout: Path) -> None:
    (checkout / "htr_exp/train.py").write_text("rate = 2\n")
    (checkout / "htr_exp/new.py").write_text("more = 1\n")
    diff = provenance.code()[1]
    git(checkout, "checkout", "-q", ".")
    (checkout / "htr_exp/new.py").unlink()
    (checkout / "uncommitted.diff").write_text(diff)
    git(checkout, "apply", "uncommitted.diff")
    assert (checkout / "htr_exp/train.py").read_text() == "rate = 2\n"
    assert (checkout / "htr_exp/new.py").read_text() == "more = 1\n"


def test_what_is_not_code_stays_where_it_is(checkout: Path) -> None:
    (checkout / "notes.txt").write_text("private\n")
    (checkout / "Ground_Truth").mkdir()
    (checkout / "Ground_Truth/page.xml").write_text("<PcGts/>\n")
    assert provenance.code()[1] == ""
    (checkout / "conf/table.csv").write_text("page,hand\n")
    state, diff = provenance.code()
    assert diff == ""
    assert state["untracked"] == ["conf/table.csv"]


SECRETS = [
    "tracking: {uri: 'https://ada:hunter22@mlflow.example.org'}",
    'password: "correct horse"'.replace(" horse", "-horse"),
    "api_key = 'abcdef0123456789'",
    "MLFLOW_TRACKING_TOKEN: abcdef0123456789",
    "x = 'ghp_0123456789abcdef0123456789abcdef0123'",
    "-----BEGIN OPENSSH PRIVATE KEY-----",
]


@pytest.mark.parametrize("line", SECRETS)
@pytest.mark.parametrize("name", ["conf/site/laptop.yaml", "htr_exp/new.py"])
def test_a_line_that_looks_like_a_secret_is_left_out_and_said(checkout: Path, line: str, name: str) -> None:
    (checkout / name).write_text(f"a: 1\n{line}\nb: 2\n")
    state, diff = provenance.code()
    assert line not in diff
    assert f"+a: 1\n+{LEFT_OUT}\n+b: 2\n" in diff
    assert state["redacted"] == [name]


@pytest.mark.parametrize(
    "line",
    ["token = next(tokens)", "password: str | None = None", "uri: sqlite:///mlflow.db", "# the secret of a good split"],
)
def test_ordinary_code_is_no_secret(checkout: Path, line: str) -> None:
    (checkout / "htr_exp/new.py").write_text(f"{line}\n")
    state, diff = provenance.code()
    assert f"+{line}\n" in diff
    assert state["redacted"] == []
