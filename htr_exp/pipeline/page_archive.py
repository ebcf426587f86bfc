"""The pages of a run as kraken is given them, in one file of its folder: its commands then need nothing else but the images."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from htr_exp.groundtruth.pairs_for_kraken import names, text_name
from htr_exp.groundtruth.xml import read_page
from htr_exp.groundtruth.xml_for_kraken import with_image
from htr_exp.kraken.commands_script import EVERY_IMAGE, IMAGES, PAGES


@dataclass(frozen=True)
class StagedPage:
    """A page that was written for kraken.

    Attributes:
        file: in the cache; it names its image by the whole path.
        image: that path.
        line_images: of line pairs, the picture of each line: kraken is given these, and `file` only says what they say.
    """

    file: Path
    image: Path
    line_images: tuple[Path, ...] = ()


def common_folder(folders: Sequence[Path], images: Sequence[Path]) -> Path:
    """The folder in which all the images of a run are, as far down as possible: of one dataset folder that itself."""
    return Path(os.path.commonpath([*folders, *(image.parent for image in images)]))


def page_archive(pages: Mapping[str, StagedPage], lists: Mapping[str, Sequence[str]], root: Path) -> bytes:
    """Pack pages, and lists of them: a tar file, compressed by gzip; equal pages give equal bytes.

    Args:
        pages: by name.
        lists: file name of a list -> names of pages; of a list of images (`.images`), their images are listed.
        root: the folder of all images.

    Raises:
        OSError: a page is gone from the cache.
    """
    packed = io.BytesIO()
    with (
        gzip.GzipFile("", "wb", 3, packed, mtime=0) as compressed,
        tarfile.open(mode="w", fileobj=compressed) as archive,
    ):
        for name, content in _files(pages, lists, root):
            entry = tarfile.TarInfo(f"{PAGES}/{name}")
            if isinstance(content, Link):
                entry.type, entry.linkname = tarfile.SYMTYPE, content.to
                archive.addfile(entry)
            else:
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


@dataclass(frozen=True)
class Link:
    """A link in the archive."""

    to: str  # from where it lies


def _files(
    pages: Mapping[str, StagedPage], lists: Mapping[str, Sequence[str]], root: Path
) -> Iterator[tuple[str, bytes | Link]]:
    def below(image: Path) -> str:
        return f"{IMAGES}/{image.relative_to(root).as_posix()}"

    images = {name: [below(image) for image in page.line_images or (page.image,)] for name, page in pages.items()}
    given = {
        name: list(names(number, page.line_images)) or [page.file.name]
        for number, (name, page) in enumerate(pages.items(), 1)
    }
    for name, listed in {**lists, EVERY_IMAGE: list(pages)}.items():
        of = images if name.endswith(".images") else given
        yield name, "".join(f"{one}\n" for page in listed for one in of[page]).encode("utf-8", "surrogateescape")
    for name, page in pages.items():
        if not page.line_images:
            yield page.file.name, with_image(page.file.read_bytes(), str(page.image), images[name][0])
            continue
        for picture, image, line in zip(given[name], images[name], read_page(page.file).lines, strict=True):
            yield picture, Link(image)
            yield text_name(picture), line.text.encode()
