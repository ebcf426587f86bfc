"""A split and the ways to one: drawn by seed, given by the user, or everything to be evaluated."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from htr_exp.core.errors import DatasetError
from htr_exp.core.files import digest_json
from htr_exp.core.text import counted
from htr_exp.splits.groups import Group, Grouping, SplitPage, grouped, in_order, joined, lines_in, rank, related
from htr_exp.splits.messages import drawn, kept, missing
from htr_exp.splits.subset_sum import nearest, spread
from htr_exp.splits.tables import Names

NAMES = ("train", "validation", "test")


@dataclass(frozen=True)
class Split:
    """Pages of each side, in code point order of their names, and why they are there."""

    pages: dict[str, tuple[str, ...]]  # train, validation, test -> page names
    why: dict[str, str]  # page name -> its side (or unused) and the reason
    digest: str  # of the sides' page digests: the same wherever the same pages are split alike
    unused: tuple[str, ...] = ()  # pages on no side
    fold: str | None = None  # of a split that is one of several: which, as people read it
    notes: tuple[str, ...] = ()  # what the user should know of it


def draw(
    pages: Sequence[SplitPage],
    *,
    seed: int,
    validation: float,
    test: float,
    by: Grouping | None = None,
    stratify: Grouping | None = None,
    together: Iterable[Collection[str]] = (),
) -> Split:
    """Draw a split by groups of pages whose shares of lines are as near to those asked for as groups allow.

    Pages that show one image, or one image's bytes, stay together, and so do groups that have such pages. The draw depends
    on `seed` and on the pages' content, not on their names, order or place: groups are ordered by the SHA-256 of seed and
    content, and each held-out side is the earliest set of them, in that order, whose lines come nearest to its share.

    Args:
        pages: all pages, each with at least one line.
        seed: decides the order.
        validation: share of all lines, between 0 and 1.
        test: share of all lines; 0 makes no test set.
        by: what stays together; single pages by default.
        stratify: each side gets its share of the lines of every group of this, as nearly as whole groups of `by` allow.
        together: sets of page names that stay together for other reasons.

    Raises:
        DatasetError: there are fewer groups than sides.
    """
    by = by or grouped(pages, "page")
    relatives = related(pages, together)
    groups = in_order(bound(pages, by, relatives), seed)
    sides = [side for side, share in (("test", test), ("validation", validation)) if share > 0]
    if len(groups) < len(sides) + 1:
        raise _too_few(groups, by, sides, relatives)
    total = lines_in(pages)
    shares = {"test": test, "validation": validation}
    chosen: dict[str, list[Group]] = {side: [] for side in NAMES}
    if stratify is not None:
        named = [side for side in NAMES if side == "train" or shares[side] > 0]
        wanted = [shares.get(side, 1 - validation - test) for side in named]
        for group, number in zip(groups, spread([strata(group, stratify) for group in groups], wanted)):
            chosen[named[number]].append(group)
    else:
        left = list(groups)
        for position, side in enumerate(sides):
            at_most = len(left) - (len(sides) - position)
            picked = set(nearest([lines_in(group) for group in left], shares[side] * total, at_most))
            chosen[side] = [group for index, group in enumerate(left) if index in picked]
            left = [group for index, group in enumerate(left) if index not in picked]
        chosen["train"] = left
    placed = {side: [page for group in chosen[side] for page in group] for side in NAMES}
    notes = [*kept(groups, by, relatives), *missing(stratify, {side: placed[side] for side in NAMES if placed[side]})]
    return frozen(pages, placed, drawn(placed, by, seed, relatives), notes=notes)


def given(pages: Sequence[SplitPage], lists: dict[str, Sequence[str]], source: str) -> Split:
    """Take the split that lists of page names give.

    A name is a page's path below its dataset folder, its file name, or either without `.xml`, or its image's name, as long as it
    means one page.

    Args:
        pages: all pages.
        lists: side -> page names as written; `test` may be absent.
        source: where the lists stand, for messages and the record.

    Raises:
        DatasetError: with every name that is unknown, ambiguous or on two sides, and each side without pages. What pages on
            two sides have in common is for the guard to say, as of every split (`leakage`).
    """
    names = Names(pages)
    by_name = {page.name: page for page in pages}
    problems: list[str] = []
    side_of: dict[str, str] = {}
    for side in NAMES:
        for name in lists.get(side, ()):
            try:
                match = names.meant(name)
            except DatasetError as error:
                problems.append(f"{source}: {side}: {name}: {error}")
                continue
            if side_of.setdefault(match, side) != side:
                problems.append(f"{source}: {match} is in {side_of[match]} and in {side}")
    for side in NAMES:
        if (side != "test" or "test" in lists) and side not in side_of.values():
            problems.append(f"{source}: no page is in {side}")
    if problems:
        raise DatasetError("the given split cannot be used:", problems)
    placed = {side: [by_name[name] for name in side_of if side_of[name] == side] for side in NAMES}
    why = {page.name: f"unused: {source} puts it on no side" for page in pages}
    return frozen(pages, placed, why | {name: f"{side}: given by {source}" for name, side in side_of.items()})


def everything(pages: Sequence[SplitPage]) -> Split:
    """Put every page on the test side: a model is evaluated, nothing is learnt."""
    placed: dict[str, Sequence[SplitPage]] = {"train": [], "validation": [], "test": pages}
    return frozen(pages, placed, {page.name: "test: evaluated" for page in pages})


def first_pages(split: Split, pages: Sequence[SplitPage], *, count: int, seed: int) -> Split:
    """Leave `count` training pages in a split: the same first ones for every count, so that a smaller set lies in a larger.

    Args:
        split: whose other sides stay as they are.
        pages: all pages.
        count: training pages, at least 1.
        seed: decides their order, together with their content.

    Raises:
        DatasetError: there are fewer.
    """
    by_name = {page.name: page for page in pages}
    train = sorted((by_name[name] for name in split.pages["train"]), key=lambda page: rank(seed, [page]))
    if count > len(train):
        raise DatasetError(f"split.train_pages={count}: the split has {counted(len(train), 'page')} to train on")
    placed = {side: [by_name[name] for name in split.pages[side]] for side in NAMES} | {"train": train[:count]}
    aside = f"unused: split.train_pages={count} takes {count} of {counted(len(train), 'page')} to train on"
    why = split.why | {page.name: aside for page in train[count:]}
    return frozen(pages, placed, why, fold=split.fold, notes=split.notes)


def bound(pages: Sequence[SplitPage], by: Grouping, relatives: Sequence[Group]) -> list[Group]:
    """Return what a drawn split keeps whole: groups, joined where they have pages that must not be on two sides."""
    return joined(pages, [by.of, {page.name: str(number) for number, group in enumerate(relatives) for page in group}])


def strata(group: Group, of: Grouping) -> dict[str, int]:
    """Return how many lines of each value a group has, in the order of the pages' content."""
    found: dict[str, int] = {}
    for page in sorted(group, key=lambda page: (page.digest, page.name)):
        found[of.of[page.name]] = found.get(of.of[page.name], 0) + len(page.lines)
    return found


