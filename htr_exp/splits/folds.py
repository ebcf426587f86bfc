"""Splits that are one of several: each group is the test set once."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Sequence

from htr_exp.core.errors import DatasetError
from htr_exp.core.text import first_of
from htr_exp.splits.groups import Group, Grouping, SplitPage, in_order, joined, related
from htr_exp.splits.messages import SHOWN, drawn, kept, missing, shared
from htr_exp.splits.split import NAMES, Split, bound, draw_validation, frozen, placed_by_share

FEW = 12
"""Groups that a message lists by name."""


def folds(by: Grouping) -> list[str]:
    """The groups that can be left out, by name.

    Raises:
        DatasetError: a group has the name that means all of them.
    """
    names = sorted(set(by.of.values()))
    if "all" in names:
        raise DatasetError(f"split.by={by.by}: a {by.by} is called `all`, which means every one of them: rename it")
    return names


def k_fold(
    pages: Sequence[SplitPage],
    *,
    fold: int,
    folds: int,
    seed: int,
    validation: float,
    by: Grouping,
    stratify: Grouping | None = None,
    together: Iterable[Collection[str]] = (),
) -> Split:
    """Share groups out among folds of nearly as many pages each; one is the test set, validation is drawn from the others.

    Over all folds every page is tested once. What is drawn, and joined, is as for `draw`.

    Args:
        pages: all pages, each with at least one line.
        fold: the one to test on, from 1.
        folds: how many there are.
        seed: decides the order of the groups.
        validation: share of all pages.
        by: what stays together.
        stratify: each fold gets its share of the pages of every group of this, as nearly as whole groups of `by` allow.
        together: sets of page names that stay together for other reasons.

    Raises:
        DatasetError: there are fewer groups than folds, or too few to train and validate on.
    """
    relatives = related(pages, together)
    groups = in_order(bound(pages, by, relatives), seed)
    counted = "" if by.by == "page" else ", counted as one where they share images"
    if len(groups) < folds:
        raise DatasetError(
            f"split.folds={folds}: there {by.counted(len(groups))} with text{counted}; each fold needs one",
            kept(groups, by, relatives),
        )
    fold_of = placed_by_share(groups, [1 / folds] * folds, by, stratify)
    left = [group for group, number in zip(groups, fold_of) if number != fold - 1]
    if len(left) < 2:
        raise DatasetError(
            f"split.fold={fold}: {len(left)} of {len(groups)} {by.several} is left for train and validation{counted}; use fewer in a fold: a higher split.folds",
            kept(groups, by, relatives),
        )
    validating, training = draw_validation(left, validation, len(pages), by, stratify)
    tested = [group for group, number in zip(groups, fold_of) if number == fold - 1]
    placed = {
        side: [page for group in of_side for page in group]
        for side, of_side in zip(NAMES, (training, validating, tested))
    }
    why = drawn(placed, by, seed, relatives)
    for page in placed["test"]:
        why[page.name] = why[page.name].replace("test: ", f"test: fold {fold} of {folds}, ", 1)
    notes = [*kept(groups, by, relatives), *missing(stratify, placed)]
    return frozen(pages, placed, why, fold=f"fold {fold} of {folds}", notes=notes)


def leave_out(
    pages: Sequence[SplitPage],
    *,
    left_out: str,
    seed: int,
    validation: float,
    by: Grouping,
    stratify: Grouping | None = None,
    together: Iterable[Collection[str]] = (),
) -> Split:
    """Test on exactly one group, train on others, validate on some of them.

    Here groups are not joined, since that would leave out more than was asked for: pages that share an image with a page of
    test are not used, and neither are pages that share one with a page of validation.

    Args:
        pages: all pages, each with at least one line.
        left_out: the group to test on.
        seed: decides which of the others are validated on.
        validation: share of all pages.
        by: what the groups are.
        stratify: validation gets its share of the pages of every group of this, as nearly as whole groups of `by` allow.
        together: sets of page names of which no two may be on two sides for other reasons.

    Raises:
        DatasetError: there is no such group, or too little is left to train and validate on.
    """
    known = folds(by)
    if left_out not in known:
        close = difflib.get_close_matches(left_out, known, n=1)
        shown = first_of(known, FEW)
        raise DatasetError(
            f"split.fold={left_out}: there is no such {by.by}{f' (did you mean {close[0]}?)' if close else ''}; "
            f"choose one of {shown}, or all"
        )
    relatives = related(pages, together)
    kin = {page.name: group for group in relatives for page in group}
    test = [page for page in pages if by.of[page.name] == left_out]
    aside = _beside("test", test, pages, kin)
    rest = [page for page in pages if by.of[page.name] != left_out and page.name not in aside]
    # pages of one image stay together where that merges no groups of the user's
    groups = in_order(joined(rest, [by.of]) if by.by != "page" else bound(rest, by, related(rest, together)), seed)
    what = f"split.fold={left_out}: beside this {by.by}, and without pages that share an image with it,"
    if len(groups) < 2:
        raise DatasetError(f"{what} there {by.counted(len(groups))}: 2 are needed, for train and validation")
    validating, training = draw_validation(groups, validation, len(pages), by, stratify)
    held = [page for group in validating for page in group]
    aside |= _beside("validation", held, [page for group in training for page in group], kin)
    train = [page for group in training for page in group if page.name not in aside]
    if not train:
        raise DatasetError(f"{what} every page shares an image with a page of validation: nothing is left to train on")
    placed = {"train": train, "validation": held, "test": test}
    why = drawn({"train": train, "validation": held}, by, seed, related([*train, *held], together)) | aside
    why |= {page.name: f"test: {by.by} {left_out} left out" for page in test}
    notes = missing(stratify, {"train": train, "validation": held})
    if aside:
        names = sorted(aside)
        shown = first_of(names, SHOWN)
        notes.append(
            f"split.fold={left_out}: not used, since pages of test or validation {shared(relatives)} with them: {shown}"
        )
    return frozen(pages, placed, why, fold=f"{by.by} {left_out} left out", notes=notes)


def _beside(side: str, held: Sequence[SplitPage], others: Sequence[SplitPage], kin: dict[str, Group]) -> dict[str, str]:
    """Which of the other pages must not be used beside a held-out side, and why."""
    names = {page.name for page in held}
    found = {}
    for page in others:
        close = [other for other in kin[page.name] if other.name in names]
        if page.name in names or not close:
            continue
        same = [one for one in close if one.image == page.image or one.image_digest == page.image_digest]
        how = "shares an image with" if same else "is much like"
        found[page.name] = f"unused: {how} {side} page {min(one.name for one in same or close)}"
    return found
