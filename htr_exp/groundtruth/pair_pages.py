"""Pages of line pairs: finds the pairs of dataset folders, puts each on its page, and says everything that is wrong with them."""

from __future__ import annotations

import hashlib
import json
import posixpath
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from htr_exp.core.task import Task
from htr_exp.groundtruth import dataset_checks, messages, text_checks
from htr_exp.groundtruth.file_tree import matches, shown
from htr_exp.groundtruth.findings import Findings
from htr_exp.groundtruth.folders import Source
from htr_exp.groundtruth.image_header import ImageFacts
from htr_exp.groundtruth.line_pairs import FoundPairs, LinePair, find_pairs
from htr_exp.groundtruth.line_text import LineText, read_line_text
from htr_exp.groundtruth.model import GroundTruthPage, Line, LineImage, UsedLine
from htr_exp.groundtruth.page_of_line import in_order, page_of
from htr_exp.groundtruth.scan import image_files
from htr_exp.groundtruth.usable_image import code_of, unusable

ALL_XML = "*.xml"
"""The pattern of XML files that says nothing of images."""

PagesOf = Callable[[Sequence[LinePair]], Sequence[str | None]]
"""Names the page of each line pair, below the dataset folder; None where it cannot be told."""


def by_name(pairs: Sequence[LinePair]) -> list[str | None]:
    """The page of each pair as the name of its image tells it."""
    return [page_of(pair.name) for pair in pairs]


def by_folder(pairs: Sequence[LinePair]) -> list[str | None]:
    """The page of each pair: its folder."""
    return [posixpath.dirname(pair.name) or pair.image.parent.name for pair in pairs]


def has_pairs(source: Source) -> bool:
    """Tell whether a folder holds line pairs."""
    found = find_pairs(source.tree, source.tree.images())
    return bool(found.text_of or found.images_of)


@dataclass(frozen=True, slots=True)
class _Pair:
    """A line pair, read."""

    source: Source
    pair: LinePair
    text: LineText
    seen: ImageFacts


def examine_pairs(
    found: Findings,
    sources: Sequence[Source],
    *,
    pattern: str,
    exclude: Sequence[str],
    task: Task,
    pages_of: PagesOf,
    cache: Path | None,
    progress: Callable[[int, int], None],
) -> list[str]:
    """Read all line pairs of some folders: each text, and each image once, on all processors.

    Args:
        found: to which pages and problems are added.
        sources: the folders.
        pattern: glob that an image's relative path or bare name must match; `ALL_XML` leaves out none.
        exclude: globs of images and texts to leave out.
        task: for which they are to be.
        pages_of: which page a pair is on.
        cache: folder where what was found in images is remembered; None: nowhere.
        progress: called with the number of images looked at, and of all.

    Returns:
        The images of pairs that `exclude` leaves out.
    """
    excluded: list[str] = []
    chosen: list[tuple[Source, str, str]] = []  # folder, image and text of each pair
    for source in sources:
        found.place += 1
        if not task.reads_text:
            found.add("no_layout", shown(source.tree.root), messages.NO_LAYOUT)
            continue
        for name in source.hidden(ALL_XML):
            found.add("hidden_file", source.label(name), "hidden files are no ground truth")
        images = source.tree.images()
        wanted = [name for name in images if pattern == ALL_XML or matches(name, [pattern])]
        whole = find_pairs(source.tree, images)
        excluded += [source.label(name) for name in whole.text_of if matches(name, exclude)]
        of_folder = find_pairs(source.tree, [name for name in wanted if not matches(name, exclude)])
        of_source = [(source, image, text) for image, text in of_folder.text_of.items() if not matches(text, exclude)]
        _alone(found, source, replace(of_folder, texts_alone=whole.texts_alone), exclude)
        _beside(found, source, exclude)
        if not of_source:
            found.add("no_pages", shown(source.tree.root), messages.no_pairs(pattern))
        chosen += of_source
        names = [image for _, image, _ in of_source]
        for code, name, message, files in dataset_checks.unusual_names(source.tree, names):
            found.add(code, source.label(name), message, files=tuple(map(source.label, files)))
    seen = image_files(
        [(source.tree.root, image) for source, image, _ in chosen], cache, lambda done: progress(done, len(chosen))
    )
    pairs = [
        LinePair(source.label(image), source.tree.path(image), source.tree.path(text)) for source, image, text in chosen
    ]
    read = [
        _read(found, source, pair, source.label(text), facts)
        for (source, _, text), pair, facts in zip(chosen, pairs, seen, strict=True)
    ]
    told = pages_of(pairs)  # also of those that cannot be used: a table may name them
    _pages(found, [(one, page) for one, page in zip(read, told, strict=True) if one is not None])
    return excluded


def _alone(found: Findings, source: Source, pairs: FoundPairs, exclude: Sequence[str]) -> None:
    """Add what is no pair: images and texts alone, a text of several images, a second text."""
    of_pages = {posixpath.splitext(name)[0] for name in source.tree.files if name.lower().endswith(".xml")}
    for image in pairs.images_alone:
        if posixpath.splitext(image)[0] not in of_pages:
            found.add("image_without_text", source.label(image), "it has no .gt.txt or .txt of its name beside it")
    for text in pairs.texts_alone:
        if not matches(text, exclude):
            found.add("text_without_image", source.label(text), "no image has its name")
    for text, images in pairs.images_of.items():
        found.add("text_of_several_images", source.label(text), messages.several_images(images))
    if spare := [text for _, text in pairs.spare if not matches(text, exclude)]:
        labels = tuple(map(source.label, spare))
        found.add("text_beside_gt_txt", labels[0], messages.spare_texts(len(spare)), files=labels)


