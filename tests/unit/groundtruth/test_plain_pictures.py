"""Pictures of lines and pages for people to read."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from htr_exp.groundtruth import plain_pictures
from htr_exp.groundtruth.model import Line, Points
from htr_exp.groundtruth.plain_pictures import LINE_SIZE, THUMBNAIL_SIZE, UPRIGHT_SIZE


def line(*polygon: tuple[int, int], baseline: Points = ()) -> Line:
    return Line("l", baseline, polygon, "text", None, None)


def box(left: int, top: int, right: int, bottom: int) -> Line:
    return line((left, top), (right, top), (right, bottom), (left, bottom))


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """600 by 800 pixels: black, but for a red stretch from 100,300 to 500,340."""
    image = Image.new("RGB", (600, 800))
    image.paste((200, 0, 0), (100, 300, 500, 340))
    image.save(tmp_path / "page.png")
    return tmp_path / "page.png"


def seen(jpeg: bytes | None) -> Image.Image:
    assert jpeg is not None
    return Image.open(io.BytesIO(jpeg))


def test_a_line_is_clear_and_what_is_around_it_is_faded(page: Path) -> None:
    found, thumbnail = plain_pictures.plain_pictures(page, {"l": box(100, 300, 500, 340)}, thumbnail=True, upright=True)
    picture = found["l"]
    # 400 x 40 pixels with a margin of 6 around, as high as is allowed or twice as large
    assert picture.size == (412 * 2, 52 * 2)
    image = seen(picture.jpeg)
    assert image.size == picture.size
    red, green, _ = np.asarray(image)[52, 412]
    assert red > 180
    assert green < 40
    assert np.asarray(image)[2, 412].min() > 130  # black, but faded
    assert thumbnail is not None
    assert thumbnail.size == THUMBNAIL_SIZE


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        (box(0, 0, 600, 20), (LINE_SIZE[0], round(26 * 1.5))),  # its margin lies outside the page
        (box(50, 100, 90, 700), (round(52 * UPRIGHT_SIZE[1] / 612), UPRIGHT_SIZE[1])),  # from top to bottom
        (line((10, 10), baseline=((10, 10), (20, 10))), (32, 32)),
        (line(baseline=((100, 320), (500, 320))), (LINE_SIZE[0], round(80 * 900 / 480))),
    ],
)
def test_a_picture_has_a_size_that_a_page_can_hold(shape: Line, size: tuple[int, int], page: Path) -> None:
    found, _ = plain_pictures.plain_pictures(page, {"l": shape}, thumbnail=False, upright=True)
    width, height = found["l"].size
    assert width <= max(LINE_SIZE[0], UPRIGHT_SIZE[0])
    assert height <= max(LINE_SIZE[1], UPRIGHT_SIZE[1])
    assert abs(width * size[1] - height * size[0]) / (height * size[0]) < 0.05  # of this shape


def test_points_far_away_spoil_nothing(page: Path) -> None:
    lines = {
        "far": box(10**9, 10**9, 10**9 + 40, 10**9 + 40),
        "wide": box(-(10**9), 300, 10**9, 340),
        "none": line(),
    }
    found, _ = plain_pictures.plain_pictures(page, lines, thumbnail=False, upright=True)
    assert found["far"].said == "it lies outside the image"
    assert found["none"].said == "it has no points that could be shown"
    assert found["wide"].size[0] == LINE_SIZE[0]


def test_a_large_photograph_is_decoded_no_larger_than_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("RGB", (4000, 6000), (9, 9, 9)).save(tmp_path / "photo.jpg")
    sizes: list[tuple[int, int]] = []
    real = ImageOps.exif_transpose

    def heard(image: Image.Image) -> Image.Image:
        sizes.append(image.size)
        return real(image)

    monkeypatch.setattr(ImageOps, "exif_transpose", heard)
    found, _ = plain_pictures.plain_pictures(
        tmp_path / "photo.jpg", {"l": box(200, 1000, 3800, 1200)}, thumbnail=True, upright=True
    )
    assert sizes == [(1000, 1500)]
    assert found["l"].size[0] == LINE_SIZE[0]


def test_an_image_that_is_turned_is_turned_as_kraken_does(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    Image.new("RGB", (400, 200)).save(tmp_path / "turned.jpg", exif=exif)
    _, upright = plain_pictures.plain_pictures(tmp_path / "turned.jpg", {}, thumbnail=True, upright=True)
    _, as_it_is = plain_pictures.plain_pictures(tmp_path / "turned.jpg", {}, thumbnail=True, upright=False)
    assert (upright.size, as_it_is.size) == ((100, 200), (150, 75))


@pytest.mark.parametrize("content", [None, b"", b"no image", b"%!PS-Adobe"])
def test_an_image_that_cannot_be_shown_says_why(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "page.jpg").write_bytes(content)
    found, thumbnail = plain_pictures.plain_pictures(
        tmp_path / "page.jpg", {"l": box(0, 0, 9, 9)}, thumbnail=True, upright=True
    )
    assert found["l"].jpeg is None
    assert thumbnail == found["l"]
    assert "page.jpg cannot be opened" in found["l"].said
