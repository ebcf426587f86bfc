"""How images look: copies of one stay near it, other images do not; nothing hostile takes long."""

from __future__ import annotations

import os
import struct
import sys
import zlib
from pathlib import Path

import pytest
from PIL import Image, ImageEnhance

from htr_exp.groundtruth import image_hash as module
from htr_exp.groundtruth.image_hash import BITS, looks

PAGES = sorted((Path(module.__file__).parents[1] / "demo" / "pages").glob("*.jpg"))
NEAR = int(0.15 * BITS)


def differ(first: Path, second: Path) -> int:
    known = looks([first, second], None).known
    return (known[first][0] ^ known[second][0]).bit_count()


COPIES = {
    "smaller": lambda image: image.resize((image.width // 2, image.height // 2)),
    "grey": lambda image: image.convert("L"),
    "one bit": lambda image: image.convert("1"),
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(0.7),
    "more contrast": lambda image: ImageEnhance.Contrast(image).enhance(1.4),
    "cropped": lambda image: image.crop((5, 5, image.width - 5, image.height - 5)),
}


@pytest.mark.parametrize("change", COPIES)
def test_copies_of_an_image_look_the_same(change: str, tmp_path: Path) -> None:
    with Image.open(PAGES[0]) as image:
        COPIES[change](image.convert("RGB")).save(tmp_path / "copy.png")
    assert differ(PAGES[0], tmp_path / "copy.png") <= NEAR


def test_an_image_turned_by_exif_looks_as_it_is_shown(tmp_path: Path) -> None:
    orientation = Image.Exif()
    orientation[0x0112] = 6
    with Image.open(PAGES[0]) as image:
        image.rotate(90, expand=True).save(tmp_path / "turned.jpg", exif=orientation)
    assert differ(PAGES[0], tmp_path / "turned.jpg") <= NEAR


def test_different_pages_look_different() -> None:
    known = [look for (look,) in looks(PAGES, None).known.values()]
    assert len(known) == len(PAGES)
    assert min((a ^ b).bit_count() for place, a in enumerate(known) for b in known[:place]) > 1.4 * NEAR


def test_the_views_of_an_image_begin_with_its_look() -> None:
    (look,), views = looks(PAGES[:1], None).known[PAGES[0]], looks(PAGES[:1], None, views=True).known[PAGES[0]]
    assert views[0] == look
    assert len(set(views)) == len(views) > 20


def test_blank_images_have_no_look(tmp_path: Path) -> None:
    image = Image.new("L", (400, 300), 200)
    image.putpixel((0, 0), 7)
    image.save(tmp_path / "blank.png")
    found = looks([tmp_path / "blank.png"], None)
    assert not found.known
    assert not found.unseen


def test_looks_are_remembered_until_the_image_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = tmp_path / "page.jpg"
    image.write_bytes(PAGES[0].read_bytes())
    monkeypatch.setattr("htr_exp.core.file_cache.TICK_NS", -1)  # a file written just now is trusted too
    first = looks([image], tmp_path / "cache").known
    looked: list[str] = []
    original = module._look

    def look(path: str) -> str:
        looked.append(path)
        return original(path)

    monkeypatch.setattr(module, "_look", look)
    assert looks([image], tmp_path / "cache").known == first
    assert not looked
    image.write_bytes(PAGES[1].read_bytes())
    os.utime(image, ns=(1, 1))
    assert looks([image], tmp_path / "cache").known != first
    assert looked


def bomb(path: Path, side: int) -> None:
    """Write a PNG of a few kilobytes that says it has side x side pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(10**6))) + chunk(b"IEND", b""))  # fmt: skip


def test_what_cannot_be_looked_at_is_told_at_once(tmp_path: Path) -> None:
    bomb(tmp_path / "bomb.png", 30_000)
    (tmp_path / "text.jpg").write_text("no image")
    (tmp_path / "cut.jpg").write_bytes(PAGES[0].read_bytes()[:2000])
    os.mkfifo(tmp_path / "fifo.jpg")
    names = ["bomb.png", "text.jpg", "cut.jpg", "fifo.jpg", "gone.jpg"]
    found = looks([tmp_path / name for name in names], None)
    assert not found.known
    assert {path.name for path in found.unseen} == set(names)
    assert "30000 x 30000 pixels" in found.unseen[tmp_path / "bomb.png"]
    assert "regular file" in found.unseen[tmp_path / "fifo.jpg"]


@pytest.mark.seconds
def test_many_images_are_looked_at_in_several_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = []
    monkeypatch.setattr("htr_exp.groundtruth.parallel.FEW", 30)
    for number in range(40):
        images.append(tmp_path / f"{number}.jpg")
        images[-1].symlink_to(PAGES[number % len(PAGES)])
    found = looks(images, None)
    one_by_one = looks(PAGES, None).known
    assert [found.known[image] for image in images] == [one_by_one[PAGES[n % len(PAGES)]] for n in range(40)]


@pytest.mark.parametrize("library", ["imagehash", "scipy.fftpack"])
def test_a_library_that_is_missing_is_no_image_that_cannot_be_seen(
    library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("htr_exp.core.file_cache.TICK_NS", -1)  # a file written just now is trusted too
    image = tmp_path / "page.jpg"
    image.write_bytes(PAGES[0].read_bytes())
    with monkeypatch.context() as without:
        without.setitem(sys.modules, library, None)
        with pytest.raises(ImportError, match=library):
            looks([image], tmp_path / "cache")
    assert image in looks([image], tmp_path / "cache").known  # nothing of it is remembered
