"""A program is asked: what it says is heard, and what hangs is given up with all its children."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from helpers.findings import program
from htr_exp.core.program import Answer, NoAnswer, ask

pytestmark = pytest.mark.seconds


def ended(pid: int) -> bool:
    """Whether a process is gone within five seconds."""
    for _ in range(100):
        if not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text().split()[2]:
            return True
        time.sleep(0.05)
    return False


def test_both_streams_and_the_exit_code_are_heard(tmp_path: Path) -> None:
    said = ask([str(program(tmp_path, "both", "echo out; echo err >&2; exit 3"))], timeout_s=60)
    assert said == Answer(3, "out\n", "err\n")
    assert (said.words, said.last_line) == ("out\nerr\n", "err")


@pytest.mark.parametrize(
    ("said", "line"),
    [
        (Answer(1, "a\nb\n\n", "  \n"), "b"),
        (Answer(1, "a", "first\n last \n\n"), "last"),
        (Answer(4, "", "\n"), "exit code 4"),
    ],
)
def test_the_last_line_is_that_of_the_errors_where_there_are_some(said: Answer, line: str) -> None:
    assert said.last_line == line


def test_it_speaks_english_reads_what_it_is_given_and_has_no_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "fr_FR.UTF-8")
    script = 'cat; echo "$LC_ALL $OWN"; cut -d " " -f 6 /proc/$$/stat; echo $$'
    heard = ask(
        [str(program(tmp_path, "p", script))], timeout_s=60, environment={**os.environ, "OWN": "x"}, stdin="é\n"
    )
    given, language, session, pid = heard.output.split("\n")[:4]
    assert (given, language, session) == ("é", "C.UTF-8 x", pid)
    assert ask([str(program(tmp_path, "q", "cat"))], timeout_s=60).output == ""


def test_bytes_that_are_no_utf8_are_kept_where_that_is_wanted(tmp_path: Path) -> None:
    argv = [str(program(tmp_path, "p", r"printf '\351'"))]
    assert ask(argv, timeout_s=60).output == "\ufffd"
    assert os.fsencode(ask(argv, timeout_s=60, undecodable="surrogateescape").output) == b"\xe9"


def test_a_program_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    hung = program(tmp_path, "hung", f"sleep 600 & echo $! >'{tmp_path}/pid'; wait")
    with pytest.raises(NoAnswer, match=r"hung does not answer within 0\.5 s"):
        ask([str(hung)], timeout_s=0.5)
    assert ended(int((tmp_path / "pid").read_text()))


def test_a_child_that_keeps_the_outputs_open_is_ended_too(tmp_path: Path) -> None:
    left = program(tmp_path, "left", f"sleep 600 & echo $! >'{tmp_path}/pid'")
    with pytest.raises(NoAnswer, match=r"it does not answer within 0\.5 s"):
        ask([str(left)], timeout_s=0.5, name="it")
    assert ended(int((tmp_path / "pid").read_text()))


def test_an_interruption_ends_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(process: subprocess.Popen[bytes], *_: object, **__: object) -> None:
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            time.sleep(0.01)
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess.Popen, "communicate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ask([str(program(tmp_path, "slow", f"echo $$ >'{tmp_path}/pid'; exec sleep 600"))], timeout_s=60)
    assert ended(int((tmp_path / "pid").read_text()))


def test_a_program_that_cannot_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("x")
    with pytest.raises(NoAnswer, match="text does not start: Permission denied"):
        ask([str(tmp_path / "text")], timeout_s=60)
    script = program(tmp_path, "moved", "true")
    script.write_text("#!/no/such/python\n")
    with pytest.raises(NoAnswer, match="moved does not start: No such file or directory"):
        ask([str(script)], timeout_s=60)
    with pytest.raises(NoAnswer, match=r"^nowhere is not on this machine$"):
        ask(["nowhere"], timeout_s=60)
