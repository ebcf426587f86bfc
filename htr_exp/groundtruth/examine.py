"""Says everything that is wrong with folders of ground truth, and what of them can be used."""

from __future__ import annotations

import gc
import hashlib
import json
import posixpath
import struct
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from htr_exp.groundtruth import wording
from htr_exp.groundtruth.facts import FileFacts, ImageFacts
from htr_exp.groundtruth.find import Tree, matches, shown
from htr_exp.groundtruth.model import (
    Dataset,
    GroundTruthPage,
    Line,
    NotGroundTruth,
    NotWellFormed,
    Page,
    Problem,
    Region,
    Severity,
    Task,
)
from htr_exp.groundtruth.read import read_page
from htr_exp.groundtruth.rules import fault
from htr_exp.groundtruth.stage import storable

# Modes that kraken can cut lines from and write as PNG, which is what `ketos compile` does.
_MODES = ("1", "L", "LA", "P", "RGB", "RGBA")


def examine(
    folders: Sequence[Path],
    *,
    pattern: str = "*.xml",
    exclude: Sequence[str] = (),
    task: Task = "recognition",
    digests: FileFacts | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Dataset:
    """Read all ground truth below some folders.

    Args:
        folders: the dataset folders.
        pattern: glob that a file's relative path or bare name must match.
        exclude: globs of files to leave out.
        task: recognition needs baseline, polygon and text of a line; segmentation its baseline.
        digests: what is known of the images from before; saved at the end.
        progress: called with the number of files read and of all files.

    Returns:
        The pages that can be used, by folder as given and then by name, and every problem.
    """
    facts = digests if digests is not None else FileFacts()
    with _no_collection():
        dataset = _examine(folders, pattern, exclude, task, facts, progress)
    facts.save()
    return dataset


@contextmanager
def _no_collection() -> Iterator[None]:
    # Hundreds of thousands of points without one cycle: walking them again and again was a third of the time.
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.freeze()  # and back: what was made joins the oldest generation without being walked even once
            gc.unfreeze()
            gc.enable()


def _examine(
    folders: Sequence[Path],
    pattern: str,
    exclude: Sequence[str],
    task: Task,
    facts: FileFacts,
    progress: Callable[[int, int], None] | None,
) -> Dataset:
    found = _Examination(task, facts)
    visited: set[tuple[int, int]] = set()
    sources = [
        found.source(folder, prefix, visited) for folder, prefix in zip(folders, _prefixes(folders), strict=True)
    ]
    chosen = [(source, source.select(pattern, exclude, found)) for source in sources if source is not None]
    total, done = sum(len(names) for _, names in chosen), 0
    for source, names in chosen:
        used = len(found.pages)
        problems = len(found.problems)
        for name in names:
            found.file(source, name)
            done += 1
            if progress is not None:
                progress(done, total)
        found.images_left_over(source, exclude)
        if len(found.pages) == used:
            found.nothing(source, pattern, names, found.problems[problems:])
    found.equal_images()
    return Dataset(tuple(found.pages), tuple(found.problems), {"pages": found.pages_read, "lines": found.lines_read})


def _prefixes(folders: Sequence[Path]) -> list[str]:
    """Return what stands before the names of each folder's pages: nothing if alone, else its name, made unique."""
    if len(folders) == 1:
        return [""]
    taken: set[str] = set()
    prefixes = []
    for folder in folders:
        name, number = folder.absolute().name, 1
        prefix = name
        while prefix in taken:
            number += 1
            prefix = f"{name}-{number}"
        taken.add(prefix)
        prefixes.append(f"{prefix}/")
    return prefixes


@dataclass
class _Source:
    """A dataset folder, and how its files are named in what is reported."""

    tree: Tree
    prefix: str

    def label(self, name: str) -> str:
        # A name that is not UTF-8 could be neither printed nor stored.
        return (self.prefix + name).encode("utf-8", "backslashreplace").decode()

    def select(self, pattern: str, exclude: Sequence[str], found: _Examination) -> list[str]:
        for name in self.tree.hidden:
            bare = posixpath.basename(name)
            if bare == ".DS_Store" or bare.startswith("._") or matches(name, [pattern]):
                found.add("hidden_file", "dropped", self.label(name), "hidden files are no ground truth: delete it")
        return [name for name in self.tree.files if matches(name, [pattern]) and not matches(name, exclude)]


class _Examination:
    """What has been found so far."""

    def __init__(self, task: Task, facts: FileFacts) -> None:
        self.task = task
        self.facts = facts
        self.pages: list[GroundTruthPage] = []
        self.problems: list[Problem] = []
        self.pages_read = 0
        self.lines_read = 0
        self._claims: dict[Path, tuple[_Source, str]] = {}
        self._named: set[Path] = set()

    def add(self, code: str, severity: Severity, file: str, message: str, line: str | None = None) -> None:
        self.problems.append(Problem(code, severity, file, line, message))

    def source(self, folder: Path, prefix: str, visited: set[tuple[int, int]]) -> _Source | None:
        try:
            return _Source(Tree(folder, visited), prefix)
        except OSError as error:
            self.add("no_pages", "error", shown(str(folder)), f"the folder cannot be read: {error.strerror or error}")
            return None

    def file(self, source: _Source, name: str) -> None:
        """Read one XML file and add its page, or the reasons why there is none."""
        label, path = source.label(name), source.tree.path(name)
        try:
            page = read_page(path)
        except NotWellFormed as error:
            self.add("not_well_formed", "error", label, error.headline)
            return
        except NotGroundTruth as error:
            self.add("not_ground_truth", "dropped", label, error.headline)
            return
        self.pages_read += 1
        self.lines_read += len(page.lines)
        image = self._image(source, name, page)
        if image is None:
            return
        image_name, seen = image
        for code, message in wording.doubts(page, image_name, seen):
            self.add(code, "warning", label, message)
        lines = tuple(self._usable(label, _identified(page.lines), seen))
        regions = page.regions if self.task == "segmentation" else ()
        if not lines and not regions:
            self.add("page_without_text", "dropped", label, wording.empty(page, self.task))
            return
        if no_type := sum(1 for line in lines if not line.type):
            self.add("line_without_type", "warning", label, f"{no_type} of {len(lines)} lines have no type")
        for code, message in wording.text_doubts(lines):
            self.add(code, "warning", label, message)
        self.pages.append(
            GroundTruthPage(
                name=label,
                xml=path,
                image=source.tree.path(image_name),
                image_digest=seen.sha256,
                width=seen.width,
                height=seen.height,
                regions=page.regions,
                lines=lines,
                digest=_digest(seen.sha256, lines, regions, self.task),
            )
        )

    def _image(self, source: _Source, name: str, page: Page) -> tuple[str, ImageFacts] | None:
        label = source.label(name)
        image_name, how = source.tree.image(name, page.image_name)
        if image_name is None:
            self.add(how, "error", label, wording.lost(source.tree, name, page.image_name, how))
            return None
        path = source.tree.path(image_name)
        self._named.add(path)
        if path in self._claims:
            first, first_name = self._claims[path]
            message = wording.claimed(first.label(first_name), label, (first_name, name), image_name)
            self.add("image_claimed_twice", "error", label, message)
            return None
        self._claims[path] = (source, name)
        if how:
            self.add(how, "warning", label, wording.found_otherwise(page.image_name, image_name, how))
        try:
            seen = self.facts.image(source.tree.root, image_name)
        except OSError as error:
            reason = error.strerror or str(error)
            self.add("image_unreadable", "error", label, f"its image {shown(image_name)} cannot be read: {reason}")
            return None
        if seen.mode not in _MODES:
            message = (
                f"its image {shown(image_name)} is in colour mode {seen.mode}, which kraken cannot cut: save it as RGB"
            )
            self.add("image_unreadable", "error", label, message)
            return None
        if not storable(str(path)):
            message = f"its image {shown(str(path))} has a name that XML cannot hold: rename it"
            self.add("image_unreadable", "error", label, message)
            return None
        return image_name, seen

    def _usable(self, label: str, lines: Sequence[Line], seen: ImageFacts) -> Iterator[Line]:
        ids: set[str] = set()
        for line in lines:
            reason = fault(line, seen.width, seen.height, self.task)
            if reason is None and line.id in ids:
                reason = "duplicate_line_id", "an earlier line has the same id: kraken 7 would read one of them twice"
            if reason is not None:
                self.add(reason[0], "dropped", label, reason[1], line.id)
                continue
            ids.add(line.id)
            yield line

    def images_left_over(self, source: _Source, exclude: Sequence[str]) -> None:
        """Warn of images that no page names."""
        if not any(first is source for first, _ in self._claims.values()):
            return
        for name in source.tree.images():
            if source.tree.path(name) not in self._named and not matches(name, exclude):
                self.add("image_without_xml", "warning", source.label(name), "no page of the dataset has this image")

    def nothing(self, source: _Source, pattern: str, names: Sequence[str], problems: Sequence[Problem]) -> None:
        """Say why a folder gave no page, unless its errors say so already."""
        if any(problem.severity == "error" for problem in problems):
            return
        pairs = sum(1 for name in source.tree.files if name.endswith(".gt.txt"))
        if not names and pairs:
            message = f"it holds {pairs} line pairs (image and .gt.txt): they are not supported yet, only PAGE and ALTO"
        elif not names:
            message = f"no file matches dataset.pattern={pattern!r}"
        else:
            message = f"none of its {len(names)} XML files can be used: see the reasons above"
        self.add("no_pages", "error", shown(source.tree.root), message)

    def equal_images(self) -> None:
        """Warn of pages whose images have the same bytes under two names."""
        first: dict[str, GroundTruthPage] = {}
        for page in self.pages:
            other = first.setdefault(page.image_digest, page)
            if other is not page:
                message = f"its image is the same as that of {shown(other.name)}: a split must keep both on one side"
                self.add("image_twice", "warning", page.name, message)


def _identified(lines: Sequence[Line]) -> Sequence[Line]:
    """Give `line_N` to lines without an id, which kraken 7 would take for one and the same line."""
    if all(line.id for line in lines):
        return lines
    taken = {line.id for line in lines}
    named = []
    for number, line in enumerate(lines, 1):
        if not line.id:
            identifier = f"line_{number}"
            while identifier in taken:
                identifier += "_"
            taken.add(identifier)
            line = replace(line, id=identifier)
        named.append(line)
    return named


def _digest(image: str, lines: Sequence[Line], regions: Sequence[Region], task: Task) -> str:
    """Return the SHA-256 of what training sees: for recognition the text too, for segmentation the regions."""
    with_text = task == "recognition"
    words = [(line.id, line.text if with_text else "", line.type) for line in lines]
    shapes = [shape for line in lines for shape in (line.baseline, line.polygon)] + [r.polygon for r in regions]
    head = [image, words, [region.type for region in regions], [len(shape) for shape in shapes]]
    digest = hashlib.sha256(json.dumps(head, ensure_ascii=False, separators=(",", ":")).encode())
    numbers = [*chain.from_iterable(chain.from_iterable(shapes))]
    digest.update(struct.pack(f"<{len(numbers)}q", *numbers))
    return digest.hexdigest()


def summary(problems: Sequence[Problem]) -> dict[str, int]:
    """Return how often each code occurs, by code."""
    return dict(sorted(Counter(problem.code for problem in problems).items()))
