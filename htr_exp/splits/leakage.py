"""Finds what a score must not rest on: pages that are on two sides of a split, or that the base model was trained on.

Every run is guarded, whoever made its split. What is found stops the run unless its kind is accepted by name, which the
record of the run and every table then show.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import combinations
from typing import Any

from htr_exp.config.defaults import shipped
from htr_exp.config.schema import Leakage
from htr_exp.core.problem import Problem
from htr_exp.core.text import and_more, counted
from htr_exp.runs import judgements
from htr_exp.runs.judgements import MODELS
from htr_exp.splits import fingerprints, model_leaks
from htr_exp.splits.fingerprints import Fingerprint, Lineage
from htr_exp.splits.similar_pages import GuardedPage, Pair, Similar
from htr_exp.splits.split import NAMES

KINDS = {
    "same_page": "one page, image and lines, is on two sides",
    "same_image": "images with the same bytes are on two sides",
    "near_image": "nearly identical images are on two sides",
    "near_text": "nearly identical texts are on two sides",
    "base_model": "the base model was trained on pages that it is to be scored on",
    "segmentation_model": "the segmentation model was trained on pages in which it is to find the lines",
    "system": "the system whose predictions are scored was trained on these pages",
}
"""What can be accepted by `leakage.accept`, and what each means."""

_SHOWN = 20  # leaks of a kind in a message
_RECORDED = 1000  # leaks of a kind in the record


@dataclass(frozen=True)
class Leak:
    """A page that is, or nearly is, where it must not be too."""

    kind: str
    page: str
    side: str
    other: str  # a page, or how the base model's run or list calls it
    other_side: str  # a side, or where the base model's data is named
    measure: str

    def to_json(self) -> dict[str, str]:
        """The form in which the record holds it."""
        return {
            "page": self.page,
            "side": self.side,
            "other": self.other,
            "other_side": self.other_side,
            "measure": self.measure,
        }

    def __str__(self) -> str:
        return f"{self.page} ({self.side}) and {self.other} ({self.other_side}): {self.measure}"


@dataclass(frozen=True)
class LeakageReport:
    """What the guard found of one split."""

    leaks: tuple[Leak, ...] = ()
    accept: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    models: Mapping[str, Lineage] = field(default_factory=dict)  # base_model, segmentation_model: as far as there are
    weaker: Mapping[str, float] = field(default_factory=dict)  # thresholds by which less is found than by the shipped
    learnt: tuple[Fingerprint, ...] = field(
        default=(), repr=False
    )  # what this run's model will have seen of the dataset

    def problems(self) -> Iterator[Problem]:
        """What stops the run: a problem for each leak, and for each kind what to do."""
        for kind, found in self._by_kind(accepted=False).items():
            for leak in found[:_SHOWN]:
                yield Problem(f"leakage: {kind}: {leak}", where="leakage")
            if len(found) > _SHOWN:
                yield Problem(f"leakage: {kind}: {and_more(len(found) - _SHOWN)}", where="leakage")
            accept = f"leakage.accept=[{','.join([*self.accept, kind])}]"
            remedy = f"{_REMEDIES[kind]}, or accept it by name, which every table then shows: {accept}"
            yield Problem(f"leakage: {kind} stops the run", remedy, "leakage")

    @property
    def accepted(self) -> dict[str, list[Leak]]:
        """What was found and accepted, by kind."""
        return self._by_kind(accepted=True)

    def record(self) -> dict[str, Any]:
        """What provenance.json says: what was accepted, with its pages, and what is known of the base model."""
        return {
            "accepted": {
                kind: {"count": len(found), "pairs": [leak.to_json() for leak in found[:_RECORDED]]}
                for kind, found in self.accepted.items()
            },
            "weaker": dict(self.weaker),
            **{
                kind: self.models[kind].to_json() if kind in self.models else None
                for kind in MODELS
                if self._tells(kind)
            },
        }

    def _tells(self, kind: str) -> bool:
        """Whether the record speaks of such a model, even where there is none: not of systems, which most runs do not score."""
        return kind != "system" or kind in self.models

    def fingerprints(self) -> dict[str, Any]:
        """fingerprints.json, by which runs that start from this one's model know what it has seen."""
        return fingerprints.of_run(self.learnt, self.models.get("base_model"))

    def origins(self) -> Iterator[str]:
        """Say of each model that the run starts from or uses how far it is known what it was trained on."""
        for kind, lineage in self.models.items():
            yield judgements.training_data(kind, lineage.known)

    def _by_kind(self, *, accepted: bool) -> dict[str, list[Leak]]:
        found: dict[str, list[Leak]] = {}
        for leak in self.leaks:
            if (leak.kind in self.accept) == accepted:
                found.setdefault(leak.kind, []).append(leak)
        return found


