"""Which types of lines and regions a segmenter learns, what they are called, and what that means for a base model."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from htr_exp.config.schema import Classes
from htr_exp.core.problem import Problem
from htr_exp.core.text import first_of
from htr_exp.groundtruth.model import GroundTruthPage
from htr_exp.groundtruth.xml_for_kraken import type_name
from htr_exp.kraken.class_names import KINDS, known_classes
from htr_exp.kraken.model_file import ModelHeader
from htr_exp.kraken.releases import release

UNTYPED = {"lines": "default", "regions": "text"}
"""What kraken calls a line or a region without a type."""


FIRST = 2
"""The first number of a class: 0 and 1 are the ends of lines (kraken/train/blla.py, kraken/lib/dataset/segmentation.py)."""

RESERVED = ("_start_separator", "_end_separator")

SEGMONTO = {
    "lines": ("CustomLine", "DefaultLine", "DropCapitalLine", "HeadingLine", "InterlinearLine", "MusicLine", "TironianSignLine"),
    "regions": ("CustomZone", "DamageZone", "DigitizationArtefactZone", "DropCapitalZone", "GraphicZone", "MainZone", "MarginTextZone",
                "MusicZone", "NumberingZone", "QuireMarksZone", "RunningTitleZone", "SealZone", "StampZone", "TableZone", "TitlePageZone"),
}  # fmt: skip
"""The controlled vocabulary of SegmOnto (Gabay, Pinche, Christensen, Camps: segmonto.github.io), and the sign for `et` that
the CATMuS sets add to it."""


@dataclass(frozen=True)
class ClassNames:
    """What the types of a dataset are called in training, as `classes` says."""

    classes: Classes

    def line(self, kind: str | None) -> str | None:
        """The class of a line, or None if it is left out."""
        return self._of("lines", kind)

    def region(self, kind: str | None) -> str | None:
        """The class of a region, or None if it is left out."""
        return self._of("regions", kind)

    def _of(self, sort: str, kind: str | None) -> str | None:
        kind = type_name((kind or "").strip()) or UNTYPED[sort]
        if not self.classes.subtypes:
            kind = re.split(r"[:#]", kind, maxsplit=1)[0] or kind
        given: Mapping[str, Any] = getattr(self.classes, sort)
        if kind in given:
            named = given[kind]
        else:
            named = next((given[pattern] for pattern in given if fnmatchcase(kind, pattern)), kind)
        return None if named is None else str(named)


def setting_problems(classes: Classes) -> Iterator[Problem]:
    """Which names kraken could not take, with the reason."""
    for sort in KINDS:
        for kind, named in getattr(classes, sort).items():
            key = f"classes.{sort}.{kind}"
            if isinstance(named, (dict, list)):
                yield Problem(f"{key}={named}: it names a class, or is null to leave such {sort} out", where=key)
            elif named is not None and (why := _unusable(str(named))):
                yield Problem(f"{key}={named}: {why}", "choose another name", key)


def _unusable(name: str) -> str | None:
    """Why kraken cannot take a class's name; None if it can."""
    if name in RESERVED:
        return "kraken calls the ends of lines so"
    if not name.strip() or name != name.strip() or type_name(name) != name:
        return "kraken loses blanks at the ends, and braces and semicolons"
    if "*" in name:
        return "kraken takes * for all other classes"
    return None


