"""Characters that are written in two ways by mistake: what a reader sees as one sign, a model learns as two."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

RARE = 0.1
"""Of two signs drawn alike both may be meant; where one is at most so many times as frequent, it is likely a slip."""

Why = Literal["normal form", "one sign", "drawn alike", "other script"]

_ONE_SIGN: tuple[tuple[str, ...], ...] = (
    ("\u0335", "\u0336"),  # short and long stroke through a letter
    ("ꝑ", "p\u0335", "p\u0336", "p\u0332"),
    ("ꝗ", "q\u0335", "q\u0336", "q\u0332"),
    ("ł", "l\u0335", "l\u0336", "l\u0337", "l\u0338"),
    ("đ", "d\u0335", "d\u0336", "d\u0337", "d\u0338"),
    ("ħ", "h\u0335", "h\u0336", "h\u0337", "h\u0338"),
    ("ƀ", "b\u0335", "b\u0336", "b\u0337", "b\u0338"),
    ("ŧ", "t\u0335", "t\u0336", "t\u0337", "t\u0338"),
    ("ꝯ", "ↄ", "ɔ"),  # con
    ("ꝰ", "⁹", "\uf1a6"),  # us
    ("⁊", "\uf158", "\uf1a7"),  # et
    ("ᵃ", "ª"),
    ("ᵒ", "º"),
    ("\u0366", "\u030a"),  # o above, ring above
    ("\uf00a", "\u0304"),  # what MUFI had in its Private Use Area and Unicode has as it is, or composed
    *(
        (private, letter + stroke)  # macron and tilde are one only where one of them is rare
        for private, letter in (("\ue665", "p"), ("\ue681", "q"), ("\ue5dc", "n"), ("\ue68b", "ꝗ"))
        for stroke in ("\u0304", "\u0303")
    ),
    ("\ue8e5", "i\u0366"),
)
"""Ways to code one sign of medieval hands, in NFD; each set's members mean the same wherever they stand.

