"""Images made at random, of each format that is allowed: whatever a header says, the file is described or refused in words, soon.

The same examples each time. HTR_EXP_FUZZ=20000 tries so many new ones per test instead.
"""

from __future__ import annotations

import io
import struct
import tempfile
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from helpers.fuzzing import tried
from htr_exp.groundtruth import image_hash
from htr_exp.groundtruth.image_file import FORMATS
from htr_exp.groundtruth.image_header import KRAKEN_PIXELS, ImageFacts, look_at

pytestmark = pytest.mark.seconds

SIZES = [0, 1, 2, 255, 65_535, 65_536, 1 << 24, (1 << 31) - 1, 1 << 31, (1 << 32) - 1]
DECODED = 1_000_000
"""Pixels: decoding more takes longer than a test has."""

TOKENS = [b"", b"\x00" * 8, b"\xff" * 8, *(struct.pack(order + "I", size) for order in "<>" for size in SIZES),
          *(struct.pack(order + "H", size) for order in "<>" for size in (0, 1, 32_767, 65_535)), b"%!PS-Adobe-3.0 EPSF-3.0\n", b"\xff\xd8\xff", b"II*\x00", b"MM\x00*",
          b"IHDR", b"IDAT", b"IEND", b"RIFF", b"VP8X", b"jp2h", b"ihdr", b"GIF89a", b"\x2c", b"Exif\x00\x00"]  # fmt: skip


@cache
def saved(kind: str, mode: str) -> bytes:
    """A small image of a format."""
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    options = {} if kind in ("BMP", "GIF", "JPEG2000") else {"exif": exif}
    Image.linear_gradient("L").resize((60, 40)).convert(mode).save(file, kind, **options)
    return file.getvalue()


def see(content: bytes) -> ImageFacts | str:
    """Look at a file of these bytes, by its header and by its pixels."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "page.jpg"
        path.write_bytes(content)
        facts = look_at(str(path))
        if isinstance(facts, str):
            assert facts
        else:
            assert facts.width * facts.height <= KRAKEN_PIXELS
            assert ImageFacts.from_json(facts.to_json()) == facts
            assert 1 <= facts.orientation <= 8
            if facts.width * facts.height <= DECODED:
                image_hash._look(str(path))  # decodes the pixels, as the search for two scans of one page does
        return facts


@st.composite
def spoilt(draw: Callable[[st.SearchStrategy[Any]], Any]) -> bytes:
    content = bytearray(saved(draw(st.sampled_from(FORMATS)), draw(st.sampled_from(["L", "RGB"]))))
    for _ in range(draw(st.integers(1, 5))):
        # most of what a header says stands at the beginning
        most = len(content) if draw(st.booleans()) else min(len(content), 120)
        place = draw(st.integers(0, most))
        kind = draw(st.sampled_from(["replace", "insert", "cut", "end", "flip"]))
        token = draw(st.sampled_from(TOKENS))
        if kind == "replace":
            content[place : place + len(token)] = token
        elif kind == "insert":
            content[place:place] = token
        elif kind == "cut":
            del content[place : place + draw(st.integers(1, 12))]
        elif kind == "end":
            del content[place:]
        elif place < len(content):
            content[place] ^= 1 << draw(st.integers(0, 7))
    return bytes(content)


@tried(250)
@given(content=spoilt())
def test_spoilt_images(content: bytes) -> None:
    see(content)


def png(width: int, height: int, kind: int = 0) -> bytes:
    """A PNG of hardly any bytes that says this of itself."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    )


def bmp(width: int, height: int) -> bytes:
    return (
        b"BM" + struct.pack("<IHHIIiiHHIIiiII", 200, 0, 0, 54, 40, width, height, 1, 24, 0, 0, 1, 1, 0, 0) + bytes(100)
    )


def gif(width: int, height: int) -> bytes:
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02\x44\x01\x00\x3b"
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6) + frame


def tiff(width: int, height: int) -> bytes:
    tags = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 1, 8),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (273, 4, 1, 8),
        (278, 4, 1, height),
        (279, 4, 1, 100),
    ]
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return b"II*\x00" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", 0) + bytes(100)


def jpeg(width: int, height: int) -> bytes:
    content = saved("JPEG", "L")
    at = content.index(b"\xff\xc0") + 5
    return content[:at] + struct.pack(">HH", height, width) + content[at + 4 :]


def jp2(width: int, height: int) -> bytes:
    content = saved("JPEG2000", "L")
    at = content.index(b"ihdr") + 4
    return content[:at] + struct.pack(">II", height, width) + content[at + 8 :]


def webp(width: int, height: int) -> bytes:
    sizes = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    extended = b"VP8X" + struct.pack("<I", 10) + b"\x00\x00\x00\x00" + sizes
    inner = b"WEBP" + extended + saved("WEBP", "L")[12:]
    return b"RIFF" + struct.pack("<I", len(inner)) + inner


Made = Callable[[int, int], bytes]
MOST: dict[Made, int] = {jpeg: (1 << 16) - 1, gif: (1 << 16) - 1, bmp: (1 << 31) - 1, webp: (1 << 24) - 1}
"""Pixels of a side that the header has room for, where it is not four bytes."""


@tried(100)
@given(
    made=st.sampled_from([png, bmp, gif, tiff, jpeg, jp2, webp]),
    width=st.sampled_from(SIZES) | st.integers(0, 1 << 16),
    height=st.sampled_from(SIZES) | st.integers(0, 1 << 16),
    cut=st.none() | st.floats(0, 1),
)
def test_headers_that_lie_about_their_size(made: Made, width: int, height: int, cut: float | None) -> None:
    most, least = MOST.get(made, (1 << 32) - 1), int(made is webp)
    content = made(*(max(min(side, most), least) for side in (width, height)))
    see(content if cut is None else content[: int(cut * len(content))])
