"""The two orders of a line's characters: logical, as it is typed and read, and display, as it stands from left to right.

Ground truth is in logical order; kraken learns the display order, and writes it with `--no-reorder`. They differ where
something is written from right to left. To display order goes what kraken itself does: the Unicode Bidirectional Algorithm
(UAX #9) as kraken/lib/bidi of 7.1.1 has it, or as algorithm.py of python-bidi has it, which 4.3.13 uses. That is not its own
inverse. The way back to logical order is ours: the algorithm once more, but with a direction of the line that is found in
what is displayed, and with marks held at their letters (the approach of ICU's UBIDI_REORDER_INVERSE_LIKE_DIRECT, ubidi.h).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

import bidi
import regex
from bidi.algorithm import get_display as display_of_4_3
from bidi.mirror import MIRRORED

from htr_exp.groundtruth.as_kraken.values import refused

Release = Literal["4.3", "7.1"]

_BLANK = re.compile(r"[\t-\r\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]")
"""What `\\s` of the library regex finds, the blank itself left out: a text without any is looked at four times as fast."""

_CONTROLS = r"\p{bc=BN}\p{bc=LRE}\p{bc=RLE}\p{bc=LRO}\p{bc=RLO}\p{bc=PDF}\p{bc=LRI}\p{bc=RLI}\p{bc=FSI}\p{bc=PDI}"
_CONTROL = regex.compile(f"[{_CONTROLS}]")

_SAME = re.compile(
    r"[\t-\r -~\xa0-\xac\xae-\u058f\u0900-\u180d\u180f-\u200a\u2010-\u2029\u202f-\u205f\u2070-\ufb1c\ufe00-\ufe6f]*"
)
"""A text that is the same in both orders: the first plane without all that is right-to-left or a control."""

_LETTER = regex.compile(r"(?P<L>\p{bc=L})|(?P<R>[\p{bc=R}\p{bc=AL}])")

# On display, the marks of a right-to-left letter stand before it. Marks after a letter or digit from left to right are
# its own, unless only Hebrew, Arabic, Syriac and their neighbours have them.
_MARKS_AND_LETTER = regex.compile(
    r"((?<![\p{bc=L}\p{bc=EN}\p{bc=AN}]\p{bc=NSM}*)\p{bc=NSM}+|(?:(?=\p{bc=NSM})[\u0591-\u08ff\ufb1e])+)([\p{bc=R}\p{bc=AL}])"
)

# Pairs of Unicode 17 that python-bidi's table lacks: signs of mathematics, and editors' brackets.
_MORE = "∟⯾∠⦣∡⦛∢⦠∤⫮≅≌⊸⟜⟋⟍⦤⦥⦨⦩⦪⦫⦬⦭⦮⦯⧨⧩⩻⩼⪅⪆⪇⪈⪉⪊⪍⪎⪏⪐⪝⪞⪟⪠⪱⪲⪵⪶⪷⪸⪹⪺⫇⫈⫉⫊⫋⫌⹕⹖⹗⹘⹙⹚⹛⹜"
_MIRROR = {**MIRRORED, **dict(zip(_MORE[::2], _MORE[1::2])), **dict(zip(_MORE[1::2], _MORE[::2]))}
_MIRRORED = re.compile(f"[{re.escape(''.join(_MIRROR))}]")

_FIRST, _SECOND = "\U000e01ee", "\U000e01ef"
"""Two marks that no text has (the last variation selectors), to see which way a character was turned."""

_TURNED = re.compile(f"{_SECOND}{_FIRST}(.)")


def blanks(text: str) -> str:
    """A text with each white-space character as a blank and none at the ends, as kraken normalises white space."""
    return _BLANK.sub(" ", text).strip()


def display_order(text: str, release: Release) -> str:
    """A transcription as this release of kraken learns it: from left to right, brackets mirrored, without controls.

    Args:
        text: in logical order. White space is made blanks first, as kraken does, where anything is reordered.
        release: 4.3 knows neither pairs of brackets nor isolates; a text over which it stops is as 7.1 has it.
    """
    if _SAME.fullmatch(text):
        return text
    text = blanks(text)
    if release == "4.3" and refused(text) is None:
        return str(display_of_4_3(text))
    return _displayed(text)


def logical_order(displayed: str) -> str:
    """What is displayed as it is read, each mark behind its letter; invisible controls are left out.

    It depends on nothing but the text, so that two texts that are displayed alike stay alike. Which of several texts that
    are displayed alike was typed, nobody can know.
    """
    if _SAME.fullmatch(displayed):
        return displayed
    held = _marks_behind_letters(_CONTROL.sub("", blanks(displayed)))
    return _marks_behind_letters(_displayed(held, _direction(held)))


def main_direction(lines: Iterable[str]) -> Literal["horizontal-lr", "horizontal-rl"]:
    """The direction of most lines, as kraken calls it: in it, columns and lines of a page follow each other."""
    balance = 0
    for line in filter(None, lines):
        balance += 1 if not _SAME.fullmatch(line) and _direction(line) == "R" else -1
    return "horizontal-rl" if balance > 0 else "horizontal-lr"


def _displayed(text: str, direction: Literal["L", "R"] | None = None) -> str:
    """Apply UAX #9 with all of its rules but L3; the direction of the line is that of its first letter, unless it is given."""
    marked = _MIRRORED.sub(rf"\g<0>{_FIRST}{_SECOND}", text)
    turned = str(bidi.get_display(marked, base_dir=direction))  # mirrors nothing, and keeps what rule X9 removes
    mirrored = _TURNED.sub(lambda found: _MIRROR[found[1]], turned)
    return _CONTROL.sub("", mirrored.replace(_FIRST + _SECOND, ""))


def _marks_behind_letters(text: str) -> str:
    return _MARKS_AND_LETTER.sub(lambda found: found[2] + found[1][::-1], text)


def _direction(displayed: str) -> Literal["L", "R"]:
    """The direction of a displayed line: of its outermost letters, or where they differ, of most; the leftmost decides a tie."""
    letters = [found.lastgroup for found in _LETTER.finditer(displayed)]
    from_right, from_left = letters.count("R"), letters.count("L")
    if letters and (letters[0] == letters[-1] or from_right == from_left):
        return "R" if letters[0] == "R" else "L"
    return "R" if from_right > from_left else "L"
