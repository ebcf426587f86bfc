"""Which pages held out a model has seen before, by all that is known of the pages it was trained on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain

from htr_exp.config.schema import Leakage
from htr_exp.core.text import counted
from htr_exp.splits import near_duplicates
from htr_exp.splits.fingerprints import DIGITS, Fingerprint, Lineage, shared_share, short_hashes_of
from htr_exp.splits.similar_pages import (
    GuardedPage,
    Similar,
    bits_of,
    images_decide,
    looks_alike,
    reads_alike,
    text_limits,
)
from htr_exp.splits.trained_on_list import same_names

_Seen = tuple[GuardedPage, Fingerprint, str]
"""A page, what of the model's it is, and how that is known."""


def seen_before(
    side_of: Mapping[str, str],
    pages: Mapping[str, GuardedPage],
    found: Similar,
    lineage: Lineage,
    settings: Leakage,
) -> dict[str, tuple[Fingerprint, str]]:
    """The pages held out that a model has seen: what of its pages each is, and how that is known.

    A test page must not have been seen in any way. A validation page must not have been learnt from, for it decides
    which epoch is kept and how long training lasts, and its score is shown; that a model before was selected by it too
    is what it is for.

    Args:
        side_of: page name -> train, validation or test.
        pages: every page of the dataset by its name.
        found: looks and letters of these pages.
        lineage: what is known of the model's pages.
        settings: the thresholds.
    """
    held_out = [pages[name] for name, side in side_of.items() if side != "train"]
    by_digest = _by_digest(pages.values(), lineage)
    by_name = _by_name(pages, lineage)
    # a list says nothing of looks and letters: those of this dataset's pages that it names are here
    here = [
        replace(learnt, look=found.looks.get(page.name), letters=found.letters[page.name])
        for page, learnt, _ in (*by_digest, *by_name)
        if not learnt.letters
    ]
    known = [*lineage.pages, *here]
    seen: dict[str, tuple[Fingerprint, str]] = {}
    for page, learnt, how in chain(
        by_digest,
        by_name,
        _by_look(held_out, known, found, settings),
        _by_letters(held_out, known, found, settings),
        _by_sketch(held_out, known, found, settings),
    ):
        side = side_of.get(page.name, "train")
        if side == "test" or (side == "validation" and learnt.role == "train"):
            seen.setdefault(page.name, (learnt, how))
    return seen


def idle_list(lineage: Lineage, pages: Mapping[str, GuardedPage]) -> Iterator[str]:
    """Say that a list of training pages names no page of the dataset: it may be the wrong list.

    Args:
        lineage: of a model whose pages a list names; none of them was found among those held out.
        pages: every page of the dataset by its name.
    """
    of_list = replace(lineage, pages=tuple(learnt for learnt in lineage.pages if learnt.listed))
    if _by_digest(pages.values(), of_list) or _by_name(pages, of_list):
        return
    looked = sum(learnt.look is not None for learnt in of_list.pages)
    images = f", or by the look of {counted(looked, 'image')}" if looked else ""
    yield (
        f"{lineage.listed}: none of its {counted(len(of_list.pages), 'page')} is in this dataset, by SHA-256, by name{images}: "
        "make sure that it is the list of this model"
    )


def _by_digest(pages: Iterable[GuardedPage], lineage: Lineage) -> list[_Seen]:
    known: dict[str, list[Fingerprint]] = {}
    for learnt in lineage.pages:
        for digest in learnt.digests:
            known.setdefault(digest, []).append(learnt)
    return [
        (page, learnt, how)
        for page in pages
        for digest, how in (
            (page.digest, "the same image and lines"),
            (page.image_digest, "the same image"),
            (page.xml_digest, "the same XML"),
        )
        for learnt in known.get(digest[:DIGITS], ())
    ]


def _by_name(pages: Mapping[str, GuardedPage], lineage: Lineage) -> list[_Seen]:
    """The pages that a list names; runs and models are not recognised by names, which many datasets share."""
    listed = [learnt for learnt in lineage.pages if learnt.listed]
    files = {name: (name, str(page.image)) for name, page in pages.items()} if listed else {}
    return [(pages[name], learnt, f"the same name in {lineage.listed}") for name, learnt in same_names(listed, files)]


def _by_look(
    held_out: Sequence[GuardedPage], known: Sequence[Fingerprint], found: Similar, settings: Leakage
) -> Iterator[_Seen]:
    looking = [page for page in held_out if page.name in found.looks]
    looked = [learnt for learnt in known if learnt.look is not None]
    for near in near_duplicates.near_images(
        [found.views[page.name] for page in looking],
        bits=bits_of(settings),
        others=[(learnt.look,) for learnt in looked if learnt.look is not None],
    ):
        if near.second < len(looking):
            continue
        page, learnt = looking[near.first], looked[near.second - len(looking)]
        if images_decide(near.bits, found.letters[page.name], learnt.letters, settings):
            yield page, learnt, looks_alike(near.bits, settings)


def _by_letters(
    held_out: Sequence[GuardedPage], known: Sequence[Fingerprint], found: Similar, settings: Leakage
) -> Iterator[_Seen]:
    read = [learnt for learnt in known if learnt.letters]
    for text in near_duplicates.near_texts(
        [found.letters[page.name] for page in held_out],
        others=[learnt.letters for learnt in read],
        **text_limits(settings),
    ):
        if text.second >= len(held_out):
            yield held_out[text.first], read[text.second - len(held_out)], reads_alike(text, settings)


def _by_sketch(
    held_out: Sequence[GuardedPage], known: Sequence[Fingerprint], found: Similar, settings: Leakage
) -> Iterator[_Seen]:
    having: dict[int, list[int]] = {}
    for place, learnt in enumerate(known):
        for number in learnt.sketch if not learnt.letters else ():
            having.setdefault(number, []).append(place)
    for page in held_out if having else ():
        letters = found.letters[page.name]
        hashes = short_hashes_of(letters) if near_duplicates.length(letters) >= settings.text_letters else set()
        for place in sorted({place for number in having.keys() & hashes for place in having[number]}):
            share = shared_share(known[place].sketch, hashes)
            if share >= settings.contained_text:
                how = f"by a sample of both, {share:.0%} of the shorter text is in the other (leakage.contained_text={settings.contained_text:g})"
                yield page, known[place], how
