"""The page that `check --html` writes."""

from __future__ import annotations

import base64
import io
import re
import struct
import zlib
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from fontTools.ttLib import TTFont
from PIL import Image, ImageFile

from helpers.checks import checked
from helpers.in_process import Call
from helpers.page_files import page_line, page_xml, put, write_image
from htr_exp.cli.check.html import render
from htr_exp.groundtruth.model import Problem
from htr_exp.groundtruth.problem_codes import CODES

# The page


class Tags(HTMLParser):
    """The elements of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def sources(self) -> Iterator[str]:
        for _, values in self.found:
            yield from (value or "" for key, value in values.items() if key in ("src", "href", "action", "data"))


def pictures(text: str) -> list[Image.Image]:
    uris = [uri for uri in Tags(text).sources() if uri.startswith("data:image/jpeg;base64,")]
    return [Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))) for uri in uris]


def test_the_page_shows_the_lines_and_needs_nothing_else(check: Call, dirty: Path) -> None:
    assert check(dirty, "--html", "check.html").code == 2
    text = Path("check.html").read_text(encoding="utf-8")
    seen = pictures(text)
    # lines without text 6, without a baseline 5, with a blank at an end 5, invisible 5: six of a kind at most
    assert len(seen) == 6 + 5 + 5 + 5
    assert len(seen) == len(list(Tags(text).sources()))
    assert all(picture.width <= 900 and picture.height <= 200 for picture in seen)
    for word in ("bad0.xml:l2", "Images that are not there", CODES["line_without_text"].remedy, "10 lines in 5 files"):
        assert word in text
    assert "http" not in text.replace("http-equiv", "")
    assert '<mark title="U+200B ZERO WIDTH SPACE">U+200B</mark>' in text
    check(dirty, "--html", "one.html", "--pictures", 1)
    assert len(pictures(Path("one.html").read_text(encoding="utf-8"))) == 4


def test_many_lines_of_one_file_are_shown_as_often_as_asked_for(tmp_path: Path) -> None:
    write_image(tmp_path / "1.jpg")
    put(tmp_path, page_xml("".join(page_line(number, " x") for number in range(1, 10))))
    assert len(pictures(render(checked(tmp_path), [tmp_path]))) == 6
    assert len(pictures(render(checked(tmp_path), [tmp_path], pictures=2))) == 2
    assert len(pictures(render(checked(tmp_path), [tmp_path], pictures=0))) == 0


def red(picture: Image.Image) -> int:
    """How many pixels have the colour of baselines."""
    values = picture.convert("RGB").tobytes()
    pixels = zip(values[::3], values[1::3], values[2::3], strict=True)
    return sum(1 for r, g, b in pixels if r > 150 and g < 90 and b < 90)


def test_a_picture_shows_the_line_with_its_baseline(tmp_path: Path) -> None:
    image = Image.new("RGB", (400, 300), (10, 10, 10))
    image.paste((250, 250, 250), (10, 10, 201, 61))
    image.save(tmp_path / "1.png")
    put(tmp_path, page_xml(page_line(1, " x"), image="1.png"))
    (picture,) = pictures(render(checked(tmp_path), [tmp_path]))
    # the box of 191 x 51 with 40 pixels around, where the image goes on: enlarged as far as 200 pixels of height go
    assert picture.height == 200
    assert picture.width == round((190 + 80) * 200 / (50 + 80))
    middle = picture.convert("RGB").getpixel((picture.width // 2, picture.height // 2))
    assert isinstance(middle, tuple)
    assert min(middle) > 200
    assert red(picture) > 300


def test_images_that_cannot_be_shown_are_said_and_bombs_are_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[tuple[int, int]] = []
    load = ImageFile.ImageFile.load

    def noted(image: ImageFile.ImageFile) -> Any:
        decoded.append(image.size)
        return load(image)

    monkeypatch.setattr(ImageFile.ImageFile, "load", noted)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes(20_001) * 2_000)
    (tmp_path / "bomb.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )
    write_image(tmp_path / "cut.png")
    with Image.open(tmp_path / "cut.png") as cut:
        size = cut.size
    (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:150])
    for name in ("bomb", "cut"):
        put(tmp_path, page_xml(page_line(1, " x"), image=f"{name}.png"), f"{name}.xml")
    text = render(checked(tmp_path), [tmp_path])
    assert "No picture: bomb.png has 400 million pixels: too many to show." in text
    assert "No picture: cut.png cannot be opened: " in text
    assert size in decoded
    assert (20_000, 20_000) not in decoded


def test_what_files_say_is_text_and_no_markup(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>"
    name = "<img src=x onerror=alert(2)>"
    write_image(tmp_path / f"{name}.png")
    put(
        tmp_path,
        page_xml(page_line(1, f" {evil}", id="&lt;b&gt;"), image=f"{name.replace('<', '&lt;')}.png"),
        f"{name}.xml",
    )
    text = render(checked(tmp_path), [tmp_path])
    tags = Tags(text).found
    assert "script" not in [tag for tag, _ in tags]
    assert not [values for _, values in tags if any(key.startswith("on") for key in values)]
    assert evil not in text
    assert name not in text


def test_ten_thousand_problems_make_a_page_that_can_be_read(pages: Path) -> None:
    many = [
        Problem(code, CODES[code].severity, f"f0{n % 6 + 1}.xml", f"l{n % 3 + 1}", f"{n}: it has no text")
        for n in range(5_000)
        for code in ("line_without_text", "line_too_small")
    ]
    text = render(checked(pages, *many), [pages])
    assert len(pictures(text)) == 12
    assert text.count("<tr>") == 2 * 2_000
    assert "5000 lines in 6 files" in text
    assert len(text) < 3_000_000


def test_signs_of_manuscripts_are_carried_along_where_there_are_some(tmp_path: Path) -> None:
    write_image(tmp_path / "1.jpg")
    put(tmp_path, page_xml(page_line(1, " x")))
    assert "@font-face" not in render(checked(tmp_path), [tmp_path])
    put(tmp_path, page_xml(page_line(1, "atq\uf1ac \ua770 x")))
    text = render(checked(tmp_path), [tmp_path])
    found = re.search(r"url\(data:font/otf;base64,([\w+/=]+)\)", text)
    assert found is not None
    assert "font-src data:" in text
    assert {0xF1AC, 0xA770} <= TTFont(io.BytesIO(base64.b64decode(found[1]))).getBestCmap().keys()
