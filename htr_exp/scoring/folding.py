"""What two transcriptions may write differently by convention alone is made the same, before `cer_folded` compares them.

The table stands in the configuration (`scores.folding`), where everybody can read and change it. It is applied alike to the
reference and to what was read, in a single pass, so that no replacement is replaced again.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping


class Folding:
    """Makes texts the same that differ by convention alone."""

    def __init__(self, rows: Iterable[str], *, case: bool, punctuation: bool) -> None:
        """Read the table.

        Args:
            rows: what is written and, after a blank, what it counts as; what stands alone is left out. The longest that fits
                is taken. A row of one mark holds for every letter that has it.
            case: capital and small letters are the same.
            punctuation: what has the category P of Unicode is left out, but for what a row names.
        """
        self._case = case
        parts = [self._prepared(unicodedata.normalize("NFC", row)).split() for row in rows]
        counts_as = {written: "".join(others) for written, *others in parts}
        self._several = {written: other for written, other in counts_as.items() if len(written) > 1}
        longest_first = sorted(self._several, key=len, reverse=True)
        self._pattern = re.compile(f"({'|'.join(map(re.escape, longest_first))})") if longest_first else None
        single = {ord(written): other for written, other in counts_as.items() if len(written) == 1}
        self._table = _Table(single, without_punctuation=punctuation)

    def _prepared(self, text: str) -> str:
        return text.lower() if self._case else text

    def __call__(self, text: str) -> str:
        """A normalised text (`lines.normalise`) as `cer_folded` sees it, which is again normalised."""
        text = self._prepared(text)
        if self._pattern is None:
            text = text.translate(self._table)
        else:  # every second part is one that the pattern found
            found = enumerate(self._pattern.split(text))
            text = "".join(self._several[one] if place % 2 else one.translate(self._table) for place, one in found)
        return " ".join((text if text.isascii() else unicodedata.normalize("NFC", text)).split())


class _Table(dict[int, int | str]):
    """What each code point counts as, worked out when it is first met."""

    def __init__(self, single: Mapping[int, str], *, without_punctuation: bool) -> None:
        super().__init__(single)
        self._without_punctuation = without_punctuation

    def __missing__(self, code: int) -> int | str:
        sign = chr(code)
        parts = unicodedata.normalize("NFD", sign)
        if self._without_punctuation and unicodedata.category(sign).startswith("P"):
            self[code] = ""
        elif parts == sign:
            self[code] = code
        else:
            self[code] = parts.translate(self)
        return self[code]
