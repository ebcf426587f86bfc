"""How an image looks, as bits that survive a new encoding, scale or exposure: near-identical images have near-identical looks.

Looked at is the ink: what is darker than its surroundings, without what a whole column or row of the image has in common.
Rulings, gutters and borders, the same on every page of a register, do not count.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageFilter, ImageOps, ImageStat

from htr_exp.core.file_cache import Remembered, Stamp, stamp_of
from htr_exp.groundtruth.image_file import opened_image
from htr_exp.groundtruth.parallel import spread
from htr_exp.groundtruth.xml import open_regular

BITS = 512
"""Of a look: 256 of the frequencies of the image (`imagehash.phash`), 256 of its gradients (`imagehash.dhash`)."""

PIXELS = 128_000_000
"""An image of more is not decoded: it would take more than 400 MB."""

_FORM = 4  # of what is remembered; raise it whenever looks change
_SIDE = 256  # pixels of the reduced image that is looked at; JPEG decodes to little more than that
_PLAIN = 3.0  # standard deviation of grey levels below which an image shows nothing
_PAPER = 6  # pixels of the blur that shows what ink stands on
_BLACK = 2.5  # standard deviations from which on ink is black
_SOFT = 3  # pixels of the blur that lets ink be a little elsewhere
_DIGITS = BITS // 4  # hexadecimal, of a look

CROPS = (0.01, 0.02, 0.04, 0.06, 0.08, 0.10)
"""What is cut off on each side for the views of an image: each finds crops and borders up to 0.01 more or less."""

ONE_SIDED = (0.03, 0.06, 0.09)
"""What is cut off on one side alone for more views: each finds up to 0.015 more or less."""

_TURNS = (-3, -2, -1, 1, 2, 3)  # degrees


@dataclass(frozen=True)
class Looks:
    """What is known of the looks of some images."""

    known: dict[Path, tuple[int, ...]]  # image -> its look, and with `views` its other views; blank images have none
    unseen: dict[Path, str]  # image -> why it was not looked at


def looks(
    images: Sequence[Path],
    where: Path | None,
    progress: Callable[[int, int], None] | None = None,
    *,
    views: bool = False,
) -> Looks:
    """Look at images, each of them once as long as it does not change.

    Args:
        images: their paths.
        where: folder in which looks are remembered; None remembers nothing.
        progress: called with the number of images looked at anew, and of all such.
        views: look at them cropped, turned, halved, mirrored and as negatives, too, which takes 45 times as long.
    """
    remembered = Remembered(where, "views" if views else "looks", _FORM)
    look = _views if views else _look
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
    for number, (image, value) in enumerate(zip(new, spread(look, [str(image) for image in new], _died)), 1):
        said[image] = value
        remembered.put(str(image.parent), image.name, stamps[image], value)
        if progress is not None:
            progress(number, len(new))
    remembered.save()
    known = {image: _bits(value) for image, value in said.items() if value and value[0] != "!"}
    return Looks(known, {image: value[1:] for image, value in said.items() if value[:1] == "!"})


def _bits(value: str) -> tuple[int, ...]:
    return tuple(int(value[start : start + _DIGITS], 16) for start in range(0, len(value), _DIGITS))


def _died(_path: str) -> str:
    return "!looking at it ended the process"


def _look(path: str) -> str:
    """An image's look in hexadecimal, `""` if it shows nothing, or `!` and why it cannot be looked at."""
    return _seen(path, lambda image: [image])


def _views(path: str) -> str:
    """An image's look, and those of its other views, as `_look` returns one."""
    return _seen(path, _altered)


def _seen(path: str, views: Callable[[Image.Image], Sequence[Image.Image]]) -> str:
    try:
        with open(path, "rb", opener=open_regular) as file, opened_image(file, most_pixels=PIXELS) as image:
            small = _reduced(image)
        if ImageStat.Stat(small).stddev[0] < _PLAIN:
            return ""
        return "".join(map(_hashes, views(small)))
    except MemoryError:
        return "!there is too little memory to decode it"
    except ImportError:  # of a library, which says nothing of the image
        raise
    except Exception as error:  # noqa: BLE001 - Pillow's plugins raise anything on broken images
        return f"!{getattr(error, 'strerror', None) or str(error) or type(error).__name__}"


def _reduced(image: Image.Image) -> Image.Image:
    """The grey image that is looked at."""
    image.draft("L", (_SIDE, _SIDE))
    # Pillow reduces images of other modes by leaving out pixels
    small: Image.Image = image if image.mode in ("L", "RGB") else image.convert("L")
    small.thumbnail((_SIDE, _SIDE), reducing_gap=2.0)
    return (ImageOps.exif_transpose(small) or small).convert("L")


def _altered(image: Image.Image) -> list[Image.Image]:
    """An image and its other views: those that near-identical images differ by."""
    paper = int(ImageStat.Stat(image).median[0])
    seen = [image, *(_cropped(image, share) for share in CROPS)]
    seen += [_cut(image, **{side: share}) for share in ONE_SIDED for side in ("left", "top", "right", "bottom")]
    for degrees in _TURNS:
        turned = image.rotate(degrees, Image.Resampling.BILINEAR, fillcolor=paper)
        seen += [turned, _cropped(turned, CROPS[1]), _without_corners(turned, degrees)]
    seen += [image.rotate(degrees, expand=True) for degrees in (90, 180, 270)]
    seen += [_cut(image, **{side: 0.5}) for side in ("left", "top", "right", "bottom")]
    return [*seen, ImageOps.mirror(image), ImageOps.invert(image)]


def _without_corners(image: Image.Image, degrees: float) -> Image.Image:
    """An image that was turned and enlarged to keep its corners, now turned back, as it was before."""
    width, height = image.size
    cos, sin = math.cos(math.radians(degrees)), abs(math.sin(math.radians(degrees)))
    inner_width, inner_height = ((one * cos - other * sin) / (cos**2 - sin**2) for one, other in ((width, height), (height, width)))  # fmt: skip
    left, top = (width - inner_width) / 2, (height - inner_height) / 2
    return image.crop((round(left), round(top), round(left + inner_width), round(top + inner_height)))


def _cropped(image: Image.Image, share: float) -> Image.Image:
    return _cut(image, share, share, share, share)


def _cut(image: Image.Image, left: float = 0, top: float = 0, right: float = 0, bottom: float = 0) -> Image.Image:
    """An image without so large a share on each side."""
    width, height = image.size
    return image.crop(
        (round(width * left), round(height * top), round(width * (1 - right)), round(height * (1 - bottom)))
    )


def _hashes(image: Image.Image) -> str:
    """The look of a reduced image, in hexadecimal."""
    import imagehash  # numpy and scipy: half a second that only new images cost
    import numpy as np

    grey, paper = (np.asarray(one, np.float32) for one in (image, image.filter(ImageFilter.GaussianBlur(_PAPER))))
    ink = paper - grey
    ink = ink - np.median(ink, 0)[None, :]
    ink = ink - np.median(ink, 1)[:, None]
    ink = np.clip(ink / (ink.std() or 1.0), 0, _BLACK) * (255 / _BLACK)
    soft = Image.fromarray(ink.astype(np.uint8)).filter(ImageFilter.GaussianBlur(_SOFT))
    hashes: list[Any] = [imagehash.phash(soft, 16), imagehash.dhash(soft, 16)]
    return "".join(str(one) for one in hashes)
