"""What belongs together: pages of one image, of one folder, or of one value in a column of the metadata."""

from __future__ import annotations

import difflib
import posixpath
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from htr_exp.config.schema import BUILT_IN
from htr_exp.core.errors import DatasetError
from htr_exp.core.files import sha256_bytes
from htr_exp.core.text import counted
from htr_exp.groundtruth.model import LineImage
from htr_exp.splits.tables import Metadata


class UnknownColumn(DatasetError):
    """Pages are to be grouped by something that is neither built in nor a column."""


class SplitPage(Protocol):
    """What a split needs to know of a page."""

    @property
    def name(self) -> str: ...
    @property
    def xml(self) -> Path: ...
    @property
    def image(self) -> Path: ...
    @property
    def image_digest(self) -> str: ...
    @property
    def digest(self) -> str: ...
    @property
    def lines(self) -> Sequence[object]: ...
    @property
    def line_images(self) -> Sequence[LineImage]: ...


Group = list[SplitPage]
"""Pages that stay on one side."""


@dataclass(frozen=True)
class Grouping:
    """What pages are grouped by, and the group of each."""

    by: str  # page, folder, image or a column
    of: Mapping[str, str]  # page name -> group

    @property
    def several(self) -> str:
        """The word for more than one group."""
        return f"{self.by}s" if self.by in BUILT_IN else f"values of {self.by}"

    @property
    def single(self) -> str:
        """The word for one group."""
        return self.by if self.by in BUILT_IN else f"value of {self.by}"

    def counted(self, number: int) -> str:
        """How many groups there are, with the verb."""
        return f"{'is' if number == 1 else 'are'} {counted(number, self.single, self.several)}"

    def named(self, page: SplitPage) -> str:
        """A page's group as people read it."""
        return f"{self.by} {self.of[page.name]}"


def image_name(page: SplitPage) -> str:
    """A page's image as its dataset folder sees it, `/` between parts."""
    below = Path(posixpath.relpath(page.image, page.xml.parent))
    return posixpath.normpath(PurePosixPath(page.name).parent / below)


def grouped(pages: Sequence[SplitPage], by: str, metadata: Metadata | None = None) -> Grouping:
    """The group of every page.

    Args:
        pages: all pages.
        by: `page`, `folder` (of the page's file in the dataset), `image`, or a column of the metadata.
        metadata: the table with a row for each page.

    Raises:
        UnknownColumn: there is no such column.
        DatasetError: with each page that the table lacks or gives no value.
    """
    if by == "page":
        return Grouping(by, {page.name: page.name for page in pages})
    if by == "folder":
        return Grouping(by, {page.name: str(PurePosixPath(page.name).parent) for page in pages})
    if by == "image":
        groups = [(min(map(image_name, group)), group) for group in same_image(pages)]
        return Grouping(by, {page.name: image for image, group in groups for page in group})
    if metadata is None or by not in metadata.columns:
        columns = [] if metadata is None else [name for name in metadata.columns if name not in BUILT_IN]
        close = difflib.get_close_matches(by, [*BUILT_IN, *columns], n=1)
        raise UnknownColumn(
            f"it is none of {', '.join(BUILT_IN)}"
            + (f" and no column of {metadata.file}" if metadata else "")
            + (f" (did you mean {close[0]}?)" if close else "")
            + (f"; its columns are {', '.join(columns)}" if columns else "")
        )
    of = {page.name: metadata.rows.get(page.name, {}).get(by, "") for page in pages}
    problems = [
        f"{metadata.file}: {page.name} has no value in column {by}"
        + ", or its lines have several" * bool(page.line_images)
        if page.name in metadata.rows
        else f"{metadata.file}: it has no row for {page.name}"
        for page in pages
        if not of[page.name]
    ]
    if problems:
        raise DatasetError(f"pages cannot be grouped by {by}:", problems)
    return Grouping(by, of)


def same_image(pages: Sequence[SplitPage]) -> list[Group]:
    """Group pages that show one image, by place or by bytes."""
    return joined(pages, [{page.name: f"path {page.image}" for page in pages},
                          {page.name: f"bytes {page.image_digest}" for page in pages}])  # fmt: skip


def related(pages: Sequence[SplitPage], together: Iterable[Collection[str]]) -> list[Group]:
    """Group pages that must not be on two sides, whatever they are grouped by.

    Args:
        pages: all pages.
        together: sets of page names that belong together for other reasons than their image.
    """
    images = {page.name: f"image {number}" for number, group in enumerate(same_image(pages)) for page in group}
    links = [{name: f"set {number}" for name in names} for number, names in enumerate(together)]
    return joined(pages, [images, *links])


def joined(pages: Sequence[SplitPage], keys: Sequence[Mapping[str, str]]) -> list[Group]:
    """Group pages that have a key in common, directly or through others.

    Args:
        pages: in whose order groups and their pages stand.
        keys: each gives some page names a key.
    """
    first: dict[str, str] = {}  # page name -> a page of its group nearer to the group's first
    for page in pages:
        first.setdefault(page.name, page.name)

    def root(name: str) -> str:
        while first[name] != name:
            first[name] = first[first[name]]
            name = first[name]
        return name

    for mapping in keys:
        seen: dict[str, str] = {}
        for page in pages:
            if (key := mapping.get(page.name)) is not None:
                first[root(page.name)] = root(seen.setdefault(key, page.name))
    groups: dict[str, Group] = {}
    for page in pages:
        groups.setdefault(root(page.name), []).append(page)
    return list(groups.values())


def in_order(groups: Sequence[Group], seed: int) -> list[Group]:
    """Groups in the order that a seed and their images decide, whatever their names, order, place and transcription."""
    return sorted(groups, key=lambda group: rank(seed, group))


def rank(seed: int, group: Sequence[SplitPage]) -> tuple[list[str], str]:
    """What orders a group: the SHA-256 of seed and each image, that of the smallest image digest first.

    A correction of the transcription changes no rank, another page of the group hardly ever. Names decide between groups of
    the same images alone.
    """
    images = sorted({page.image_digest for page in group})
    return [sha256_bytes(f"{seed}:{image}".encode()) for image in images], min(page.name for page in group)
