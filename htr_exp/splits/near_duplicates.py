"""Which pages have nearly the same text or the same look, among thousands of them.

A text is compared by its letters alone: no spaces, marks or punctuation, upper and lower case, u and v, i and j alike.
Two texts are near

- if they agree in most letters from begin to end, whatever their line breaks (a page transcribed twice);
- or if nearly all shingles of the shorter occur in the longer (a copy, a part);
- or if most lines of the one with less to say are, more or less, in the other, whatever their order. Each line is weighed
  by its letters and by how rare they are;
- or if nearly all of these lines stand anywhere in the other, whatever the line breaks of both (a part, or parts in another
  order, in lines of their own).

In the first two ways, most lines by that weight must stand anywhere in the other text: formulae that fill two pages do not
make them one.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from htr_exp.splits.shingle_index import SHINGLE, ShingleIndex, shingles_of

BREAK = "\n"
"""Between the lines of a text that is compared."""

_LINE = 10  # letters of a line that is compared; shorter ones are headings and amens
_CLEARLY = 0.05  # by so much a line must be nearer to its double than to another line of its own page
_LIKELY = (
    0.6  # share of the wanted containment that the sampled shingles must show for all to be counted, which is slow
)
_WORTH_FINDING = 0.25  # share of the sampled shingles in common from which on lines are looked for anywhere: half of what a copy with one letter in ten changed has
_ALIGNED = 20_000  # letters; aligning longer texts would take seconds, their lines are the same or not
_LOOK = 64  # bytes of a look
_ALIKE = str.maketrans("vj", "ui")


@dataclass(frozen=True)
class NearTexts:
    """Two texts, by their places in the sequence, and how near they are: by the one of four measures that says so."""

    first: int
    second: int
    measure: str  # similarity, containment, lines or found: a parameter of `near_texts`
    share: float


@dataclass(frozen=True)
class NearImages:
    """Two images, by their places in the sequence, and in how many bits their looks differ."""

    first: int
    second: int
    bits: int


def letters(text: str) -> str:
    """What of a line is compared."""
    folded = unicodedata.normalize("NFKD", text).casefold().translate(_ALIKE)
    return "".join(filter(str.isalnum, folded))


def text_of(lines: Iterable[str]) -> str:
    """The text of a page as it is compared, of lines that are letters alone."""
    return BREAK.join(filter(None, lines))


def length(text: str) -> int:
    """How many letters a text has."""
    return len(text) - text.count(BREAK)


def near_texts(
    texts: Sequence[str],
    *,
    similarity: float,
    containment: float,
    lines: float,
    line: float,
    found: float,
    least: int,
    others: Sequence[str] = (),
) -> Iterator[NearTexts]:
    """Yield the pairs of texts that are near, by their places; each text nearest to the front comes first.

    Args:
        texts: as `text_of` returns them.
        similarity: share of letters (1 - Levenshtein distance / letters of the longer) from which on two texts are near.
        containment: share of the shorter one's shingles in the longer from which on they are.
        lines: share of the weight of the lighter one's lines in the other from which on they are.
        line: share of letters, as `similarity`, from which on two lines are one.
        found: share of the weight of the lighter one's lines that stand anywhere in the other from which on they are, and of the
            letters of such a line that are there in their order.
        least: letters that a text must have to be compared at all.
        others: texts that are compared with `texts` but not with each other; their places go on from those of `texts`.
    """
    every = [*texts, *others]
    compared = [place for place, text in enumerate(every) if length(text) >= max(least, SHINGLE)]
    whole = [text.replace(BREAK, "") for text in every]
    index = ShingleIndex(whole, compared)
    shingles = lru_cache(maxsize=256)(lambda place: shingles_of(whole[place]))
    weighed = lru_cache(maxsize=1024)(lambda place: _weighed(every[place], index))
    for first, second, likely in index.candidates(len(texts)):
        measure, share = "containment", 0.0
        if likely >= _LIKELY * containment:
            share = _containment(shingles(first), shingles(second))
        if share < containment:
            measure, share = "similarity", _similarity(whole[first], whole[second], similarity)
        light, heavy = sorted((first, second), key=lambda place: sum(weighed(place).values()))
        if share >= (containment if measure == "containment" else similarity):
            if _found_anywhere(weighed(light), whole[heavy], line, if_unknown=1.0) >= lines:
                yield NearTexts(first, second, measure, share)
        elif (share := _shared_lines(weighed(light), weighed(heavy), line, least)) >= lines:
            yield NearTexts(first, second, "lines", share)
        elif likely >= _WORTH_FINDING and sum(map(len, weighed(light))) >= least / 2:
            share = _found_anywhere(weighed(light), whole[heavy], found, if_unknown=0.0, telling=True)
            if share >= found:
                yield NearTexts(first, second, "found", share)


def _found_anywhere(
    light: Mapping[str, float], text: str, line: float, *, if_unknown: float, telling: bool = False
) -> float:
    """The share of the weight of a text's lines that stand anywhere in another, whatever its line breaks.

    Args:
        light: the lines, each with its weight.
        text: the other one, without breaks.
        line: share of a line's letters that must be there.
        if_unknown: what is said of texts that are too long to be compared so, or have no such lines.
        telling: leave out lines that stand in the rest of their own text, too (a litany).
    """
    if not light or max(sum(map(len, light)), len(text)) > _ALIGNED:
        return if_unknown
    from rapidfuzz.fuzz import partial_ratio

    # partial_ratio takes the shorter for the part
    there = [one for one in light if len(one) <= len(text) and partial_ratio(one, text, score_cutoff=100 * line)]
    if telling:
        rest = {one: BREAK.join(other for other in light if other != one) for one in there}
        there = [one for one in there if not partial_ratio(one, rest[one], score_cutoff=100 * line)]
    return sum(light[one] for one in there) / sum(light.values())


def _containment(first: frozenset[str], second: frozenset[str]) -> float:
    return len(first & second) / min(len(first), len(second))


def _similarity(first: str, second: str, least: float) -> float:
    short, long = sorted((len(first), len(second)))
    if short < least * long or long > _ALIGNED:
        return 0.0
    from rapidfuzz.distance import Levenshtein

    return Levenshtein.normalized_similarity(first, second, score_cutoff=least)


def _weighed(text: str, index: ShingleIndex) -> dict[str, float]:
    """The different lines of a text that are compared, and the weight of each: its letters, as far as they are rare."""
    return {line: len(line) * index.rarity(line) for line in text.split(BREAK) if len(line) >= _LINE}


def _shared_lines(light: Mapping[str, float], heavy: Mapping[str, float], line: float, least: int) -> float:
    """The share of the weight of the lighter text's lines that are in the other, or 0 if they say too little."""
    if max(sum(map(len, light)), sum(map(len, heavy))) > _ALIGNED:
        found = [one for one in light if one in heavy]
    else:
        found = [one for one in light if _is_in(one, light, heavy, line)]
    return sum(light[one] for one in found) / sum(light.values()) if sum(map(len, found)) >= least / 2 else 0.0


