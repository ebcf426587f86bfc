"""Says everything that is wrong with folders of ground truth, and what of them can be used."""

from __future__ import annotations

import gc
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from htr_exp.core.task import RECOGNITION, Task
from htr_exp.core.text import counted
from htr_exp.groundtruth import dataset_checks, messages
from htr_exp.groundtruth.choices import DEFAULT, LOWEST, Choices
from htr_exp.groundtruth.file_tree import IMAGES, Tree, matches, shown
from htr_exp.groundtruth.findings import Findings
from htr_exp.groundtruth.folders import Source, prefixes
from htr_exp.groundtruth.image_header import ImageFacts
from htr_exp.groundtruth.image_search import Found, derived_images, find_image
from htr_exp.groundtruth.line_pairs import find_pairs
from htr_exp.groundtruth.line_rules import outside
from htr_exp.groundtruth.model import Dataset, GroundTruthPage, Problem, UsedLine
from htr_exp.groundtruth.page_scan import PageFile
from htr_exp.groundtruth.pair_pages import PagesOf, by_name, examine_pairs, has_pairs
from htr_exp.groundtruth.problem_codes import CODES
from htr_exp.groundtruth.rivals import giving_way
from htr_exp.groundtruth.scan import image_files, page_files
from htr_exp.groundtruth.usable_image import code_of, unusable

AUTO, XML, LINE_PAIRS = "auto", "xml", "line_pairs"
"""What ground truth is read: PAGE and ALTO, or line pairs; `auto`: line pairs if there is no XML."""


def examine_folders(
    folders: Sequence[Path],
    *,
    pattern: str = "*.xml",
    exclude: Sequence[str] = (),
    task: Task = RECOGNITION,
    choices: Choices = DEFAULT,
    format: str = AUTO,
    pages_of: PagesOf = by_name,
    only: Mapping[Path, Collection[str]] | None = None,
    cache: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Dataset:
    """Read all ground truth below some folders: each XML file once, then each image once, on all processors.

    Args:
        folders: the dataset folders.
        pattern: glob that a file's relative path or bare name must match; of line pairs that of the image.
        exclude: globs of files to leave out.
        task: recognition needs baseline, polygon and text of a line; segmentation its baseline.
        choices: which text of a line is read where its file has several.
        format: what is read: `AUTO`, `XML` or `LINE_PAIRS`.
        pages_of: which page a line pair is on.
        only: of a folder, the names of the files that are ground truth; of one that is not here, all that match.
        cache: folder where what was found in files is remembered; None: nowhere.
        progress: called with the number of files looked at and of all files, as far as they are known.

    Returns:
        The pages that can be used, by folder as given and then by name, and every problem.
    """
    tell = progress or (lambda done, total: None)
    with _no_collection():
        found = _Examination(choices)
        visited: set[tuple[int, int]] = set()
        opened = [
            found.source(folder, prefix, visited, (only or {}).get(folder))
            for folder, prefix in zip(folders, prefixes(folders), strict=True)
        ]
        sources = [source for source in opened if source is not None]
        if format == LINE_PAIRS or (format == AUTO and _only_pairs(sources, pattern)):
            excluded = examine_pairs(
                found,
                sources,
                pattern=pattern,
                exclude=exclude,
                task=task,
                pages_of=pages_of,
                cache=cache,
                progress=tell,
            )
        else:
            excluded = _examine(found, sources, pattern, exclude, task, choices, cache, tell)
        read = {"pages": found.pages_read, "lines": found.lines_read}
        return Dataset(tuple(found.pages), found.in_order(), read, task, tuple(excluded), choices)


def _only_pairs(sources: Sequence[Source], pattern: str) -> bool:
    """Tell whether folders hold line pairs and no XML; of pairs, a pattern means the images."""
    matching = [name for source in sources for name in source.select(pattern, ())]
    return all(name.lower().endswith(IMAGES) for name in matching) and any(map(has_pairs, sources))


@contextmanager
def _no_collection() -> Iterator[None]:
    # Hundreds of thousands of lines without one cycle: walking them again and again was a third of the time.
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
    found: _Examination,
    sources: Sequence[Source],
    pattern: str,
    exclude: Sequence[str],
    task: Task,
    choices: Choices,
    cache: Path | None,
    progress: Callable[[int, int], None],
) -> list[str]:
    """Read all XML of some folders; returns the pages that `exclude` leaves out."""
    chosen = [(source, name) for source in sources for name in found.selected(source, pattern, exclude)]
    sheets = page_files(
        [(source.tree.root, name) for source, name in chosen],
        task,
        cache,
        lambda done: progress(done, 2 * len(chosen)),
        choices,
    )
    meant = [
        find_image(source.tree, name, sheet.image_name) for (source, name), sheet in zip(chosen, sheets, strict=True)
    ]
    paths = [source.tree.path(image) if image else None for (source, _), (image, _) in zip(chosen, meant, strict=True)]
    gone = {place: chosen[other] for place, other in giving_way(sheets, paths).items()}
    claims = [
        found.claim(source, name, sheet, image, gone.get(place))
        for place, ((source, name), sheet, image) in enumerate(zip(chosen, sheets, meant, strict=True))
    ]
    wanted = list(dict.fromkeys((claim.source.tree.root, claim.image) for claim in claims if claim is not None))
    images = image_files(wanted, cache, lambda done: progress(len(chosen) + done, len(chosen) + len(wanted)))
    seen = dict(zip(wanted, images, strict=True))
    for claim in claims:
        if claim is not None:
            found.page(claim, seen[claim.source.tree.root, claim.image])
    found.across(sources, pattern, exclude, chosen)
    return list(found.excluded(sources, pattern, exclude, cache, task))


