"""How an image looks, as bits that survive a new encoding, scale or exposure: near-identical images have near-identical looks."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps, ImageStat

from htr_exp.core.file_cache import Remembered, Stamp, stamp_of
from htr_exp.groundtruth.parallel import spread
from htr_exp.groundtruth.xml import open_regular

BITS = 512
"""Of a look: 256 of the frequencies of the image (`imagehash.phash`), 256 of its gradients (`imagehash.dhash`)."""

PIXELS = 128_000_000
"""An image of more is not decoded: it would take more than 400 MB."""

_FORM = (
    2  # of what is remembered; raise it whenever looks change. 1 remembered a missing library as a fault of the image
)
_SIDE = 256  # pixels of the reduced image that is looked at; JPEG decodes to little more than that
_PLAIN = 3.0  # standard deviation of grey levels below which an image shows nothing


@dataclass(frozen=True)
class Looks:
    """What is known of the looks of some images."""

    known: dict[Path, int]  # image -> its bits; blank images have no look
    unseen: dict[Path, str]  # image -> why it was not looked at


def looks(images: Sequence[Path], where: Path | None, progress: Callable[[int, int], None] | None = None) -> Looks:
    """Look at images, each of them once as long as it does not change.

    Args:
        images: their paths.
        where: folder in which looks are remembered; None remembers nothing.
        progress: called with the number of images looked at anew, and of all such.
    """
    remembered = Remembered(where, "looks", _FORM)
    said: dict[Path, str] = {}
    stamps: dict[Path, Stamp] = {}
    new: list[Path] = []
    for image in dict.fromkeys(images):
        try:
            stamps[image] = stamp_of(os.stat(image))
        except OSError as error:
            said[image] = f"!{error.strerror or error}"
            continue
        value = remembered.get(str(image.parent), image.name, stamps[image])
        if isinstance(value, str):
            said[image] = value
        else:
            new.append(image)
    for number, (image, value) in enumerate(zip(new, spread(_look, [str(image) for image in new], _died)), 1):
        said[image] = value
        remembered.put(str(image.parent), image.name, stamps[image], value)
        if progress is not None:
            progress(number, len(new))
    remembered.save()
    known = {image: int(value, 16) for image, value in said.items() if value and value[0] != "!"}
    return Looks(known, {image: value[1:] for image, value in said.items() if value[:1] == "!"})


def _died(_path: str) -> str:
    return "!looking at it ended the process"


def _look(path: str) -> str:
    """An image's look in hexadecimal, `""` if it shows nothing, or `!` and why it cannot be looked at."""
    limit = Image.MAX_IMAGE_PIXELS
    try:
        Image.MAX_IMAGE_PIXELS = None  # the limit is ours, told below
        with warnings.catch_warnings(), open(path, "rb", opener=open_regular) as file:
            warnings.simplefilter("ignore")
            with Image.open(file) as image:
                return _bits(image)
    except MemoryError:
        return "!there is too little memory to decode it"
    except ImportError:  # of a library, which says nothing of the image
        raise
    except Exception as error:  # noqa: BLE001 - Pillow's plugins raise anything on broken images
        return f"!{getattr(error, 'strerror', None) or str(error) or type(error).__name__}"
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _bits(image: Image.Image) -> str:
    width, height = image.size
    if width * height > PIXELS:
        return f"!it has {width} x {height} pixels, more than {PIXELS // 10**6} million: it is not decoded"
    image.draft("L", (_SIDE, _SIDE))
    # Pillow reduces images of other modes by leaving out pixels
    small: Image.Image = image if image.mode in ("L", "RGB") else image.convert("L")
    small.thumbnail((_SIDE, _SIDE), reducing_gap=2.0)
    small = (ImageOps.exif_transpose(small) or small).convert("L")
    if ImageStat.Stat(small).stddev[0] < _PLAIN:
        return ""
    import imagehash  # numpy and scipy: half a second that only new images cost

    hashes: list[Any] = [imagehash.phash(small, 16), imagehash.dhash(small, 16)]
    return "".join(str(one) for one in hashes)