_ONE_SIDE = "keep both on one side, or leave one out with dataset.exclude"
_REMEDIES = {
    **dict.fromkeys(("same_page", "same_image", "near_image", "near_text"), _ONE_SIDE),
    **dict.fromkeys(MODELS, "score on pages it has not seen, or leave these out with dataset.exclude"),
}


_BOUNDS = {
    "near_text": (0.5, 1.0),
    "contained_text": (0.5, 1.0),
    "shared_lines": (0.5, 1.0),
    "near_line": (0.5, 1.0),
    "found_lines": (0.75, 1.0),
    "near_image": (0.0, 0.25),
    "copied_image": (0.0, 0.1),
}
"""Thresholds outside of which different pages would be alike, or nothing would be."""


def setting_problems(settings: Leakage) -> Iterator[Problem]:
    """What is wrong with the `leakage` group of a configuration."""
    for kind in settings.accept:
        if kind not in KINDS:
            what = f"leakage.accept: {kind}: there is no such kind"
            yield Problem(what, f"choose of {', '.join(KINDS)}", "leakage.accept")
    for key, (low, high) in _BOUNDS.items():
        value = getattr(settings, key)
        if not low <= value <= high:
            yield Problem(f"leakage.{key}={value}: it must be from {low:g} to {high:g}", where=f"leakage.{key}")
    if settings.text_letters < 50:
        what = (
            f"leakage.text_letters={settings.text_letters}: it must be at least 50, shorter texts are alike by chance"
        )
        yield Problem(what, where="leakage.text_letters")
    if settings.differing_text < settings.text_letters:
        what = f"leakage.differing_text={settings.differing_text}: it must be at least leakage.text_letters={settings.text_letters}, shorter texts are not compared"
        yield Problem(what, where="leakage.differing_text")


LOWER_IS_WEAKER = {"near_image", "copied_image", "differing_text"}
"""The thresholds of which a lower value finds less; of all others a higher one does."""


def weaker_thresholds(settings: Leakage) -> dict[str, float]:
    """The thresholds by which less is found than by the shipped ones, whoever set them: words or a file of the user."""
    given, usual = asdict(settings), asdict(shipped().leakage)
    found = {key: (given[key], usual[key]) for key in usual if key != "accept"}
    return {key: own for key, (own, other) in found.items() if (own < other if key in LOWER_IS_WEAKER else own > other)}


