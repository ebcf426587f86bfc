"""Why pages are where they are, and what the user should know of a split, in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from htr_exp.core.text import and_more, counted, joined
from htr_exp.splits.groups import Group, Grouping, SplitPage

SHOWN = 5
"""Examples in a note."""

SAME = "of the same image"


def drawn(
    placed: Mapping[str, Sequence[SplitPage]], by: Grouping, seed: int, relatives: Sequence[Group]
) -> dict[str, str]:
    """Why pages of a drawn split are where they are."""
    kin = {page.name: group for group in relatives if len(group) > 1 for page in group}
    why = {}
    for side, pages in placed.items():
        for page in pages:
            group = "" if by.by == "page" else f"{by.named(page)}, "
            others = [other for other in kin.get(page.name, ()) if other.name != page.name]
            beside = f", beside {_names(others)}, {_how(page, others)}" if others else ""
            why[page.name] = f"{side}: {group}drawn with split.seed={seed}{beside}"
    return why


def missing(stratify: Grouping | None, placed: Mapping[str, Sequence[SplitPage]]) -> list[str]:
    """Say which values of a stratified split are not on all sides."""
    if stratify is None:
        return []
    on: dict[str, dict[str, int]] = {}
    for side, pages in placed.items():
        for page in pages:
            of_value = on.setdefault(stratify.of[page.name], {})
            of_value[side] = of_value.get(side, 0) + 1
    found = [
        f"split.stratify={stratify.by}: {value} ({counted(sum(counts.values()), 'page')}) is not in {joined(absent)}: it is too rare"
        for value, counts in sorted(on.items())
        if (absent := [side for side in placed if side not in counts])
    ]
    left = len(found) - SHOWN
    if left > 0:
        more = f"{and_more(left, 'value')} is" if left == 1 else f"{and_more(left, 'values')} are"
        return [*found[:SHOWN], f"split.stratify={stratify.by}: {more} not on all sides"]
    return found


def joins(groups: Sequence[Group], by: Grouping, relatives: Sequence[Group]) -> list[str]:
    """Say which groups of the user's count as one."""
    if by.by in ("page", "image"):
        return []
    labels = sorted(sorted({by.of[page.name] for page in group}) for group in groups)
    why = shared(relatives)
    return [
        f"{by.several} {', '.join(several)} stay on one side: pages of theirs {why}"
        for several in labels
        if len(several) > 1
    ]


def kept(groups: Sequence[Group], by: Grouping, relatives: Sequence[Group]) -> list[str]:
    """Say what stays together though the user did not ask for it."""
    several = sorted(_names(group) for group in relatives if len(group) > 1)
    if by.by != "page" or not several:
        return joins(groups, by, relatives)
    shown = "; ".join(several[:SHOWN]) + "; ..." * (len(several) > SHOWN)
    return [f"pages that {shared(relatives)} stay on one side: {shown}"]


def shared(relatives: Sequence[Group]) -> str:
    """Say what relatives have in common."""
    several = [group for group in relatives if len(group) > 1]
    images = all(_how(page, [other for other in group if other is not page]) == SAME for group in several for page in group)  # fmt: skip
    return "share an image" if images else "share an image or are much alike"


def _how(page: SplitPage, others: Sequence[SplitPage]) -> str:
    if any(other.image == page.image or other.image_digest == page.image_digest for other in others):
        return SAME
    return "much like it"


def _names(pages: Iterable[SplitPage]) -> str:
    return ", ".join(sorted(page.name for page in pages))
