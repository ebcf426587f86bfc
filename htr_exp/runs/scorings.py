"""Every scoring of test pages, kept beside the run folders: it stays counted when its run is deleted.

Whoever tries many settings and reports the best test score, or leaves out pages that were read badly, reports a figure that is
too good. Neither can be refused. So both are counted. The file only grows, and has a seal; runs that it lacks are counted by
their folders, and never fewer than the sealed results of a run tell of.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from htr_exp.core.files import read_jsonl
from htr_exp.core.lock import locked
from htr_exp.core.text import counted, first_of
from htr_exp.runs import sealed_records
from htr_exp.runs.record_check import fits
from htr_exp.runs.records import Opening, PageRecord, TestScored

_BESIDE = 64
"""Of these pages, those with the smallest digests: parts and copies of one ground truth have nearly the same ones."""

CHANGED_BY_HAND = "or more often: scorings.jsonl was changed by hand"

DIGITS = 16
"""Hexadecimal digits of an image's digest that are kept."""


class _Scoring(TypedDict):
    run: str  # its folder's name
    uuid: str  # of the run
    task: str
    test_digest: str  # of the test pages, by what is used of them
    weights: str  # digest of the weights that were scored


class Scoring(_Scoring, total=False):
    """A line of scorings.jsonl: a model was scored on the test pages of its run."""

    time: str
    dataset: str
    opening: Opening  # the test was sealed, and opened for this run
    # only in the first line of a test digest:
    pages: dict[str, str]  # image -> name of the page
    beside: list[str]  # images of other pages of that run: by them, its ground truth is known again


def ledger_of(runs: Path) -> Path:
    """The file, in the folder of a workspace's runs."""
    return runs / "scorings.jsonl"


def images_of(pages: Iterable[PageRecord]) -> dict[str, str]:
    """By what pages are known here: the digest of the image, which a correction of the text does not change, and the name."""
    return {page["image_digest"][:DIGITS]: page["page"] for page in pages}


@dataclass(frozen=True)
class LeftOut:
    """A page that an earlier run was scored on, and that a run leaves out."""

    page: str
    run: str


class Scorings:
    """The scorings of a workspace.

    One run and model count once, however often that score was computed: it is the same figure. A run that was stopped, scored,
    trained on and scored again counts twice.
    """

    def __init__(self, lines: Iterable[Scoring], *, incomplete: bool = False) -> None:
        self._incomplete = incomplete
        self._told: dict[tuple[str, str], Counter[str]] = {}  # what results of runs say
        self._known: set[tuple[str, str, str]] = set()
        self._of: dict[tuple[str, str], list[str]] = {}  # task and test digest -> run of each scoring
        self._openings: dict[tuple[str, str], dict[str, tuple[str, Opening]]] = {}
        self._pages: dict[tuple[str, str], dict[str, str]] = {}
        self._beside: dict[tuple[str, str], list[str]] = {}
        self._first: dict[tuple[str, str], str] = {}  # the name of the run that was scored first
        self._overlaps: dict[tuple[str, str], int] | None = None
        for line in lines:
            self.add(line)

    @classmethod
    def of_runs(cls, runs: Path) -> Scorings:
        """The scorings that the file in a folder of runs names; of a file that cannot be read none."""
        ledger = ledger_of(runs)
        try:
            lines = read_jsonl(ledger, *_Scoring.__required_keys__)
        except OSError:
            lines = []
        return cls(lines, incomplete=sealed_records.changed(ledger))

    def add(self, line: Scoring) -> bool:
        """Count a scoring unless it is counted already; whether it is new."""
        key, test = (line["uuid"], line["weights"], line["test_digest"]), (line["task"], line["test_digest"])
        if pages := line.get("pages"):
            self._pages.setdefault(test, pages)
            self._beside.setdefault(test, line.get("beside") or [])
        if (opening := line.get("opening")) and fits(opening, Opening) and opening.keys() >= Opening.__required_keys__:
            self._openings.setdefault(test, {}).setdefault(line["uuid"], (line["run"], opening))
        if key in self._known:
            return False
        self._known.add(key)
        self._of.setdefault(test, []).append(line["uuid"])
        self._first.setdefault(test, line["run"])
        self._overlaps = None
        return True

    def has_pages(self, task: str, test_digest: str) -> bool:
        """Whether it is known which pages these are."""
        return (task, test_digest) in self._pages

    def of(self, task: str, test_digest: str | None) -> TestScored:
        """How often test pages were scored, with the same lines and in other sets of pages."""
        if test_digest is None:
            return TestScored(times=0, runs=0, in_part=0, incomplete=False)
        if self._overlaps is None:
            self._overlaps = self._overlapping()
        test = (task, test_digest)
        runs, told = self._of.get(test, []), self._told.get(test, Counter())
        counts: TestScored = {
            "times": max(len(runs), told["times"]),
            "runs": max(len(set(runs)), told["runs"]),
            "in_part": max(self._overlaps.get(test, 0), told["in_part"]),
            "incomplete": self._incomplete,
        }
        if opened := max(len(self._openings.get(test, ())), told["opened"]):
            counts["opened"] = opened
        return counts

    def openings(self, task: str, test_digest: str) -> list[tuple[str, Opening]]:
        """The runs for which these test pages were opened, and how each was chosen."""
        return list(self._openings.get((task, test_digest), {}).values())

    def tell(self, task: str, test_digest: str, then: Mapping[str, object]) -> None:
        """Take note of how often test pages were scored when a run ended, as its results say: since then it was not less often."""
        counts = Counter({key: count for key, count in then.items() if isinstance(count, int)})
        self._told[task, test_digest] = self._told.get((task, test_digest), Counter()) | counts  # the most of each

    def _overlapping(self) -> dict[tuple[str, str], int]:
        """Of each test how many scorings there are of others that have a page in common with it."""
        place: dict[str, int] = {}
        masks: dict[tuple[str, str], int] = {}
        for test, pages in self._pages.items():
            masks[test] = sum(1 << place.setdefault(image, len(place)) for image in pages)
        found: dict[tuple[str, str], int] = {}
        tests = list(masks)
        for number, one in enumerate(tests):
            for other in tests[number + 1 :]:
                if masks[one] & masks[other] and one[0] == other[0]:
                    found[one] = found.get(one, 0) + len(self._of.get(other, ()))
                    found[other] = found.get(other, 0) + len(self._of.get(one, ()))
        return found

    def left_out(self, task: str, pages: Mapping[str, str], used: Collection[str]) -> list[LeftOut]:
        """The pages that earlier runs on the same ground truth were scored on, and that a run leaves out.

        Ground truth is the same where they have a page in common, whatever folders and datasets are called.

        Args:
            task: of the run.
            pages: of its ground truth, by image.
            used: the images of those that are not left out.
        """
        names = {pages[image] for image in used}
        found: dict[str, LeftOut] = {}
        for test, tested in self._pages.items():
            if test[0] != task or pages.keys().isdisjoint({*tested, *self._beside[test]}):
                continue
            for image, name in tested.items():
                if image not in used and name not in names:
                    found.setdefault(image, LeftOut(name, self._first.get(test, "")))
        return sorted(found.values(), key=lambda one: (one.page, one.run))