def _is_in(line: str, own: Collection[str], other: Collection[str], least: float) -> bool:
    """Whether a line is in another text, and not only one of many alike (a litany)."""
    if line in other:
        return True
    score = _best(line, other, least)
    return score > 0 and score >= _best(line, own, least) + _CLEARLY


def _best(line: str, among: Iterable[str], least: float) -> float:
    """In what share of its letters a line agrees with the other line most like it; 0 if in less than `least`."""
    from rapidfuzz import process
    from rapidfuzz.distance import Levenshtein

    others = [one for one in among if one != line]
    found = process.extractOne(line, others, scorer=Levenshtein.normalized_similarity, score_cutoff=least)
    return float(found[1]) if found else 0.0


def near_images(
    views: Sequence[Sequence[int]], *, bits: int, others: Sequence[Sequence[int]] = ()
) -> Iterator[NearImages]:
    """Yield the pairs of images of which a view of one differs in few bits from the look of the other, by their places.

    Args:
        views: of each image, its look and then its other views, of 512 bits each.
        bits: in how many two near images may differ.
        others: images that are compared with those of `views` but not with each other; their places go on from theirs.
    """
    if not views or len(views) + len(others) < 2:
        return
    import numpy as np

    every = [*views, *others]
    look = _words([one[0] for one in every])
    view = _words([one for of_image in every for one in of_image])
    begins = np.cumsum([0, *map(len, every)])
    for first in range(min(len(views), len(every) - 1)):
        after = begins[first + 1]
        bits_of = np.bitwise_count(view[after:] ^ look[first]).sum(1, np.uint16)
        nearest = np.minimum.reduceat(bits_of, begins[first + 1 : -1] - after)
        for one in view[begins[first] + 1 : after]:
            np.minimum(nearest, np.bitwise_count(look[first + 1 :] ^ one).sum(1, np.uint16), out=nearest)
        for place in np.flatnonzero(nearest <= bits):
            yield NearImages(first, first + 1 + int(place), int(nearest[place]))


def _words(looks: Sequence[int]) -> Any:
    """Looks as rows of words of 64 bits."""
    import numpy as np

    return np.frombuffer(b"".join(look.to_bytes(_LOOK, "big") for look in looks), np.uint64).reshape(len(looks), -1)
