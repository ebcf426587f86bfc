"""Opens image files of somebody else: only in formats of scans and photographs, and within a number of pixels."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from PIL import Image

FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "BMP", "GIF", "JPEG2000")
"""Pillow's names. Left to itself, Pillow tries all of its formats, and starts Ghostscript on PostScript, whatever the file is
called. Its JPEG takes MPO in, too, which some cameras write."""

FORMAT_NAMES = "JPEG, PNG, TIFF, WebP, BMP, GIF or JPEG 2000"


class TooManyPixels(ValueError):
    """An image of more pixels than are decoded."""

    def __init__(self, width: int, height: int, most: int) -> None:
        super().__init__(f"it has {width} x {height} pixels, more than {most // 10**6} million: it is not decoded")
        self.pixels = width * height


@contextmanager
def opened_image(file: BinaryIO, *, most_pixels: int) -> Iterator[Image.Image]:
    """Open an image; its pixels are decoded only when they are asked for.

    Args:
        file: whose name says nothing.
        most_pixels: width times height; an image of more is refused before it is decoded.

    Raises:
        TooManyPixels: it has more.
        UnidentifiedImageError: it is of none of `FORMATS`.
        Exception: anything that a decoder raises on a broken file.
    """
    limit = Image.MAX_IMAGE_PIXELS
    try:
        Image.MAX_IMAGE_PIXELS = None  # the limit is ours
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(file, formats=FORMATS) as image:
                if image.width * image.height > most_pixels:
                    raise TooManyPixels(image.width, image.height, most_pixels)
                yield image
    finally:
        Image.MAX_IMAGE_PIXELS = limit
