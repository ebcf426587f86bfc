"""The font of a report: the characters of its texts, out of a font that has the signs of medieval manuscripts.

MUFI's signs are in Unicode's private area, where fonts of most machines have nothing. A page that shows some of them
carries the glyphs of Junicode 2 for all characters of its texts that this font has: a line is not to be set in two fonts.
"""

from __future__ import annotations

import base64
import io
import unicodedata
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

FONT = Path(__file__).parent / "fonts" / "JunicodeTwoBeta-Regular.otf"

_COMMON = ((0x0000, 0x0180), (0x0300, 0x0363), (0x0370, 0x0530), (0x0590, 0x0780), (0x1E00, 0x2070))
"""Ranges that fonts of all machines have: Latin with its accents, Greek, Cyrillic, Hebrew, Arabic, Syriac, punctuation."""

_FEATURES = ["mark", "mkmk"]
"""What puts marks in their places. Ligatures and variants are left out: a text is shown as it is typed."""

_NOT_NEEDED = ["GSUB", "DSIG", "STAT"]
"""Tables for ligatures and variants, signatures and families; reading the first takes a second."""


def is_rare(sign: str) -> bool:
    """Whether many machines have no glyph for a character."""
    code = ord(sign)
    return not any(first <= code < end for first, end in _COMMON)


def font_uri(texts: Iterable[str]) -> str:
    """A font for texts as a data URI, the same bytes for the same characters; "" where they need none.

    Args:
        texts: all that is to be shown in it.
    """
    signs = set().union(*texts)
    signs |= {one for sign in signs for one in unicodedata.normalize("NFD", sign)}
    if not any(map(is_rare, signs)):
        return ""
    there = {ord(sign) for sign in signs} & _has()
    if not any(is_rare(chr(code)) for code in there):
        return ""
    return f"data:font/otf;base64,{base64.b64encode(_subset(there)).decode()}"


@cache
def _has() -> frozenset[int]:
    """The code points of the font."""
    return frozenset(_opened().getBestCmap())


def _opened() -> Any:
    from fontTools.ttLib import TTFont  # a page without rare signs does not need it

    return TTFont(io.BytesIO(FONT.read_bytes()), recalcTimestamp=False, lazy=True)


def _subset(codes: set[int]) -> bytes:
    from fontTools.subset import Options, Subsetter

    options = Options(layout_features=_FEATURES, hinting=False, desubroutinize=True, notdef_outline=True)
    options.drop_tables = [*options.drop_tables, *_NOT_NEEDED]
    options.name_IDs = [0, 1, 2, 13, 14]  # whose font it is, and its licence
    subsetter = Subsetter(options)
    subsetter.populate(unicodes=sorted(codes))
    font = _opened()
    subsetter.subset(font)
    out = io.BytesIO()
    font.save(out)
    return out.getvalue()