@dataclass(frozen=True)
class ClassAudit:
    """The classes of one training.

    Attributes:
        counts: sort -> class -> side of the split -> how many there are.
        left_out: sort -> type -> how many of it are left out.
        untyped: sort -> how many have no type.
        base: sort -> class -> number in the base model; None from scratch.
        resize: training.resize.
        vocabulary: classes.vocabulary.
    """

    counts: Mapping[str, Mapping[str, Counter[str]]]
    left_out: Mapping[str, Counter[str]]
    untyped: Mapping[str, int]
    base: Mapping[str, Mapping[str, int]] | None
    resize: str
    vocabulary: str | None

    def trained(self, sort: str) -> list[str]:
        """The classes of the training pages, in the order of their names."""
        return sorted(name for name, sides in self.counts[sort].items() if sides["train"])

    @property
    def numbers(self) -> dict[str, dict[str, int]]:
        """The number of each class among the outputs of the network.

        Outputs that the base model has stay where they are, less those that are deleted; new ones follow: lines, then
        regions. With `union` classes of the base model that the pages lack keep theirs, and are learnt to be nowhere.
        """
        known = {(sort, name): number for sort in KINDS for name, number in (self.base or {}).get(sort, {}).items()}
        learnt = {(sort, name) for sort in KINDS for name in self.trained(sort)}
        kept = sorted((one for one in known if self.resize != "new" or one in learnt), key=lambda one: known[one])
        new = [(sort, name) for sort in KINDS for name in self.trained(sort) if (sort, name) not in known]
        if self.resize == "new" or self.base is None:
            numbered = {one: FIRST + place for place, one in enumerate(kept)}
        else:
            numbered = {one: known[one] for one in kept}
        following = max(numbered.values(), default=FIRST - 1) + 1
        numbered |= {one: following + place for place, one in enumerate(new)}
        return {
            sort: {
                name: number for (of, name), number in sorted(numbered.items(), key=lambda one: one[1]) if of == sort
            }
            for sort in KINDS
        }

    @property
    def new(self) -> dict[str, list[str]]:
        """The classes that the base model lacks."""
        return {
            sort: [name for name in self.trained(sort) if name not in (self.base or {}).get(sort, {})] for sort in KINDS
        }

    @property
    def absent(self) -> dict[str, list[str]]:
        """The classes of the base model that no training page has."""
        known = self.base or {}
        return {sort: [name for name in known.get(sort, {}) if name not in self.trained(sort)] for sort in KINDS}

    def problems(self, versions: Sequence[str], model: str | None) -> Iterator[Problem]:
        """Why a training must not start."""
        if not any(self.trained(sort) for sort in KINDS):
            what = (
                "classes: nothing is left to learn: the training pages have no line and no region that is not left out"
            )
            yield Problem(what, where="classes")
        for sort in KINDS:
            for name in self.counts[sort]:
                if why := _unusable(name):
                    remedy = f"choose another name, e.g. classes.{sort}.{name}=NAME"
                    yield Problem(f"{sort} of type {name}: {why}", remedy, f"classes.{sort}")
        if self.vocabulary == "segmonto":
            yield from self._beyond_segmonto()
        if self.base is not None and self.resize == "fail":
            yield from self._different(str(model))
        if self.base is not None and self.resize == "union":
            yield from self._union(versions, str(model))
        if self.base is not None and self.resize == "new" and any(release(one) == "7.1" for one in versions):
            yield from self._renumbered(str(model))

    def _beyond_segmonto(self) -> Iterator[Problem]:
        for sort in KINDS:
            for name in self.counts[sort]:
                if re.split(r"[:#]", name, maxsplit=1)[0] not in SEGMONTO[sort]:
                    yield Problem(
                        f"{sort} of type {name}: SegmOnto has none called so ({', '.join(SEGMONTO[sort])})",
                        f"correct the type, give it another class (classes.{sort}.{name}=NAME), "
                        f"or leave it out (classes.{sort}.{name}=null)",
                        f"classes.{sort}",
                    )

    def _different(self, model: str) -> Iterator[Problem]:
        said = [f"{_listed(names)} ({sort}) of the pages" for sort, names in self.new.items() if names]
        said += [f"{_listed(names)} ({sort}) of the model" for sort, names in self.absent.items() if names]
        if said:
            yield Problem(
                f"training.resize=fail: {model} and the pages have different classes: {'; '.join(said)}",
                "name them alike with classes.lines.TYPE=CLASS and classes.regions.TYPE=CLASS, "
                "or choose training.resize=new or union",
                "training.resize",
            )

    def _union(self, versions: Sequence[str], model: str) -> Iterator[Problem]:
        old = next((version for version in versions if release(version) == "4.3"), None)
        absent = [name for names in self.absent.values() for name in names]
        if old is not None and absent:
            yield Problem(
                f"training.resize=union: kraken {old} fails where the base model has classes that the pages have not "
                f"({_listed(absent)} of {model})",
                "choose training.resize=new, which deletes them, or kraken 7.1",
                "training.resize",
            )

    def _renumbered(self, model: str) -> Iterator[Problem]:
        """That kraken 7.1 would measure its mean IoU on other outputs than it trains.

        It takes the outputs that stay for lines first and regions after, whatever their order was.
        """
        known = [
            (number, sort)
            for sort in KINDS
            for name, number in (self.base or {})[sort].items()
            if name in self.trained(sort)
        ]
        sorts = [sort for _, sort in sorted(known)]
        if sorts != sorted(sorts, key=KINDS.index):
            yield Problem(
                f"training.resize=new: in {model} classes of lines stand behind classes of regions, and kraken 7.1 would "
                "confuse them when it deletes others",
                "choose training.resize=union, or a base model that was not made with union",
                "training.resize",
            )

    def warnings(self, model: str | None) -> Iterator[str]:
        """Yield what to know before a training starts."""
        if self.base is not None:
            yield from self._resized(str(model))
        for sort in KINDS:
            for side, what in (("validation", "steers the training by"), ("test", "is scored on")):
                missing = [name for name, sides in self.counts[sort].items() if sides[side] and not sides["train"]]
                if missing:
                    yield (
                        f"{_listed(missing)} ({sort}) only on pages that it {what}: nothing is learnt of it; another "
                        f"split.seed, classes.{sort}.TYPE=CLASS to merge it, or null to leave it out"
                    )
            if self.untyped[sort]:
                yield f"{self.untyped[sort]} {sort} have no type: they are of class {UNTYPED[sort]}, unless classes.{sort} says another"
            if left := self.left_out[sort]:
                yield f"left out, as classes.{sort} says: {', '.join(f'{kind} ({number})' for kind, number in sorted(left.items()))}"
        if not self.trained("lines"):
            yield "the training pages have no lines: only regions are learnt, and lines are not found"
        if not self.trained("regions"):
            yield "the training pages have no regions: only lines are learnt"

    def _resized(self, model: str) -> Iterator[str]:
        new = [f"{_listed(names)} ({sort})" for sort, names in self.new.items() if names]
        absent = [f"{_listed(names)} ({sort})" for sort, names in self.absent.items() if names]
        if new:
            yield f"{model} does not know {', '.join(new)}: learned from zero (classes.lines.TYPE=CLASS, classes=blla give it a class of the model)"
        if absent and self.resize == "new":
            yield f"training.resize=new deletes what {model} has learnt of {', '.join(absent)}: no training page has it"
        if absent and self.resize == "union":
            yield f"training.resize=union keeps {', '.join(absent)} of {model}, which no training page has: it unlearns to find it"

    def facts(self) -> dict[str, Any]:
        """The part of the record about the classes, as JSON."""
        return {
            "classes": {
                "counts": {sort: {name: dict(sides) for name, sides in sorted(of.items())} for sort, of in self.counts.items()},
                "left_out": {sort: dict(sorted(of.items())) for sort, of in self.left_out.items()},
                "untyped": dict(self.untyped),
                "numbers": self.numbers,
                "new": self.new,
                "absent": self.absent,
            }
        }  # fmt: skip


def audit(
    sides: Mapping[str, Sequence[GroundTruthPage]], classes: Classes, base: ModelHeader | None, resize: str
) -> ClassAudit:
    """Count the classes of a dataset.

    Args:
        sides: the pages of train, validation and test.
        classes: what types are called.
        base: what the base model's file says of itself; None from scratch.
        resize: training.resize.
    """
    naming = ClassNames(classes)
    counts: dict[str, dict[str, Counter[str]]] = {sort: {} for sort in KINDS}
    left_out: dict[str, Counter[str]] = {sort: Counter() for sort in KINDS}
    untyped = dict.fromkeys(KINDS, 0)
    for side, pages in sides.items():
        for page in pages:
            types = [("lines", line.type, naming.line(line.type)) for line in page.lines]
            types += [("regions", kind, naming.region(kind)) for kind in page.regions]
            for sort, kind, named in types:
                untyped[sort] += not kind
                if named is None:
                    left_out[sort][kind or UNTYPED[sort]] += 1
                else:
                    counts[sort].setdefault(named, Counter())[side] += 1
    return ClassAudit(counts, left_out, untyped, known_classes(base) if base else None, resize, classes.vocabulary)


def _listed(names: Sequence[str]) -> str:
    return first_of(names, 8)