def draw_validation(
    groups: Sequence[Group], share: float, total: int, stratify: Grouping | None
) -> tuple[list[Group], list[Group]]:
    """Take from groups in order, at least two, those to validate on; the others are to train on.

    Args:
        groups: what is left when the test pages are taken away.
        share: of `total`.
        total: lines of all pages.
        stratify: as for `draw`.
    """
    lines = [lines_in(group) for group in groups]
    if stratify is not None:
        part = min(share * total / sum(lines), 1.0)
        sides = spread([strata(group, stratify) for group in groups], [1 - part, part])
        picked = {index for index, side in enumerate(sides) if side == 1}
    else:
        picked = set(nearest(lines, share * total, len(groups) - 1))
    return (
        [group for index, group in enumerate(groups) if index in picked],
        [group for index, group in enumerate(groups) if index not in picked],
    )


def frozen(
    pages: Sequence[SplitPage],
    placed: Mapping[str, Sequence[SplitPage]],
    why: dict[str, str],
    *,
    fold: str | None = None,
    notes: Iterable[str] = (),
) -> Split:
    """Return a split of pages that were placed; the others are unused."""
    names = {side: tuple(sorted(page.name for page in placed[side])) for side in NAMES}
    used = {name for side in NAMES for name in names[side]}
    return Split(
        pages=names,
        why=why,
        digest=digest_json({side: sorted(page.digest for page in placed[side]) for side in NAMES}),
        unused=tuple(sorted(page.name for page in pages if page.name not in used)),
        fold=fold,
        notes=tuple(notes),
    )


def _too_few(groups: Sequence[Group], by: Grouping, sides: Sequence[str], relatives: Sequence[Group]) -> DatasetError:
    needed = len(sides) + 1
    what = f"{by.several if len(groups) != 1 else by.single} with text"
    what += " and different images" if by.by == "page" else ", counted as one where they share images"
    problems = [
        f"{len(groups)} {what}: {needed} are needed, one each for {', '.join(reversed(sides))} and train",
        *kept(groups, by, relatives),
    ]
    if "test" in sides and len(groups) >= needed - 1:
        problems.append(
            "split.test=0 goes without a test set: then only a validation score can be given, which is optimistic"
        )
    return DatasetError("there are too few pages for a split:", problems)
