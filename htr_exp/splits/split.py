"""A split and the ways to one: drawn by seed, given by the user, or everything to be evaluated."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from htr_exp.core.errors import DatasetError
from htr_exp.core.files import digest_json
from htr_exp.core.text import counted
from htr_exp.splits.groups import Group, Grouping, SplitPage, grouped, in_order, joined, rank, related
from htr_exp.splits.messages import drawn, kept, missing
from htr_exp.splits.shares import along, spread
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
    by: str | None = None  # what a drawn split, or new pages beside a recorded one, keep on one side
    group: Mapping[str, str] = field(default_factory=dict)  # page name -> its group of that; empty where nobody grouped


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
    """Draw a split by groups of pages, each side with its share of the pages.

    Pages that show one image, or one image's bytes, stay together, and so do groups that have such pages. The draw depends
    on `seed` and on the images, not on names, order, place or transcription: what is corrected in a page moves no page. Single
    pages are ranked by the SHA-256 of seed and image, and the ranking is cut: first test, then validation, then train.
    Larger groups, and pages with strata, are placed as near to all shares as whole groups allow (`shares`).

    Args:
        pages: all pages, each with at least one line.
        seed: decides the order.
        validation: share of all pages, between 0 and 1.
        test: share of all pages; 0 makes no test set.
        by: what stays together; single pages by default.
        stratify: each side gets its share of the pages of every group of this, as nearly as whole groups of `by` allow.
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
    wanted = {"test": test, "validation": validation, "train": 1 - validation - test}
    named = [*sides, "train"]
    chosen: dict[str, list[Group]] = {side: [] for side in NAMES}
    for group, number in zip(groups, placed_by_share(groups, [wanted[side] for side in named], by, stratify)):
        chosen[named[number]].append(group)
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


def first_pages(
    split: Split, pages: Sequence[SplitPage], *, count: int, order_seed: int, stratify: Grouping | None = None
) -> Split:
    """Leave `count` training pages in a split: the same first ones for every count, so that a smaller set lies in a larger.

    Args:
        split: whose other sides stay as they are.
        pages: all pages.
        count: training pages, at least 1.
        order_seed: decides their order, together with their images.
        stratify: a page of every value comes first; from then on each value has its share of the pages, whatever the count.

    Raises:
        DatasetError: there are fewer.
    """
    by_name = {page.name: page for page in pages}
    # the text tells pages of one image apart: their names and places are nobody's choice
    train = sorted(
        (by_name[name] for name in split.pages["train"]), key=lambda page: (rank(order_seed, [page])[0], page.digest)
    )
    if count > len(train):
        raise DatasetError(f"split.train_pages={count}: the split has {counted(len(train), 'page')} to train on")
    if stratify is not None:
        train = _in_turn(train, stratify)
    placed = {side: [by_name[name] for name in split.pages[side]] for side in NAMES} | {"train": train[:count]}
    aside = f"unused: split.train_pages={count} takes {count} of {counted(len(train), 'page')} to train on"
    why = split.why | {page.name: aside for page in train[count:]}
    return replace(frozen(pages, placed, why, fold=split.fold, notes=split.notes), by=split.by, group=split.group)


def _in_turn(pages: Sequence[SplitPage], of: Grouping) -> list[SplitPage]:
    """Pages in an order in which every value comes once before any comes twice, then each as often as its share says."""
    of_value: dict[str, list[SplitPage]] = {}
    for page in pages:
        of_value.setdefault(of.of[page.name], []).append(page)
    turn = {
        page.name: (number + 0.5) / len(same) if number else 0.0
        for same in of_value.values()
        for number, page in enumerate(same)
    }
    return sorted(pages, key=lambda page: turn[page.name])


def bound(pages: Sequence[SplitPage], by: Grouping, relatives: Sequence[Group]) -> list[Group]:
    """What a drawn split keeps whole: groups, joined where they have pages that must not be on two sides."""
    return joined(pages, [by.of, {page.name: str(number) for number, group in enumerate(relatives) for page in group}])


def placed_by_share(
    groups: Sequence[Group], shares: Sequence[float], by: Grouping, stratify: Grouping | None
) -> list[int]:
    """The side of each group, in order of rank: by the ranking alone where the groups are single pages without strata."""
    if stratify is None and by.by in ("page", "image"):
        return along([len(group) for group in groups], shares)
    return spread([strata(group, stratify) for group in groups], shares)


def strata(group: Group, of: Grouping | None) -> dict[str, int]:
    """How many pages of each value a group has, in the order of their images; without values all pages are one."""
    found: dict[str, int] = {}
    for page in sorted(group, key=lambda page: (page.image_digest, page.name)):
        value = of.of[page.name] if of else ""
        found[value] = found.get(value, 0) + 1
    return found


def draw_validation(
    groups: Sequence[Group], share: float, total: int, by: Grouping, stratify: Grouping | None
) -> tuple[list[Group], list[Group]]:
    """Take from groups in order, at least two, those to validate on; the others are to train on.

    Args:
        groups: what is left when the test pages are taken away.
        share: of `total`.
        total: number of all pages.
        by: as for `draw`.
        stratify: as for `draw`.
    """
    part = min(share * total / sum(map(len, groups)), 1.0)
    sides = placed_by_share(groups, [part, 1 - part], by, stratify)
    return (
        [group for group, side in zip(groups, sides) if side == 0],
        [group for group, side in zip(groups, sides) if side == 1],
    )


def frozen(
    pages: Sequence[SplitPage],
    placed: Mapping[str, Sequence[SplitPage]],
    why: dict[str, str],
    *,
    fold: str | None = None,
    notes: Iterable[str] = (),
) -> Split:
    """A split of pages that were placed; the others are unused."""
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
