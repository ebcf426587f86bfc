"""Text of others in parts, so that what cannot be seen in it, or is not what it seems, can be shown as such."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

_UNSEEN = ("Cf", "Cc", "Cn", "Co", "Cs", "Zl", "Zp")


@dataclass(frozen=True)
class Piece:
    """A part of a text.

    Attributes:
        text: as it is, or what stands for it: a code point, or a box for a blank.
        mark: of what cannot be seen, or has no meaning of its own: its code point and name. Empty for plain text.
    """

    text: str
    mark: str = ""


def pieces(text: str, *, whole: bool = True) -> list[Piece]:
    """A text in parts, plain ones and marked ones in turn.

    Args:
        text: of a line, a word, a character.
        whole: blanks at its ends are at the ends of a line, where nobody sees them.
    """
    found: list[Piece] = []
    plain = ""
    for place, sign in enumerate(text):
        outer = whole and sign == " " and (not text[:place].strip() or not text[place:].strip())
        double = sign == " " and text[place - 1 : place] == " "
        kind = unicodedata.category(sign)
        if kind in _UNSEEN or sign == "\ufffd":
            code, private = f"U+{ord(sign):04X}", kind == "Co"
            shown = sign if private else code
            mark = f"{code} {unicodedata.name(sign, 'private use' if private else '')}".strip()
        elif (sign.isspace() and sign != " ") or outer or double:
            shown, mark = "\N{OPEN BOX}", f"U+{ord(sign):04X} {unicodedata.name(sign, 'white space')}"
        else:
            plain += sign
            continue
        if plain:
            found.append(Piece(plain))
            plain = ""
        found.append(Piece(shown, mark))
    return [*found, Piece(plain)] if plain else found