@dataclass
class _Claim:
    """An XML file that is a page, and the image that it means."""

    source: Source
    name: str
    sheet: PageFile
    image: str
    found_how: str
    place: int  # of its problems among those of the dataset


class _Examination(Findings):
    """What has been found so far in XML files."""

    def __init__(self, choices: Choices) -> None:
        super().__init__()
        self._choices = choices
        self._claims: dict[Path, tuple[Source, str]] = {}
        self._sheets: dict[Path, PageFile] = {}  # of these files
        self._of_refused: set[Path] = set()  # images that have the name of a file that cannot be used
        self._indices: list[tuple[str, bool, list[str]]] = []

    def selected(self, source: Source, pattern: str, exclude: Sequence[str]) -> list[str]:
        """The names of a folder's files that are to be ground truth."""
        for name in source.lost(pattern, exclude):
            self.add("page_not_there", source.label(name), "the METS file that was given lists it, and it is not there")
        for name in source.hidden(pattern):
            self.add("hidden_file", source.label(name), "hidden files are no ground truth")
        return source.select(pattern, exclude)

    def claim(
        self, source: Source, name: str, sheet: PageFile, meant: Found, other: tuple[Source, str] | None
    ) -> _Claim | None:
        """Take the image that a page means; None, with the reason added, if there is no page or no image.

        Args:
            source: its folder.
            name: of its file.
            sheet: what is known of it.
            meant: its image, and how it was found.
            other: the file to which it leaves its image, as nothing of it can be used.
        """
        self.place += 1
        label, (image, how) = source.label(name), meant
        if sheet.refused is not None:
            self.add(sheet.refused[0], label, sheet.refused[1], lines=tuple(sheet.lost_lines))
            self.pages_read += sheet.lost_pages
            self.lines_read += len(sheet.lost_lines)
            if CODES[sheet.refused[0]].severity == "error" and image:
                self._of_refused.add(source.tree.path(image))
            return None
        self.pages_read += 1
        self.lines_read += len(sheet.lines)
        if other is not None:
            self.add("page_without_text", label, messages.empty(sheet, other[0].label(other[1])))
            self._own(label, sheet)
            return None
        if image is None:
            self.add(how, label, messages.lost(source.tree, name, sheet.image_name, how))
            self._own(label, sheet)
            return None
        path = source.tree.path(image)
        if path in self._claims:
            first, first_name = self._claims[path]
            lines = self._sheets[path].usable, sheet.usable
            message = messages.claimed((first.label(first_name), label), (first_name, name), lines, image)
            self.add("image_claimed_twice", label, message)
            self._own(label, sheet)
            return None
        self._claims[path], self._sheets[path] = (source, name), sheet
        return _Claim(source, name, sheet, image, how, self.place)

    def page(self, claim: _Claim, seen: ImageFacts | str) -> None:
        """Add a page, or the reasons why there is none, now that its image is known."""
        self.place = claim.place
        label, sheet, path = claim.source.label(claim.name), claim.sheet, claim.source.tree.path(claim.image)
        if claim.found_how:
            message = messages.found_otherwise(sheet.image_name, claim.image, claim.found_how)
            self.add(claim.found_how, label, message)
        reason = unusable(seen, path)
        if isinstance(seen, str) or reason:
            self.add(code_of(seen), label, f"its image {shown(claim.image)} {reason}")
            self._own(label, sheet)
            return
        for code, message in messages.doubts(sheet, claim.image, seen):
            self.add(code, label, message)
        lines = tuple(self._usable(label, sheet, seen))
        self._notes(label, sheet, (seen.width, seen.height))
        if not lines and not sheet.region_types:
            self.add("page_without_text", label, messages.empty(sheet))
            return
        self.forms.append((label, sheet.forms))
        self._indices.append((label, sheet.corrected, sheet.guessed))
        digests = [sheet.line_digest(line) for line in lines]
        self.pages.append(
            GroundTruthPage(
                name=label,
                xml=claim.source.tree.path(claim.name),
                image=path,
                xml_digest=sheet.digest,
                image_digest=seen.sha256,
                width=seen.width,
                height=seen.height,
                lines=lines,
                digest=hashlib.sha256(json.dumps([seen.sha256, digests, sheet.regions]).encode()).hexdigest(),
                regions=tuple(sheet.region_types),
                choices=self._choices,
            )
        )

    def excluded(
        self, sources: Sequence[Source], pattern: str, exclude: Sequence[str], cache: Path | None, task: Task
    ) -> Iterator[str]:
        """Yield the pages that `exclude` leaves out; a second file of a page that is used is none."""
        names = [(source, name) for source in sources for name in source.excluded(pattern, exclude)]
        sheets = page_files([(source.tree.root, name) for source, name in names], task, cache)
        for (source, name), sheet in zip(names, sheets, strict=True):
            if sheet.refused is None:
                image, _ = find_image(source.tree, name, sheet.image_name)
                if image is None or source.tree.path(image) not in self._claims:
                    yield source.label(name)

    def _own(self, label: str, sheet: PageFile) -> None:
        """Add what is wrong with a file itself, where its image is no help."""
        for line in sheet.lines:
            if reason := sheet.faults.get(line.number):
                self.add(reason[0], label, reason[1], line.id)
        self._notes(label, sheet)

    def _notes(self, label: str, sheet: PageFile, size: tuple[int, int] | None = None) -> None:
        """Add what is odd about a file; `size` is that of its image, pixels, if it is known."""
        for code, ids in sheet.notes:
            self.add(code, label, messages.note(code, ids), lines=ids)
        if said := messages.read_by_kraken(sheet, size):
            self.add("kraken_reads_otherwise", label, f"given this file itself, {'. '.join(said)}")
        if ids := tuple(sheet.forms.get("neither", ())):
            self.add("text_in_no_normal_form", label, messages.note("text_in_no_normal_form", ids), lines=ids)

    def _usable(self, label: str, sheet: PageFile, seen: ImageFacts) -> Iterator[UsedLine]:
        ids: set[str] = set()
        for line in sheet.lines:
            reason = sheet.faults.get(line.number) or outside(sheet.box(line), seen.width, seen.height, sheet.task)
            if reason is None and line.id in ids:
                reason = "duplicate_line_id", "an earlier line has the same id: kraken 7 would read one of them twice"
            if reason is not None:
                self.add(reason[0], label, reason[1], line.id)
                continue
            ids.add(line.id)
            yield line

    def across(
        self, sources: Sequence[Source], pattern: str, exclude: Sequence[str], chosen: Sequence[tuple[Source, str]]
    ) -> None:
        """Add what is seen across files."""
        for source in sources:
            names = [name for one, name in chosen if one is source]
            self.place += 1
            self._left_over(source, exclude)
            self._nothing(source, pattern, names)
            images = [name for name in source.tree.images() if source.tree.path(name) in self._claims]
            for code, name, message, files in dataset_checks.unusual_names(source.tree, names + images):
                self.add(code, source.label(name), message, files=tuple(map(source.label, files)))
        self.place += 1
        noted = [*dataset_checks.equal_images(self.pages), *dataset_checks.mixed_forms(self.forms)]
        if self._choices.text_equiv == LOWEST:
            noted += dataset_checks.mixed_indices(self._indices)
        for code, name, message, files in noted:
            self.add(code, name, message, files=files)

    def _left_over(self, source: Source, exclude: Sequence[str]) -> None:
        """Warn of images that no page names."""
        if source.only is not None or not any(first is source for first, _ in self._claims.values()):
            return
        spoken_for = self._of_refused | self._claims.keys()
        left = [
            name
            for name in source.tree.images()
            if source.tree.path(name) not in spoken_for and not matches(name, exclude)
        ]
        pairs = _in_pairs(source.tree, left)
        if pairs:
            labels = tuple(map(source.label, pairs))
            self.add("line_pairs", labels[0], messages.pairs(len(pairs)), files=labels)
        derived = derived_images(source.tree, sorted(set(left) - set(pairs)), self._of(source))
        if derived:
            labels = tuple(map(source.label, derived))
            self.add("image_derived", labels[0], messages.derived(len(derived)), files=labels)
        for name in sorted(set(left) - set(pairs) - set(derived)):
            self.add("image_without_xml", source.label(name), "no page of the dataset has this image")

    def _of(self, source: Source) -> list[tuple[str, list[str]]]:
        """The files of a folder that have an image, and the pictures that each says were made of it."""
        return [(name, self._sheets[path].pictures) for path, (first, name) in self._claims.items() if first is source]

    def _nothing(self, source: Source, pattern: str, names: Sequence[str]) -> None:
        """Say why a folder gave no page, unless its errors say so already."""
        labels = {source.label(name) for name in names}
        if any(page.name in labels for page in self.pages):
            return
        if any(problem.severity == "error" and problem.file in labels for _, problem in self.problems):
            return
        pairs = _in_pairs(source.tree, source.tree.images()) if not names else []
        zips = [name for name in source.tree.files if name.lower().endswith(".zip")] if not names else []
        if pairs:
            message = messages.pairs(len(pairs))
        elif zips:
            message = f"it holds {counted(len(zips), 'zip')}: name {shown(zips[0])} itself, or unpack it"
        elif not names:
            message = f"no file matches dataset.pattern={pattern!r}"
        else:
            message = f"none of its {len(names)} XML files can be used: see the reasons above"
        self.add("no_pages", shown(source.tree.root), message)


def _in_pairs(tree: Tree, images: Sequence[str]) -> list[str]:
    """Those of some images that have a text of their own beside them."""
    found = find_pairs(tree, images)
    of_several = {image for group in found.images_of.values() for image in group}
    return [image for image in images if image in found.text_of or image in of_several]


def summary(problems: Sequence[Problem]) -> dict[str, int]:
    """How often each code occurs, by code."""
    return dict(sorted(Counter(problem.code for problem in problems).items()))
