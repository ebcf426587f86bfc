from __future__ import annotations

import io
import json
import logging
import re
import sys

import pytest
from rich.table import Table

from htr_exp.core.console import Text, console, show_block, show_warnings, stacked
from htr_exp.core.run_state import RunState
from htr_exp.core.secrets import HIDDEN
from htr_exp.core.terminal import guarded, say, say_json, say_lines, say_within_signal
from htr_exp.core.text import printable, printable_lines

STYLES = re.compile(r"\x1b\[[0-9;]*m")
EVIL = "\x1b[2J\x9b31m\u202eevil\u2028[red]x[/red] :smile:\n\x1b]8;;http://x\x07"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    "sign",
    [
        *map(chr, range(0x20)),
        *map(chr, range(0x7F, 0xA0)),
        *"\u061c\u200e\u200f\u202a\u202e\u2066\u2069\u2028\u2029\udc80",
    ],
)
def test_what_steers_is_written_as_in_json(sign: str) -> None:
    shown = printable(f"a{sign}b")
    assert re.fullmatch(r"a\\(u[0-9a-f]{4}|[ntr])b", shown)
    assert json.loads(f'"{shown}"') == f"a{sign}b"


def test_letters_of_all_scripts_stay() -> None:
    text = "ſanctus  é q\u0303 \u05e9\u05dc\u05d5\u05dd \u0633\u0644\u0627\u0645 \u0646\u0645\u06cc\u200c \U0001f600 \xa0\xad"
    assert printable(text) == text


def test_lines_keep_their_newlines_and_tabs_alone() -> None:
    assert printable_lines("a\tb\r\n\x1b[1m") == "a\tb\\r\n\\u001b[1m"


def test_a_line_that_is_said_stays_one(capsys: pytest.CaptureFixture[str]) -> None:
    say("name\nerror: forged")
    say("name\nerror: forged", error=True)
    assert capsys.readouterr() == ("name\\nerror: forged\n", "name\\nerror: forged\n")


def test_what_is_said_within_a_signal_is_one_tame_line_past_the_buffers(
    capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    monkeypatch.setattr(sys, "stderr", stream)
    stream.write("half a li")
    say_within_signal("stopping \x1b[2J \u204a\nerror: forged é")
    assert capfdbinary.readouterr().err == b"stopping \\u001b[2J \\u204a\\nerror: forged \xe9\n"


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "cp1252", "utf-8", "utf-16"])
def test_what_the_encoding_of_a_terminal_lacks_is_escaped(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    value = {"é \u204a \U0001d11e": ["\u05d0"]}
    streams = [io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2)]
    for name, stream in zip(("stdout", "stderr"), streams):
        monkeypatch.setattr(sys, name, stream)
    with guarded():
        say("d\u0304ni \u204a", error=True)
        say_json(value)
        print("\u204a", flush=True)
    out, err = (stream.buffer.getvalue().decode(encoding) for stream in streams)
    assert json.loads(out.splitlines()[0]) == value
    lacking = not encoding.startswith("utf")
    assert err == (r"d\u0304ni \u204a" if lacking else "d\u0304ni \u204a") + "\n"
    assert out.splitlines()[1] == (r"\u204a" if lacking else "\u204a")


def test_json_says_the_same_and_steers_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    value = {EVIL: [EVIL, "é", "\udc80"]}
    say_json(value)
    said = capsys.readouterr().out
    assert json.loads(said) == value
    assert "é" in said
    assert said.count("\n") == 1
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\u2028]", said)


def test_a_terminal_gets_our_styles_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Text, a cell, a heading, markup, an emoji code, a link: all of them hold what would steer it."""
    stream = Terminal()
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr(sys, "stdout", stream)
    with guarded():
        out = console()
        table = Table(EVIL, title=EVIL)
        table.add_row(Text(EVIL, style="red"))
        table.add_row(EVIL)
        for shown in (
            Text.assemble((EVIL, "bold"), EVIL),
            Text("a").append(EVIL),
            EVIL,
            table,
            stacked([Text(EVIL)] * 2),
        ):
            out.print(shown)
        show_block(out, EVIL)
    said = stream.getvalue()
    assert "\x1b[1m" in said, "no style at all: it was no terminal"
    rest = STYLES.sub("", said)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\u2028]", rest)
    assert "[red]x[/red] :smile:" in rest


def test_what_libraries_write_is_guarded(capsys: pytest.CaptureFixture[str]) -> None:
    with guarded():
        handler = logging.StreamHandler(sys.stderr)
        handler.emit(logging.LogRecord("of.mlflow", logging.WARNING, "", 0, EVIL, None, None))
        print(EVIL)
        sys.stdout.writelines([EVIL])
    for said in capsys.readouterr():
        assert "evil" in said
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\u2028]", said)


def test_the_streams_are_given_back() -> None:
    before = sys.stdout, sys.stderr
    with guarded(), guarded():
        assert sys.stdout is not before[0]
    assert (sys.stdout, sys.stderr) == before


SECRET = 'open "sesame" now'


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> str:
    """The value of a variable that is called as secrets are."""
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", SECRET)
    return SECRET


def test_no_way_to_the_terminal_shows_a_secret(secret: str, capsys: pytest.CaptureFixture[str]) -> None:
    table = Table(f"heading {secret}", title=f"title {secret}", width=20)
    table.add_row(Text(f"a cell {secret}"))
    table.add_row(f"another {secret}")
    with guarded():
        out = console()
        shown = (table, secret, Text(secret), Text("a ").append(secret), Text.assemble((secret, "bold")))
        for one in shown:
            out.print(one)
        show_block(out, secret)
        show_warnings(out, [secret])
        say(secret, error=True)
        say_lines(f"{secret}\n")
        print(secret)
        print(secret, file=sys.stderr)
        try:
            raise ValueError(secret)
        except ValueError as error:
            sys.excepthook(ValueError, error, error.__traceback__)
    for said in capsys.readouterr():
        assert "sesame" not in said
        assert HIDDEN in said


def test_json_stays_json_without_its_secrets(
    secret: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DB_PASSWORD", "12345678")
    value = {
        "run": f"{secret} here",
        secret: ["http://ada:hunter22@host", 12345678, 0.12345678, None, True, RunState.DONE],
    }
    say_json(value)
    kept = [f"http://{HIDDEN}@host", 12345678, 0.12345678, None, True, "done"]
    assert json.loads(capsys.readouterr().out) == {"run": f"{HIDDEN} here", HIDDEN: kept}


def test_pieces_of_a_log_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    say_lines("a\n\tb")
    say_lines("c\x1b[1m\n")
    assert capsys.readouterr().out == "a\n\tbc\\u001b[1m\n"
