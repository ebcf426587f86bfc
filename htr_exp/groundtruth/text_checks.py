"""What is odd about transcriptions, character by character."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from unicodedata import is_normalized

from htr_exp.groundtruth.model import Line, Note

_SPACE = re.compile("[^\\S ]")  # white space other than a blank
_INVISIBLE = re.compile("[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
                        "\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff]")  # fmt: skip
"""Soft hyphen, zero width, directions, variation selectors, byte order mark: Unicode's Default_Ignorable_Code_Point."""
_PRIVATE = re.compile("[\ue000-\uf8ff\U000f0000-\U0010fffd]")
_UNKNOWN = re.compile("[\ufffd\ufdd0-\ufdef\ufffe\uffff]")  # the replacement character, and what is no character

_ODDITIES: tuple[tuple[str, Callable[[str], object]], ...] = (
    ("text_with_outer_space", lambda text: text != text.strip()),
    ("text_with_odd_space", lambda text: _SPACE.search(text)),
    ("text_with_double_space", lambda text: "  " in text),
    ("text_with_invisible", lambda text: _INVISIBLE.search(text)),
    ("text_with_private_use", lambda text: _PRIVATE.search(text)),
    ("text_with_unknown", lambda text: _UNKNOWN.search(text)),
)


def tidy(text: str) -> str:
    """A text without invisible characters, with single blanks between words."""
    return " ".join(_INVISIBLE.sub("", text).split())


def oddities(lines: Sequence[Line]) -> Iterator[Note]:
    """Yield each kind of odd characters with the ids of the lines that have them."""
    for code, test in _ODDITIES:
        if ids := tuple(line.id for line in lines if test(line.text)):
            yield code, ids


def forms(lines: Sequence[Line]) -> dict[str, list[str]]:
    """The ids of the lines whose text shows its Unicode normal form: NFC, NFD, or neither of both.

    A text that is the same in both forms shows nothing.
    """
    found: dict[str, list[str]] = {}
    for line in lines:
        if not line.text.isascii():
            composed, decomposed = is_normalized("NFC", line.text), is_normalized("NFD", line.text)
            if not (composed and decomposed):
                found.setdefault("NFC" if composed else "NFD" if decomposed else "neither", []).append(line.id)
    return found
