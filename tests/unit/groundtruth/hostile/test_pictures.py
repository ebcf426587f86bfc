"""Images that mean harm are never decoded."""

from __future__ import annotations

import struct
import sys
import zlib
from pathlib import Path

import pytest

from helpers.bounded import PLAIN, codes_of, examined
from helpers.page_files import put

pytestmark = [
    pytest.mark.seconds,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the memory used is read from /proc"),
]


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, data: bytes = b"", more: bytes = b"") -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + more + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def zeros(megabytes: int) -> bytes:
    squeeze = zlib.compressobj(9)
    return b"".join([squeeze.compress(bytes(1 << 20)) for _ in range(megabytes)]) + squeeze.flush()


def tiff(width: int, height: int, entries: int = 0) -> bytes:
    tags = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 8)]
    tags += [(277, 3, 1, 1), (278, 4, 1, height), (279, 4, 1, 4)] + [(700, 1, 0x7FFFFFFF, 8)] * entries
    body = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return b"II*\0" + struct.pack("<I", 8) + body + struct.pack("<I", 8)  # the next directory is this one again


JPEG_HEAD = b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"

REFUSED = {
    "PNG of 30,000 x 30,000": lambda: png(30_000, 30_000, zeros(900)),
    "PNG beyond every measure": lambda: png(2**31 - 1, 2**31 - 1),
    "PNG whose text explodes": lambda: png(400, 300, more=chunk(b"zTXt", b"k\0\0" + zeros(1000))),
    "PNG whose profile explodes": lambda: png(400, 300, more=chunk(b"iCCP", b"k\0\0" + zeros(1000))),
    "PNG with many texts": lambda: png(400, 300, more=chunk(b"zTXt", b"k\0\0" + zeros(1)) * 2000),
    "PNG of nothing": lambda: png(0, 0),
    "PNG cut short": lambda: png(400, 300)[:40],
    "PNG of a few bytes": lambda: b"\x89PNG\r\n\x1a\n",
    "empty": lambda: b"",
    "TIFF beyond every measure": lambda: tiff(2**31, 2**31),
    "JPEG of 65,535 x 65,535": lambda: JPEG_HEAD + b"\xff\xc0\0\x0b\x08\xff\xff\xff\xff\1\1\x11\0\xff\xd9",
    "JPEG without an end": lambda: JPEG_HEAD + b"\xff\xfe\xff\xff" + bytes(4 << 20),
    "JPEG of markers": lambda: b"\xff\xd8" + b"\xff" * (4 << 20),
    "GIF of 65,535 x 65,535": lambda: b"GIF89a\xff\xff\xff\xff\0\0\0" + b"\x21\xfe\0" * 1_000_000,
    "SVG": lambda: b'<svg xmlns="http://www.w3.org/2000/svg" width="400" height="300"/>',
    "PPM with a long header": lambda: b"P6\n#" + b"a" * (1 << 20),
    "PDF": lambda: b"%PDF-1.7\n" + b"x" * 1000,
    "PostScript": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 400 300\n%%EndComments\n{} loop\n",
}  # fmt: skip

TAKEN = {  # their heads are those of an image of the stated size, and nothing more is read
    "PNG whose data explode": lambda: png(400, 300, zeros(1000)),
    "TIFF whose directories loop": lambda: tiff(400, 300),
    "TIFF with tags of 2 GB": lambda: tiff(400, 300, entries=50),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_images_are_refused_without_being_decoded(folder: Path, name: str) -> None:
    (folder / "bad.jpg").write_bytes(REFUSED[name]())
    put(folder, PLAIN, "bad.xml")
    found = examined(folder)
    assert found["pages"] == ["good.xml"]
    assert codes_of(found) == {"image_unreadable"}


@pytest.mark.parametrize("name", TAKEN)
def test_images_are_taken_without_being_decoded(folder: Path, name: str) -> None:
    (folder / "bad.jpg").write_bytes(TAKEN[name]())
    put(folder, PLAIN, "bad.xml")
    found = examined(folder)
    assert found["pages"] == ["bad.xml", "good.xml"]
    assert codes_of(found) == set()
