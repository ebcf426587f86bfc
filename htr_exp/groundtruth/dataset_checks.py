"""What can only be seen across the files of a dataset: equal images, mixed normal forms, names, images left over."""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from htr_exp.core.text import counted
from htr_exp.groundtruth.file_tree import Tree, shown
from htr_exp.groundtruth.model import GroundTruthPage

DatasetNote = tuple[str, str, str, tuple[str, ...]]  # code, file, message, all files that it is about


def equal_images(pages: Sequence[GroundTruthPage]) -> Iterator[DatasetNote]:
    """Yield each page whose image has the bytes of an earlier page's under another name."""
    first: dict[str, GroundTruthPage] = {}
    for page in pages:
        other = first.setdefault(page.image_digest, page)
        if other is not page:
            message = f"its image is the same as that of {shown(other.name)}: a split must keep both on one side"
            yield "image_twice", page.name, message, ()


def mixed_forms(forms: Sequence[tuple[str, dict[str, list[str]]]]) -> Iterator[DatasetNote]:
    """Yield that texts are in different normal forms, by the first page that is not in the most frequent one.

    Args:
        forms: of each page its name, and the ids of its lines by the normal form that they show.
    """
    lines = Counter({form: 0 for form in ("NFC", "NFD")})
    for _, found in forms:
        lines.update({form: len(ids) for form, ids in found.items() if form in lines})
    if not all(lines.values()):
        return
    (usual, _), (other, _) = lines.most_common()
    pages = tuple(name for name, found in forms if other in found)
    said = f"{counted(lines[usual], 'line')} with accented letters {'is' if lines[usual] == 1 else 'are'} in {usual}, {lines[other]} in {other}"
    yield "text_forms_mixed", pages[0], f"{said}: a letter that is written in both is two characters to kraken", pages


def mixed_indices(pages: Sequence[tuple[str, bool, Sequence[str]]]) -> Iterator[DatasetNote]:
    """Yield that of some lines a transcription of index 0 is read and of others one of a higher index.

    Args:
        pages: of each its name, whether it has lines of index 0, and the ids of its lines of higher ones.
    """
    guessed = {name: len(ids) for name, _, ids in pages if ids}
    if guessed and any(corrected for _, corrected, _ in pages):
        lines = sum(guessed.values())
        said = f"{counted(lines, 'line')} of {counted(len(guessed), 'page')} {'has' if lines == 1 else 'have'}"
        message = f"{said} no transcription (TextEquiv) of index 0, as others of the dataset have: one of a higher index is read"
        yield "text_index_mixed", next(iter(guessed)), message, tuple(guessed)


_UNUSUAL = {
    "blanks": re.compile(r"\s"),
    "brackets or quotes": re.compile(r"[\[\](){}<>'\"`]"),
    "signs that shells or programs take for their own": re.compile(r"[*?$&|;\\!%#~]|^-"),
    "letters beyond ASCII": re.compile(r"[^\x00-\x7f]"),
}


def unusual_names(tree: Tree, names: Iterable[str]) -> Iterator[DatasetNote]:
    """Yield that names of a folder, of its XML files or of their images hold characters that other tools trip over."""
    found: dict[str, list[str]] = {}
    parts = {posixpath.basename(tree.root): ""}
    for name in names:
        folder = posixpath.dirname(name)
        for part in (folder, posixpath.basename(name)):
            if part:
                parts.setdefault(part, name)
    for part, name in parts.items():
        for kind, pattern in _UNUSUAL.items():
            if pattern.search(part):
                found.setdefault(kind, []).append(name or part)
    if found:
        said = ", ".join(f"{len(names)} with {kind}" for kind, names in found.items())
        named = tuple(dict.fromkeys(name for names in found.values() for name in names))
        yield "file_name_unusual", named[0], f"names of files or folders: {said} (first: {shown(named[0])})", named
