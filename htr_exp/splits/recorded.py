"""The split of an earlier run: its pages are found again and keep their sides, new pages are placed around them."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from htr_exp.core.errors import ConfigError, DatasetError
from htr_exp.core.files import read_json
from htr_exp.core.problem import Problem
from htr_exp.core.text import counted, first_of
from htr_exp.core.text import joined as enumerated
from htr_exp.runs.run_dir import RunDir
from htr_exp.runs.selection import named
from htr_exp.splits.groups import Grouping, SplitPage, in_order, related
from htr_exp.splits.messages import SHOWN
from htr_exp.splits.shares import along
from htr_exp.splits.split import NAMES, Split, bound, frozen

UNUSED = "unused"

_NAMED = 20  # pages that a message names


@dataclass(frozen=True)
class RecordedPage:
    """A page of an earlier split."""

    name: str
    image_digest: str  # empty: not known
    side: str  # train, validation, test or unused
    group: str = ""  # what the split kept together with it; empty: the page alone


@dataclass(frozen=True)
class RecordedSplit:
    """An earlier split."""

    name: str  # as people know it: `run X`, or the file
    pages: tuple[RecordedPage, ...]
    by: str = "page"  # what it kept on one side; a file does not say it


def recorded(word: str, runs: Path) -> RecordedSplit:
    """Read the split that a user means.

    Args:
        word: a run (name, unique prefix, `last`, folder), or a file as a run's split.json.
        runs: the folder of the workspace's runs.

    Raises:
        ConfigError: there is none, or it cannot be read.
    """
    path = Path(word).expanduser()
    if path.is_file():
        return _read(path, path.name, f"split.run={word}")
    try:
        run = named(runs, str(path) if path.is_dir() else word)
    except ConfigError as error:
        raise ConfigError(f"split.run={error}; it may also be a file as a run's split.json") from None
    if run.was_changed(run.split):
        problem = f"split.run={word}: {run.split} is not as the run wrote it"
        raise ConfigError(f"{problem}: if the change is meant, name this file itself: split.run={run.split}")
    return of_run(run)


def of_run(run: RunDir) -> RecordedSplit:
    """Read the split of a run.

    Raises:
        ConfigError: it cannot be read.
    """
    found = _read(run.split, f"run {run.name}", f"split.run={run.name}")
    try:
        return replace(found, by=run.facts()["split"].get("by") or found.by)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise ConfigError(f"split.run={run.name}: {run.provenance} cannot be read") from None


def _read(path: Path, name: str, what: str) -> RecordedSplit:
    try:
        lists = read_json(path)
        pages = [
            RecordedPage(str(page["page"]), str(page.get("image_digest") or ""), side, str(page.get("group") or ""))
            for side in (*NAMES, UNUSED)
            for page in lists.get(side) or ()
        ]
    except OSError as error:
        raise ConfigError(f"{what}: {path} cannot be read: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ConfigError(f"{what}: {path} is not a split as a run's split.json") from None
    if not pages:
        raise ConfigError(f"{what}: {path} names no page")
    return RecordedSplit(name, tuple(pages))


def found_again(record: RecordedSplit, pages: Sequence[SplitPage]) -> tuple[dict[str, str], list[RecordedPage]]:
    """Find recorded pages among those of today: by image and name, then by image, then by name.

    Returns:
        Page name of today -> its recorded side; and the recorded pages that are gone.
    """
    side_of: dict[str, str] = {}
    missing = list(record.pages)
    for then, now in _KEYS:
        waiting: dict[object, list[str]] = {}
        for page in sorted(pages, key=lambda page: page.name, reverse=True):
            if page.name not in side_of:
                waiting.setdefault(now(page), []).append(page.name)
        still = []
        for old in missing:
            names = waiting.get(then(old))
            if names:
                side_of[names.pop()] = old.side
            else:
                still.append(old)
        missing = still
    return side_of, missing


def _nfc(name: str) -> str:
    return unicodedata.normalize("NFC", name)


_KEYS: tuple[tuple[Callable[[RecordedPage], object], Callable[[SplitPage], object]], ...] = (
    (lambda old: (old.image_digest, _nfc(old.name)), lambda page: (page.image_digest, _nfc(page.name))),
    (lambda old: old.image_digest, lambda page: page.image_digest),
    (lambda old: _nfc(old.name), lambda page: _nfc(page.name)),
)
"""By what a recorded page and one of today are the same, the surest first."""


def pin(
    pages: Sequence[SplitPage],
    record: RecordedSplit,
    *,
    seed: int,
    validation: float,
    test: float,
    by: Grouping,
    together: Iterable[Collection[str]] = (),
    without_gone: bool = False,
) -> Split:
    """Put pages on the sides that they had, and new pages around them.

    A new page that belongs to pinned pages (one image, nearly the same page, one group of `by`) goes to their side. The
    other new ones are ranked as in `draw` and given to the sides that lack pages.

    Args:
        pages: all pages of today.
        record: the earlier split. Its unused pages stay unused.
        seed: decides the ranking of new pages.
        validation: share of all pages that new pages help to reach.
        test: likewise.
        by: what new pages stay together with.
        together: sets of page names that stay together for other reasons than their image.
        without_gone: go on without the pages that are gone.

    Raises:
        DatasetError: pages of the earlier split are gone, or a side has no pages.
    """
    side_of, missing = found_again(record, pages)
    gone = [page for page in missing if page.side in NAMES]
    if gone and not without_gone:
        raise DatasetError(f"{record.name}: pages of its split are not in the ground truth, or have no line that is used:", _gone(gone))  # fmt: skip
    why = {name: f"{side}: as in {record.name}" for name, side in side_of.items()}
    free, fresh = [], [page for page in pages if page.name not in side_of]
    notes = []
    for group in bound(pages, by, related(pages, together)):
        new = [page for page in group if page.name not in side_of]
        sides = sorted({side_of[page.name] for page in group if side_of.get(page.name) in NAMES}, key=NAMES.index)
        if not sides and new:
            free.append(new)
        for page in new if sides else ():
            side_of[page.name] = sides[0] if len(sides) == 1 else UNUSED
            beside = f"it belongs to pages of {enumerated(sides)}"
            why[page.name] = f"{side_of[page.name]}: not in {record.name}; {beside}"
    free = in_order(free, seed)
    shares = {"test": test, "validation": validation, "train": 1 - test - validation}
    lacking = {
        side: max(0.0, share * len(pages) - list(side_of.values()).count(side)) for side, share in shares.items()
    }
    wanted = [lack / (sum(lacking.values()) or 1.0) for lack in lacking.values()]
    for group, number in zip(free, along([len(group) for group in free], wanted, every=False)):
        for page in group:
            side_of[page.name] = list(shares)[number]
            why[page.name] = f"{side_of[page.name]}: not in {record.name}; drawn with split.seed={seed}"
    for side in NAMES[:2]:
        if side not in side_of.values():
            raise DatasetError(
                f"{record.name}: no page is in {side}, and no new one could be put there: choose another split.run"
            )
    if fresh:
        counts = [f"{number} in {side}" for side in (*NAMES, UNUSED) if (number := sum(side_of[page.name] == side for page in fresh))]  # fmt: skip
        notes.append(f"{counted(len(fresh), 'page')} not in {record.name}: {', '.join(counts)} ({first_of(sorted(page.name for page in fresh), SHOWN)})")  # fmt: skip
    if gone:
        notes.append(f"split.gone=leave_out: {counted(len(gone), 'page')} of {record.name} not in the ground truth: {first_of([f'{page.name} ({page.side})' for page in gone], SHOWN)}")  # fmt: skip
    placed: Mapping[str, list[SplitPage]] = {
        side: [page for page in pages if side_of[page.name] == side] for side in NAMES
    }
    return frozen(pages, placed, why, notes=notes)


def on_test_pages(pages: Sequence[SplitPage], record: RecordedSplit, *, without_gone: bool = False) -> Split:
    """The test pages of an earlier split, on which something else is to be scored; all others are unused.

    Args:
        pages: all pages of today.
        record: the earlier split.
        without_gone: go on without the test pages that are gone.

    Raises:
        DatasetError: it has no test pages, or some are gone.
    """
    wanted = [page for page in record.pages if page.side == "test"]
    if not wanted:
        raise DatasetError(
            f"{record.name}: it has no test pages: leave split out, to score on all pages of the dataset"
        )
    side_of, missing = found_again(record, pages)
    gone = [page for page in missing if page.side == "test"]
    placed = {side: [page for page in pages if side == "test" == side_of.get(page.name)] for side in NAMES}
    if (gone and not without_gone) or not placed["test"]:
        what = f"{record.name}: test pages of it are not in the ground truth, or have no line that is used:"
        raise DatasetError(what, _gone(gone))
    why = {page.name: f"unused: no test page of {record.name}" for page in pages}
    why |= {page.name: f"test: as in {record.name}" for page in placed["test"]}
    notes = [
        f"split.gone=leave_out: {counted(len(gone), 'test page')} of {record.name} not in the ground truth"
    ] * bool(gone)
    groups = {(page.name, page.image_digest): page.group for page in wanted if page.group}
    by_name = {_nfc(name): group for (name, _), group in groups.items()}
    by_image = {image: group for (_, image), group in groups.items() if image}
    group = {
        page.name: found
        for page in placed["test"]
        if (found := by_name.get(_nfc(page.name)) or by_image.get(page.image_digest))
    }
    return replace(frozen(pages, placed, why, notes=notes), by=record.by if group else None, group=group)


def _gone(gone: Sequence[RecordedPage]) -> list[Problem]:
    names = first_of([f"{page.name} ({page.side})" for page in gone], _NAMED)
    remedy = "put them back, or go on without them: split.gone=leave_out"
    return [Problem(names, remedy, "split.run")]


def moves(record: RecordedSplit, split: Split, pages: Sequence[SplitPage]) -> list[tuple[str, str, str]]:
    """Pages that are on another side than in an earlier split: name, side then, side now."""
    now = {name: side for side in NAMES for name in split.pages[side]}
    then, _ = found_again(record, pages)
    return [(name, side, now.get(name, UNUSED)) for name, side in sorted(then.items()) if now.get(name, UNUSED) != side]


def moved(found: Sequence[tuple[str, str, str]], shown: int = SHOWN) -> str:
    """Pages that have moved, in words."""
    return first_of([f"{name} from {then} to {now}" for name, then, now in found], shown)
