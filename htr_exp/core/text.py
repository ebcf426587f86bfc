"""Counts, lists, shares, times and sizes as people read them, and text of others as a terminal may be given it."""

from __future__ import annotations

import re
from collections.abc import Sequence

_STEERING = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # control characters, C0, DEL and C1
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # what changes the direction of the text around it
    "\u2028\u2029"  # separators of lines and paragraphs
    "\ud800-\udfff"  # bytes of a file name that are no UTF-8: no stream takes them
    "]"
)
_SHORT = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}


def printable(text: str) -> str:
    """Text as one line that cannot steer a terminal: control characters and those that turn the direction are written as in JSON.

    Letters of every script stay as they are.
    """
    return _STEERING.sub(_escape, text)


def printable_lines(text: str) -> str:
    """The same for text whose own newlines and tabs are meant."""
    return _STEERING.sub(lambda found: found[0] if found[0] in "\n\t" else _escape(found), text)


def _escape(found: re.Match[str]) -> str:
    return _SHORT.get(found[0], f"\\u{ord(found[0]):04x}")


def thousands(number: float) -> str:
    """A whole number as people read it: `12 345`, with narrow blanks that do not break."""
    return f"{round(number):,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def counted(number: float, noun: str, several: str | None = None) -> str:
    """A number with its noun: `1 line`, `2 lines`.

    Args:
        number: how many.
        noun: the word for one.
        several: the word for more than one, where it is not the noun with an s.
    """
    return f"{number} {noun if number == 1 else several or f'{noun}s'}"


def and_more(number: int, what: str = "") -> str:
    """What ends a list that is cut short: `and 3 more`, `and 3 more texts`; nothing where nothing was left out."""
    return f"and {number} more {what}".rstrip() if number > 0 else ""


def first_of(names: Sequence[str], shown: int) -> str:
    """The first names of a list, and how many more there are: `a, b and 3 more`."""
    return f"{', '.join(names[:shown])} {and_more(len(names) - shown)}".rstrip()


def joined(names: Sequence[str], last: str = "and") -> str:
    """Names as a sentence has them: `a, b and c`."""
    return f" {last} ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def percent(share: float | None) -> str:
    """A share as percent with two decimals, or a dash."""
    return "-" if share is None else f"{100 * share:.2f} %"


def between(low: str, high: str) -> str:
    """An interval of two figures, whose unit is said once: `6.86 to 10.72 %`."""
    return f"{low.removesuffix(' %')} to {high}"


def sentence(text: str) -> str:
    """Words as a sentence: with a capital, and a full stop."""
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"


def duration(seconds: float) -> str:
    """A time in the unit that fits."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def size(count: float) -> str:
    """A number of bytes in the unit that fits, as disks are sold: 1 GB is 10^9 bytes."""
    for unit, factor in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            return f"{count / factor:.{1 if count < 10 * factor else 0}f} {unit}"
    return f"{count:.0f} bytes"
