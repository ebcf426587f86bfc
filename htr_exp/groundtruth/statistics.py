"""How much ground truth there is, in all and in each group, and how large its lines are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from htr_exp.groundtruth.model import Dataset, GroundTruthPage

SHARES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
"""The quantiles that are given: from the smallest line to the largest, the median in between."""


@dataclass(frozen=True)
class Volume:
    """How much there is of something.

    Attributes:
        pages: with lines that are used.
        lines: used.
        words: between blanks.
        characters: code points of the lines' texts as in the files, blanks among them.
        alphabet: different code points.
    """

    pages: int
    lines: int
    words: int
    characters: int
    alphabet: int

    def to_json(self) -> dict[str, int]:
        """As programs read it: keys and values of JSON."""
        return dict(vars(self))


@dataclass(frozen=True)
class Statistics:
    """What a dataset amounts to.

    Attributes:
        total: of all pages.
        groups: of each group of pages, by name.
        alphabet: code point -> how often it is there.
        line_width: length of the baselines, pixels: quantile -> value.
        line_height: mean height of the polygons, pixels: quantile -> value; lines without one are not counted.
        types: type of line -> how many; `(none)` where there is none.
    """

    total: Volume
    groups: Mapping[str, Volume]
    alphabet: Counter[str]
    line_width: Mapping[float, float]
    line_height: Mapping[float, float]
    types: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        """As `check --json` prints them; quantiles in pixels, rounded to tenths."""
        return {
            **self.total.to_json(),
            "groups": {name: volume.to_json() for name, volume in self.groups.items()},
            "alphabet_counts": {
                f"U+{ord(one):04X}": {"text": one, "count": count} for one, count in self.alphabet.most_common()
            },
            "line_width_px": {_percent(share): round(value, 1) for share, value in self.line_width.items()},
            "line_height_px": {_percent(share): round(value, 1) for share, value in self.line_height.items()},
            "line_types": dict(self.types),
        }


def _percent(share: float) -> str:
    return f"{share:.0%}"


def count_dataset(dataset: Dataset, groups: Mapping[str, str] | None = None) -> Statistics:
    """Count a dataset.

    Args:
        dataset: as examined.
        groups: page name -> its group; default: the page's folder, `.` for pages in the dataset's own.
    """
    of_page = {page.name: groups.get(page.name, "") if groups is not None else folder(page) for page in dataset.pages}
    by_group: dict[str, list[GroundTruthPage]] = {}
    for page in dataset.pages:
        by_group.setdefault(of_page[page.name], []).append(page)
    alphabet: Counter[str] = Counter()
    volumes: dict[str, Volume] = {}
    for name in sorted(by_group):
        volumes[name], characters = _volume(by_group[name])
        alphabet.update(characters)
    total = Volume(
        **{
            key: sum(getattr(one, key) for one in volumes.values()) for key in ("pages", "lines", "words", "characters")
        },
        alphabet=len(alphabet),
    )
    return Statistics(
        total=total,
        groups=volumes,
        alphabet=alphabet,
        line_width=_quantiles(line.width for line in dataset.used()),
        line_height=_quantiles(line.height for line in dataset.used() if line.height > 0),
        types=dict(Counter(line.type or "(none)" for line in dataset.used()).most_common()),
    )


def folder(page: GroundTruthPage) -> str:
    """A page's folder within its dataset."""
    return str(PurePosixPath(page.name).parent)


def _volume(pages: Sequence[GroundTruthPage]) -> tuple[Volume, Counter[str]]:
    characters: Counter[str] = Counter()
    words = 0
    for page in pages:
        text = "".join(line.text for line in page.lines)
        characters.update(text)
        words += sum(len(line.text.split()) for line in page.lines)
    lines = sum(len(page.lines) for page in pages)
    return Volume(len(pages), lines, words, characters.total(), len(characters)), characters


def _quantiles(values: Iterable[float]) -> dict[float, float]:
    """The quantiles of `values`, by the nearest rank; empty for no values."""
    ordered = sorted(values)
    return {share: ordered[round(share * (len(ordered) - 1))] for share in SHARES} if ordered else {}
