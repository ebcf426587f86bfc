"""What is known of an image file by its bytes and header, remembered as long as the file stays the same."""

from __future__ import annotations

import contextlib
import hashlib
import os
import warnings
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import BinaryIO

import platformdirs
from PIL import Image, UnidentifiedImageError

from htr_exp.files import read_json, sha256_bytes, write_json
from htr_exp.groundtruth.read import open_regular

KRAKEN_PIXELS = 2 * 20000**2  # beyond, kraken's Pillow refuses the image (MAX_IMAGE_PIXELS in kraken/kraken.py)
_ORIENTATION = 0x0112  # EXIF: 5 to 8 exchange width and height
_FORM = 1  # of the cache files
_MARKS = {"JPEG": b"\xff\xd9", "PNG": b"IEND"}  # what stands at the end of a file that was not cut short
_END = 4096  # bytes; some programs write a little behind the mark


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """An image file, as its header describes it."""

    sha256: str
    width: int  # pixels as kraken 7 sees them: turned as EXIF says
    height: int
    mode: str  # Pillow's: RGB, L, 1, CMYK ...
    orientation: int  # EXIF; 1 is upright
    whole: bool  # whether the file ends as one of its format does


class FileFacts:
    """Facts about images by path, size, modification time and inode; one cache file for each dataset folder.

    A cache that cannot be read or written is no cache: everything still works, only slower.

    Args:
        where: folder of the cache files; None remembers nothing beyond this object.
    """

    def __init__(self, where: Path | None = None) -> None:
        self._where = where
        self._known: dict[str, dict[str, list[int | str]]] = {}
        self._changed: set[str] = set()

    @classmethod
    def of_user(cls) -> FileFacts:
        """Return the facts kept in this user's cache folder."""
        return cls(platformdirs.user_cache_path("htr_exp") / "images")

    def image(self, folder: str, name: str) -> ImageFacts:
        """Return what is known of an image; it is opened only if it is new or has changed.

        Args:
            folder: absolute path of the dataset folder.
            name: the image's path relative to it.

        Raises:
            OSError: it cannot be read, or is no image that kraken's Pillow would open.
        """
        path = os.path.join(folder, name)
        status = os.stat(path)
        stamp = [status.st_size, status.st_mtime_ns, status.st_ino]
        known = self._of(folder)
        entry = known.get(name)
        if entry is not None and entry[:3] == stamp:
            return ImageFacts(*entry[3:])  # type: ignore[arg-type]  # _sound looked at every entry
        facts = _look(path)
        known[name] = [*stamp, *astuple(facts)]
        self._changed.add(folder)
        return facts

    def save(self) -> None:
        """Write what was learnt; a folder that cannot be written is left as it is."""
        if self._where is not None:
            for folder in sorted(self._changed):
                cache = {"form": _FORM, "folder": folder, "images": self._known[folder]}
                with contextlib.suppress(OSError, ValueError):
                    write_json(_cache_file(self._where, folder), cache)
        self._changed.clear()

    def _of(self, folder: str) -> dict[str, list[int | str]]:
        if folder not in self._known:
            self._known[folder] = self._load(folder)
        return self._known[folder]

    def _load(self, folder: str) -> dict[str, list[int | str]]:
        if self._where is None:
            return {}
        try:
            cache = read_json(_cache_file(self._where, folder))
        except (OSError, ValueError):
            return {}
        if not isinstance(cache, dict) or cache.get("form") != _FORM or not isinstance(cache.get("images"), dict):
            return {}
        return {name: entry for name, entry in cache["images"].items() if _sound(entry)}


def _cache_file(where: Path, folder: str) -> Path:
    return where / f"{sha256_bytes(os.fsencode(folder))[:32]}.json"


def _sound(entry: object) -> bool:
    kinds = (int, int, int, str, int, int, str, int, bool)
    return isinstance(entry, list) and len(entry) == len(kinds) and all(map(isinstance, entry, kinds))


def _look(path: str) -> ImageFacts:
    with open(path, "rb", opener=open_regular) as file:
        digest = hashlib.sha256()
        end = b""
        while block := file.read(1 << 20):
            digest.update(block)
            end = end[-_END:] + block[-_END:]
        file.seek(0)
        width, height, mode, orientation, kind = _header(file)
    if orientation >= 5:
        width, height = height, width
    whole = _MARKS.get(kind, b"") in end
    return ImageFacts(digest.hexdigest(), width, height, mode, orientation, whole)


def _header(file: BinaryIO) -> tuple[int, int, str, int, str]:
    limit = Image.MAX_IMAGE_PIXELS
    try:
        Image.MAX_IMAGE_PIXELS = KRAKEN_PIXELS // 2  # Pillow refuses from twice this number on
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(file) as image:
                return *image.size, image.mode, _orientation(image), image.format or ""
    except UnidentifiedImageError:
        raise OSError(0, "it is empty, or no image that Pillow knows") from None
    except OSError:
        raise
    except Exception as error:  # Pillow's plugins raise SyntaxError, ValueError, struct.error ... on broken headers
        raise OSError(0, str(error) or type(error).__name__) from error
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _orientation(image: Image.Image) -> int:
    # getexif() of a PNG would decode the whole image to find a chunk at its end: only what the header has counts.
    if "exif" not in image.info and image.format != "TIFF":
        return 1
    try:
        turned = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - an EXIF block can be broken in as many ways as a header, and kraken goes on
        return 1
    return turned if isinstance(turned, int) and 1 <= turned <= 8 else 1
