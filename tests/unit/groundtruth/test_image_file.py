from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image, UnidentifiedImageError

from htr_exp.groundtruth.image_file import TooManyPixels, opened_image
from htr_exp.groundtruth.image_header import ImageFacts, look_at

MOST = 10_000


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP", "BMP", "GIF", "JPEG2000"])
def test_formats_of_scans_are_opened(kind: str) -> None:
    file = io.BytesIO()
    Image.new("L", (40, 30)).save(file, kind)
    file.seek(0)
    with opened_image(file, most_pixels=MOST) as image:
        assert (image.size, image.format) == ((40, 30), kind)


@pytest.mark.parametrize("kind", ["EPS", "PPM", "TGA", "PCX", "ICNS", "PDF"])
def test_other_formats_are_refused_whatever_the_file_is_called(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "page.jpg"
    Image.new("RGB", (40, 30)).save(file, kind)
    with open(file, "rb") as content, pytest.raises(UnidentifiedImageError), opened_image(content, most_pixels=MOST):
        pass
    assert look_at(str(file)) == "it is empty, or not an image in JPEG, PNG, TIFF, WebP, BMP, GIF or JPEG 2000"


def test_an_image_of_too_many_pixels_is_not_decoded() -> None:
    file = io.BytesIO()
    Image.new("1", (200, 51)).save(file, "PNG")
    file.seek(0)
    with pytest.raises(TooManyPixels, match="200 x 51 pixels"), opened_image(file, most_pixels=MOST):
        pass


def test_the_limit_of_pillow_is_as_before(tmp_path: Path) -> None:
    before = Image.MAX_IMAGE_PIXELS
    Image.new("L", (40, 30)).save(tmp_path / "page.png")
    assert isinstance(look_at(str(tmp_path / "page.png")), ImageFacts)
    assert before == Image.MAX_IMAGE_PIXELS