From the replacements in the tables of CREMMA and HTRomance, and the names of MUFI's characters there.
"""

_DRAWN_ALIKE: tuple[tuple[str, ...], ...] = (
    ("\u0303", "\u0304", "\u0305"),  # the stroke of abbreviation: tilde, macron, overline
    ("\u033e", "\u035b", "\u0309"),  # er: vertical tilde, zigzag, hook
    ("ꝭ", "ꝫ", "\uf1ac"),
)
"""Signs that a project may tell apart, and of which a rare one among many others is likely a slip."""


@dataclass(frozen=True, slots=True)
class Twin:
    """Two ways to write what looks the same.

    Attributes:
        rare: the less frequent one.
        common: the other.
        counts: how often each is there, in the order of the two.
        why: `normal form`, the same character composed and decomposed; `one sign`, of medieval hands; `drawn alike`;
            `other script`, a letter of another script in a word.
    """

    rare: str
    common: str
    counts: tuple[int, int]
    why: Why


Counted = Callable[[Collection[str]], Mapping[str, int]]
"""Counts sequences of characters in all texts."""


def forms(characters: Mapping[str, int], counted: Counted) -> Iterator[Twin]:
    """Yield the characters that texts have both composed and decomposed.

    Args:
        characters: the counts of the texts' code points.
        counted: counts sequences in the texts as they are.
    """
    decomposed = {one: unicodedata.normalize("NFD", one) for one in sorted(characters) if not one.isascii()}
    pairs = {one: other for one, other in decomposed.items() if other != one and set(other) <= characters.keys()}
    times = counted(pairs.values())
    for one, other in pairs.items():
        if times[other]:
            yield _twin(one, other, characters[one], times[other], "normal form")


def signs(characters: Mapping[str, int], counted: Counted) -> Iterator[Twin]:
    """Yield the signs of medieval hands that texts have in several ways.

    Args:
        characters: the counts of the texts' code points in NFD.
        counted: counts sequences in the texts in NFD.
    """
    possible = [
        (why, there)
        for why, sets in (("one sign", _ONE_SIGN), ("drawn alike", _DRAWN_ALIKE))
        for ways in sets
        if len(there := [way for way in ways if set(way) <= characters.keys()]) > 1
    ]
    times = counted({way for _, ways in possible for way in ways})
    why: Why
    for why, ways in possible:  # type: ignore[assignment]
        (common, most), *others = Counter({way: times[way] for way in ways}).most_common()
        yield from (
            Twin(way, common, (count, most), why)
            for way, count in others
            if count and (why == "one sign" or count <= RARE * most)
        )


def confusables(characters: Mapping[str, int], texts: Iterable[str]) -> Iterator[Twin]:
    """Yield pairs that Unicode lists as confusable (UTS 39) and that are likely meant as one.

    Letters of two scripts count where one stands in a word of the other, or on its own in a text of the other; signs of
    one script where one is rare. Nothing is said of pairs in ASCII (l and I), nor of words written wholly in a script.

    Args:
        characters: the counts of the texts' code points in NFD.
        texts: in NFD.
    """
    from confusable_homoglyphs.categories import alias
    from confusable_homoglyphs.confusables import confusables_data

    letters = {one: alias(one) for one in characters if one.isalpha()}
    scripts: Counter[str] = Counter()
    for one, script in letters.items():
        scripts[script] += characters[one]
    main = scripts.most_common(1)[0][0] if scripts else ""
    known = {way for ways in (*_ONE_SIGN, *_DRAWN_ALIKE) for way in ways}
    pairs = {
        (one, alike["c"])
        for one in characters
        for alike in confusables_data.get(one, ())
        if len(alike["c"]) == 1 and alike["c"] in characters and one < alike["c"] and not alike["c"].isascii()
    }
    strangers = _strangers(texts, letters, main) if len(scripts) > 1 else Counter()
    told: set[str] = set()
    for one, other in sorted(pairs, key=lambda pair: -max(characters[pair[0]], characters[pair[1]])):
        if one in known and other in known:
            continue
        if one in letters and other in letters and letters[one] != letters[other]:
            stranger, native = (one, other) if letters[other] == main else (other, one)
            if strangers[stranger] and letters[native] == main and stranger not in told:
                # MICHI with a Greek Ι is confusable with I, l and |: one finding is enough
                told.add(stranger)
                same_case = [
                    alike
                    for pair in pairs
                    if stranger in pair
                    for alike in pair
                    if alike != stranger and letters.get(alike) == main and alike.isupper() == stranger.isupper()
                ]
                native = max(same_case, key=lambda alike: characters[alike], default=native)
                yield Twin(stranger, native, (strangers[stranger], characters[native]), "other script")
        elif unicodedata.category(one)[0] == unicodedata.category(other)[0] != "Z":
            twin = _twin(one, other, characters[one], characters[other], "drawn alike")
            if twin.counts[0] <= RARE * twin.counts[1]:
                yield twin


def _strangers(texts: Iterable[str], letters: Mapping[str, str], main: str) -> Counter[str]:
    """Count letters of other scripts that stand in a word with the main one, or alone as a word."""
    foreign = "".join(sorted(one for one, script in letters.items() if script != main))
    found: Counter[str] = Counter()
    if not foreign:
        return found
    strange = re.compile(f"[{re.escape(foreign)}]")
    words = re.compile(rf"\S*[{re.escape(foreign)}]\S*")
    for word in (word for text in texts for word in words.findall(text)):
        of_word = [one for one in word if one in letters]
        if len(of_word) == 1 or any(letters[one] == main for one in of_word):
            found.update(strange.findall(word))
    return found


def _twin(one: str, other: str, times: int, other_times: int, why: Why) -> Twin:
    if times <= other_times:
        return Twin(one, other, (times, other_times), why)
    return Twin(other, one, (other_times, times), why)


def spelled(text: str) -> str:
    """Characters as they look and by their code points: `ꝑ U+A751`; marks and what is not printed by code alone."""
    shown = text if text.isprintable() and text.strip() and not unicodedata.combining(text[0]) else ""
    return f"{shown} {' '.join(f'U+{ord(one):04X}' for one in text)}".strip()


def listed(texts: Sequence[str]) -> str:
    """Characters one after the other, each as `spelled` has it."""
    return ", ".join(map(spelled, texts))