def record(runs: Path, scoring: Scoring, pages: Sequence[PageRecord], beside: Sequence[PageRecord]) -> TestScored:
    """Add a scoring to the file, unless it is there, and count.

    Args:
        runs: the folder of the run folders.
        scoring: without its pages.
        pages: of the test.
        beside: the other pages of the run.

    Returns:
        How often these test pages were scored by now, this time included.

    Raises:
        OSError: the file cannot be written.
    """
    with locked(runs / ".scorings.lock", wait=lambda owner: True):  # on a network file system appending is not enough
        known = Scorings.of_runs(runs)
        if not known.has_pages(scoring["task"], scoring["test_digest"]):
            scoring = {**scoring, "pages": images_of(pages), "beside": sorted(images_of(beside))[:_BESIDE]}
        if known.add(scoring):
            sealed_records.append(ledger_of(runs), scoring)
        return known.of(scoring["task"], scoring["test_digest"])


def named(before: Sequence[Mapping[str, str]]) -> list[str]:
    """The pages of `records.LeftOutRecord.scored_before`, each with the run that was scored on it."""
    return [f"{one['page']} ({one['run']})" for one in before]


def left_out_in_words(pages: Sequence[str]) -> str:
    """Which pages a run leaves out although an earlier one was scored on them; `pages` as `named` gives them."""
    return f"leaves out {counted(len(pages), 'page')} that an earlier run was scored on: {first_of(pages, 3)}"


def said(scored: TestScored) -> str:
    """How often test pages were scored, in words; "" where they never were."""
    if not scored["times"]:
        return ""
    by = "" if scored["times"] == 1 else f" by {counted(scored['runs'], 'run')}"
    words = ["scored once" if scored["times"] == 1 else f"scored {scored['times']} times{by}"]
    if opened := scored.get("opened"):
        words.append("opened once" if opened == 1 else f"opened {opened} times")
    if scored["in_part"]:
        often = "once" if scored["in_part"] == 1 else f"{scored['in_part']} times"
        words.append(f"some of them {often} more with other pages or lines")
    if scored["incomplete"]:
        words.append(CHANGED_BY_HAND)
    return ", ".join(words)
