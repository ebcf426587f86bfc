"""What a file of ground truth leaves open and a dataset decides: which of several texts is read, and a line's hyphen."""

from __future__ import annotations

from dataclasses import dataclass

LOWEST, FIRST, LAST = "lowest", "first", "last"

OTHER_TEXT = ("text_not_first", "text_from_words", "text_without_blanks", "text_with_hyphen")
"""Codes of the notes on lines whose text kraken itself reads otherwise."""


@dataclass(frozen=True, slots=True)
class Choices:
    """How the text of a line is read where its file leaves a choice.

    Attributes:
        text_equiv: which `TextEquiv` of PAGE is read. `lowest`: that of the lowest index, as the format says, and where
            none has an index the first. `first` or `last`: by the place in the file. Digits: that of this index, and
            where a line has none the lowest. One without text is passed over as long as there is another.
        hyphens: whether the hyphen of ALTO (`HYP`) belongs to the text.
    """

    text_equiv: str = LOWEST
    hyphens: bool = True


DEFAULT = Choices()


def in_order(found: list[tuple[int | None, str]], wanted: str) -> list[int]:
    """The places of a line's transcriptions, the one that is to be read first.

    Args:
        found: index (None: it has none) and text of each, in the order of the file.
        wanted: as in `Choices.text_equiv`.
    """
    places = list(range(len(found)))
    if wanted == LAST:
        places.reverse()
    elif wanted != FIRST:
        by_index = sorted(places, key=lambda place: (found[place][0] is None, found[place][0] or 0))
        asked = int(wanted) if wanted.isdigit() else None
        places = sorted(by_index, key=lambda place: asked is None or found[place][0] != asked)
    return sorted(places, key=lambda place: not found[place][1].strip())
