"""Verbs that draw tables, on terminals that are narrow, or are not UTF-8."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

import pytest

from helpers.page_files import page_line, page_xml, put, write_image
from helpers.recorded_runs import make_run, sealed
from htr_exp.cli.main import main

STYLES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")
"""Of rich: styles, and what draws a bar again."""

STEERING = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029]")


class Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True

    @property
    def shown(self) -> str:
        self.flush()
        return STYLES.sub("", self.buffer.getvalue().decode(self.encoding))  # type: ignore[attr-defined]


@pytest.fixture
def full(workspace: Path) -> Path:
    """A workspace with three runs, one of which failed for a long reason, and pages with a problem and signs of the Middle Ages."""
    names = [f"summa_elegantius-catmus_medieval-0a1b2c3{number}" for number in range(3)]
    runs = [
        make_run(workspace, name, lrate=0.001 * (number + 1), sweep="0a1b2c3d") for number, name in enumerate(names)
    ]
    for run in (*runs, make_run(workspace, "ſanctus-⁊-0a1b2c3e", state="failed")):
        with open(run / "experiment.yaml", "a") as experiment:
            experiment.write("tracking: {kind: none, uri: null}\n")
        sealed(run)
    folder = workspace / "pages"
    folder.mkdir()
    write_image(folder / "1.png")
    put(folder, page_xml(page_line(1, "in principio ⁊ ſic") + page_line(2, None), image="1.png"), "1.xml")
    return workspace


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
@pytest.mark.parametrize("width", [40, 80])
def test_no_table_is_wider_than_the_terminal_and_nothing_is_cut_off(
    width: int, encoding: str, full: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(full)
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")  # of a dumb one, rich takes for granted that it is 80 wide
    for words in (["status"], ["compare"], ["status", "0a1b2c3d"], ["check", "pages"]):
        streams = [Terminal(io.BytesIO(), encoding=encoding, write_through=True) for _ in range(2)]
        for name, stream in zip(("stdout", "stderr"), streams):
            monkeypatch.setattr(sys, name, stream)
        code = main(words)
        out, err = (stream.shown for stream in streams)
        assert code in (0, 1), (words, err)
        assert "Traceback" not in err
        assert not STEERING.search(out + err), words
        # what is to be copied, as a digest, is on one line; and Latin-1 escapes the signs that it lacks
        if encoding == "utf-8" and words[0] != "check":
            assert not [line for line in out.splitlines() if len(line) > width], words
            assert "…" not in out, words
            assert "12.00 %" in out, words  # a name is broken where it must be, a figure nowhere
