"""What is known of an image file by its bytes and header; its pixels are not decoded."""

from __future__ import annotations

import hashlib
import os
from dataclasses import astuple, dataclass
from typing import Any, BinaryIO

from PIL import Image, UnidentifiedImageError

from htr_exp.groundtruth.image_file import FORMAT_NAMES, opened_image
from htr_exp.groundtruth.stand_ins import LONGEST, stand_in
from htr_exp.groundtruth.xml import open_regular

KRAKEN_PIXELS = 2 * 20000**2  # beyond, kraken's Pillow refuses the image (MAX_IMAGE_PIXELS in kraken/kraken.py)
_ORIENTATION = 0x0112  # EXIF: 5 to 8 exchange width and height
FORM = 3
"""Of what is remembered; raise it whenever a field changes its meaning."""

_MARKS = {"JPEG": b"\xff\xd9", "PNG": b"IEND"}  # what stands at the end of a file that was not cut short
_END = 4096  # bytes; some programs write a little behind the mark
_MOST_DECODED = 120_000_000  # pixels; a larger image without its mark is told to be cut short


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """An image file, as its header describes it."""

    sha256: str
    width: int  # pixels as kraken 7 sees them: turned as EXIF says
    height: int
    mode: str  # Pillow's: RGB, L, 1, CMYK ...
    orientation: int  # EXIF; 1 is upright
    whole: bool  # whether the file ends as one of its format does

    def to_json(self) -> list[Any]:
        """As JSON holds it."""
        return list(astuple(self))

    @classmethod
    def from_json(cls, values: list[Any]) -> ImageFacts:
        """Read what `to_json` wrote.

        Raises:
            TypeError: it did not.
        """
        return cls(*values)


def look_at(path: str) -> ImageFacts | str:
    """What an image's bytes and header say of it, or why it is no image that kraken's Pillow would open."""
    try:
        return _look(path)
    except FileNotFoundError as error:
        if os.path.islink(path) and (said := stand_in(os.fsencode(os.readlink(path)))):
            return said
        return error.strerror or str(error)
    except OSError as error:
        return error.strerror or str(error)


def _look(path: str) -> ImageFacts:
    with open(path, "rb", opener=open_regular) as file:
        digest = hashlib.sha256()
        end = b""
        while block := file.read(1 << 20):
            digest.update(block)
            end = end[-_END:] + block[-_END:]
        file.seek(0)
        if said := stand_in(file.read(LONGEST) or b""):
            raise OSError(0, said)
        file.seek(0)
        width, height, mode, orientation, kind = _header(file)
        mark = _MARKS.get(kind, b"")
        whole = mark in end or (_holds(file, mark) and _decodes(file))
    if orientation >= 5:
        width, height = height, width
    return ImageFacts(digest.hexdigest(), width, height, mode, orientation, whole)


def _header(file: BinaryIO) -> tuple[int, int, str, int, str]:
    try:
        with opened_image(file, most_pixels=KRAKEN_PIXELS) as image:
            return *image.size, image.mode, _orientation(image), image.format or ""
    except UnidentifiedImageError:
        raise OSError(0, f"it is empty, or not an image in {FORMAT_NAMES}") from None
    except OSError:
        raise
    except Exception as error:  # Pillow's plugins raise SyntaxError, ValueError, struct.error ... on broken headers
        raise OSError(0, str(error) or type(error).__name__) from error


def _holds(file: BinaryIO, mark: bytes) -> bool:
    """Tell whether a file has a mark anywhere: some have thousands of bytes behind the image."""
    file.seek(0)
    before = b""
    while block := file.read(1 << 20):
        if mark in before + block:
            return True
        before = block[-len(mark) :]
    return False


def _decodes(file: BinaryIO) -> bool:
    """Tell whether an image can be decoded to its end, whatever stands behind that; asked only where its mark is missing."""
    file.seek(0)
    try:
        with opened_image(file, most_pixels=_MOST_DECODED) as image:
            image.draft("L", (1, 1))  # a JPEG is decoded eight times smaller, from all of its bytes
            image.load()
    except Exception:  # noqa: BLE001 - as in `_header`
        return False
    return True


def _orientation(image: Image.Image) -> int:
    # getexif() of a PNG would decode the whole image to find a chunk at its end: only what the header has counts.
    if "exif" not in image.info and image.format != "TIFF":
        return 1
    try:
        turned = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - an EXIF block can be broken in as many ways as a header, and kraken goes on
        return 1
    return turned if isinstance(turned, int) and 1 <= turned <= 8 else 1
