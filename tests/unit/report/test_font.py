"""The font of a report: only what its texts need, and the same each time."""

from __future__ import annotations

import base64
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fontTools.ttLib import TTFont

from htr_exp.report import font
from htr_exp.report.font import font_uri

MUFI = "\uf1ac\ue8bf"
"""Two signs of the private area: a mark of abbreviation and a q with one."""


def glyphs(uri: str) -> set[str]:
    with TTFont(io.BytesIO(base64.b64decode(uri.removeprefix("data:font/otf;base64,")))) as found:
        return set(map(chr, found.getBestCmap()))


@pytest.mark.parametrize(
    "text", ["", "in principio", "q̃ ẽ ñ þæð ⁊".replace("⁊", ""), "Πρόλογος", "שלום", "السلام", "–„“"]
)
def test_texts_that_every_machine_shows_need_no_font(text: str) -> None:
    assert font_uri([text]) == ""


@pytest.mark.parametrize("sign", [*MUFI, "ꝑ", "ꝙ", "\u1dd3", "ⅎ"])
def test_rare_signs_come_with_the_letters_around_them(sign: str) -> None:
    found = glyphs(font_uri(["ab", f"c{sign}"]))
    assert found == {"a", "b", "c", sign}


def test_parts_of_composed_letters_are_there_too() -> None:
    assert {"e", "\u0304", "ē"} <= glyphs(font_uri(["ē", MUFI]))


def test_signs_that_no_font_has_need_none() -> None:
    assert font_uri(["\U0010fffd"]) == ""
    assert font_uri(["漢字"]) == ""


def test_the_font_is_small_and_names_its_licence() -> None:
    data = base64.b64decode(font_uri([f"abc {MUFI}"]).partition(",")[2])
    assert len(data) < 20_000
    with TTFont(io.BytesIO(data)) as found:
        assert "Peter S. Baker" in str(found["name"].getName(0, 3, 1, 0x409))
        assert "Open Font License" in str(found["name"].getName(13, 3, 1, 0x409))
    assert "SIL OPEN FONT LICENSE" in font.FONT.with_name("OFL.txt").read_text(encoding="utf-8")


@pytest.mark.seconds
def test_the_same_characters_give_the_same_bytes_anywhere(tmp_path: Path) -> None:
    code = f"from htr_exp.report.font import font_uri; print(font_uri(['b', 'a{MUFI}']))"
    environment = {
        **os.environ,
        "TZ": "Asia/Tokyo",
        "LC_ALL": "C",
        "PYTHONHASHSEED": "7",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    said = subprocess.run([sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert said.stdout.strip() == font_uri([f"{MUFI}ab"]), said.stderr