def _beside(found: Findings, source: Source, exclude: Sequence[str]) -> None:
    """Say that XML files are not read."""
    sheets = [name for name in source.tree.files if name.lower().endswith(".xml") and not matches(name, exclude)]
    if sheets:
        labels = tuple(map(source.label, sheets))
        found.add("xml_beside_pairs", labels[0], messages.xml_beside_pairs(len(sheets)), files=labels)


def _read(found: Findings, source: Source, pair: LinePair, text: str, seen: ImageFacts | str) -> _Pair | None:
    """Read a pair; None, with the reason added, where it cannot be used."""
    found.place += 1
    found.lines_read += 1
    content = read_line_text(pair.xml)
    if content.note is not None:
        found.add(content.note, text, messages.note(content.note, ()))
    reason = unusable(seen, pair.image)
    if isinstance(seen, str) or reason:
        found.add(code_of(seen), pair.name, f"it {reason}")
    if content.fault is not None:
        found.add(content.fault[0], text, content.fault[1])
    if isinstance(seen, str) or reason or content.fault is not None:
        return None
    for code, message in messages.doubts_of_image(pair.name, seen):
        found.add(code, pair.name, message)
    return _Pair(source, pair, content, seen)


def _pages(found: Findings, pairs: Sequence[tuple[_Pair, str | None]]) -> None:
    """Add the pages of some pairs, or why there are none."""
    found.place += 1
    of_page: dict[str, list[_Pair]] = {}
    untold: list[str] = []
    for pair, page in pairs:
        if page is None:
            untold.append(pair.pair.name)
        else:
            of_page.setdefault(page, []).append(pair)
    if untold:
        found.add("page_of_line_unknown", untold[0], messages.untold(untold), files=tuple(untold))
    found.pages_read += len(of_page)
    for page in sorted(of_page):
        found.place += 1
        _add(found, page, sorted(of_page[page], key=lambda one: in_order(one.pair.name)))
    found.place += 1
    for bare, pages in _same_names(of_page).items():
        found.add("page_in_several_folders", pages[0], messages.in_several_folders(bare, pages), files=tuple(pages))
    for code, name, message, files in (
        *dataset_checks.equal_images(found.pages),
        *dataset_checks.mixed_forms(found.forms),
    ):
        found.add(code, name, message, files=files)


def _same_names(pages: dict[str, list[_Pair]]) -> dict[str, list[str]]:
    """The pages that have one name in several folders, by that name."""
    of_name: dict[str, list[str]] = {}
    for page in sorted(pages):
        of_name.setdefault(posixpath.basename(page), []).append(page)
    return {name: alike for name, alike in of_name.items() if len(alike) > 1}


def _add(found: Findings, page: str, pairs: Sequence[_Pair]) -> None:
    lines = [Line(name, (), (), pair.text.text, None, None) for name, pair in zip(_ids(pairs), pairs, strict=True)]
    for code, ids in text_checks.oddities(lines):
        found.add(code, page, messages.note(code, ids), lines=ids)
    forms = text_checks.forms(lines)
    if ids := tuple(forms.get("neither", ())):
        found.add("text_in_no_normal_form", page, messages.note("text_in_no_normal_form", ids), lines=ids)
    found.forms.append((page, forms))
    images = tuple(LineImage(pair.pair.name, pair.pair.image, pair.seen.sha256) for pair in pairs)
    used = tuple(
        UsedLine(number, line.id, line.text, None, float(pair.seen.width), float(pair.seen.height))
        for number, (line, pair) in enumerate(zip(lines, pairs, strict=True))
    )
    learnt = [(line.id, line.text, image.digest) for line, image in zip(used, images, strict=True)]
    found.pages.append(
        GroundTruthPage(
            name=page,
            xml=_place(page, pairs[0]),
            image=images[0].path,
            xml_digest=_digest([hashlib.sha256(pair.text.content).hexdigest() for pair in pairs]),
            image_digest=pictures_digest([image.digest for image in images]),
            width=max(pair.seen.width for pair in pairs),
            height=max(pair.seen.height for pair in pairs),
            lines=used,
            digest=_digest(["line pairs", *learnt]),
            line_images=images,
        )
    )


def _ids(pairs: Sequence[_Pair]) -> Iterator[str]:
    """What the lines of a page are called: by the names of their images, with the folder where two have the same."""
    bare = [posixpath.basename(pair.pair.name) for pair in pairs]
    count = Counter(bare)
    for pair, name in zip(pairs, bare, strict=True):
        yield name if count[name] == 1 else pair.pair.name


def _place(page: str, first: _Pair) -> Path:
    """Where the file of a page would be: from there its first image is found as from the XML of another page."""
    return first.source.tree.path(page.removeprefix(first.source.prefix))


def pictures_digest(digests: Sequence[str]) -> str:
    """The digest of a page's pictures of lines, of theirs."""
    return _digest(list(digests))


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode("utf-8", "surrogatepass")).hexdigest()