def guard(
    sides: Mapping[str, Sequence[str]],
    pages: Mapping[str, GuardedPage],
    found: Similar,
    models: Mapping[str, Lineage],
    settings: Leakage,
) -> LeakageReport:
    """Look at one split.

    Args:
        sides: train, validation, test -> page names.
        pages: every page of the dataset by its name.
        found: what `similar` found of them.
        models: what is known of the training data of the base model and of the segmentation model (see `runs.judgements`).
        settings: the thresholds, and what is accepted.
    """
    side_of = {name: side for side in NAMES for name in sides.get(side, ())}
    leaks = (
        *_equal(side_of, pages),
        *_near(side_of, found.pairs),
        *(
            leak
            for kind, lineage in models.items()
            for leak in _seen_before(kind, side_of, pages, found, lineage, settings)
        ),
    )
    kinds = {leak.kind for leak in leaks}
    warnings = [
        f"leakage.accept: {kind} does not occur: there is nothing to accept"
        for kind in settings.accept
        if kind not in kinds
    ]
    warnings += _repeated_lines(sides, pages, found)
    for kind, lineage in models.items():
        warnings += lineage.notes
        if lineage.listed and kind not in kinds:
            warnings += model_leaks.idle_list(lineage, pages)
    unseen = [name for name in found.unseen if name in side_of]
    if unseen:
        warnings.append(
            f"{counted(len(unseen), 'image')} {'was' if len(unseen) == 1 else 'were'} not compared by their look (first: {unseen[0]}: {found.unseen[unseen[0]]})"
        )
    weaker = weaker_thresholds(settings)
    warnings += [
        f"leakage.{key}={value:g}: weaker than {getattr(shipped().leakage, key):g}, as shipped: every table shows it as accepted"
        for key, value in weaker.items()
    ]
    return LeakageReport(
        leaks, tuple(settings.accept), tuple(warnings), models, weaker, tuple(_seen(sides, pages, found))
    )


def _equal(side_of: Mapping[str, str], pages: Mapping[str, GuardedPage]) -> Iterator[Leak]:
    """Yield the pairs of equal pages, or else of equal images, on two sides."""
    groups: dict[str, list[GuardedPage]] = {}
    for name in side_of:
        groups.setdefault(pages[name].image_digest, []).append(pages[name])
    for group in groups.values():
        if len({side_of[page.name] for page in group}) < 2:
            continue
        for first, second in combinations(group, 2):
            on = side_of[first.name], side_of[second.name]
            if on[0] == on[1]:
                continue
            if first.digest == second.digest:
                yield Leak("same_page", first.name, on[0], second.name, on[1], "the same image and lines")
            else:
                yield Leak("same_image", first.name, on[0], second.name, on[1], "their images have the same bytes")


def _near(side_of: Mapping[str, str], pairs: Sequence[Pair]) -> Iterator[Leak]:
    for pair in pairs:
        first, second = side_of.get(pair.first), side_of.get(pair.second)
        if first is not None and second is not None and first != second:
            yield Leak(pair.kind, pair.first, first, pair.second, second, pair.measure)


def _seen_before(
    kind: str,
    side_of: Mapping[str, str],
    pages: Mapping[str, GuardedPage],
    found: Similar,
    lineage: Lineage,
    settings: Leakage,
) -> Iterator[Leak]:
    """Yield the pages held out that a model has seen, each once."""
    seen = model_leaks.seen_before(side_of, pages, found, lineage, settings)
    for name in sorted(seen):
        learnt, how = seen[name]
        where = f"{learnt.role} of the {MODELS[kind]}, {learnt.source}"
        yield Leak(kind, name, side_of[name], learnt.name, where, how)


def _repeated_lines(
    sides: Mapping[str, Sequence[str]], pages: Mapping[str, GuardedPage], found: Similar
) -> Iterator[str]:
    """Yield a warning for each held-out side with lines that occur, by their letters, among the training lines."""
    learnt = {line for name in sides.get("train", ()) for line in found.lines[name] if line}
    for side in NAMES[1:]:
        names = sides.get(side, ())
        again = [
            (name, number) for name in names for number, line in enumerate(found.lines[name]) if line and line in learnt
        ]
        if again:
            total = sum(len(found.lines[name]) for name in names)
            name, number = again[0]
            line = pages[name].lines[number]
            yield (
                f"{len(again)} of {counted(total, 'line')} of {side} occur letter by letter in train "
                f"(first: {name}:{line.id}, {line.text.strip()!r}): formulae are easier to read than the rest"
            )


def _seen(
    sides: Mapping[str, Sequence[str]], pages: Mapping[str, GuardedPage], found: Similar
) -> Iterator[Fingerprint]:
    for side in ("train", "validation"):
        for name in sides.get(side, ()):
            page = pages[name]
            yield Fingerprint(
                side,
                name,
                "",
                page.digest,
                page.xml_digest,
                page.image_digest,
                found.looks.get(name),
                found.letters[name],
            )
