"""The numbers of PAGE and ALTO: coordinate lists, as either writes them, and sizes."""

from __future__ import annotations

import re
from itertools import groupby
from operator import eq

from htr_exp.groundtruth.model import Points

_NUMBER = re.compile(r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?")

_FARTHEST = 1 << 31  # pixels; what lies beyond is no coordinate


def points(text: str | None) -> Points:
    """The points of a coordinate list without immediate repetitions; empty if it cannot be read."""
    if not text:
        return ()
    words = text.replace(",", " ").split()
    try:
        numbers = map(_integers.__getitem__, words)
        found = tuple(zip(numbers, numbers, strict=False))
    except ValueError:
        if _NUMBER.sub("", text).strip(" \t\r\n,()"):
            return ()
        words = [number.group() for number in _NUMBER.finditer(text)]
        if any(abs(float(word)) > _FARTHEST for word in words):
            return ()
        numbers = map(int, map(float, words))
        found = tuple(zip(numbers, numbers, strict=False))
    if len(words) % 2:
        return ()
    if any(map(eq, found, found[1:])):
        return tuple([point for point, _ in groupby(found)])
    return found


class _Integers(dict[str, int]):
    """The integers by their digits: coordinates repeat so often that looking one up is half the cost of reading it."""

    def __missing__(self, digits: str) -> int:
        number = int(digits)
        if abs(number) > _FARTHEST:
            raise ValueError(digits)
        if len(self) < 50_000:
            self[digits] = number
        return number


_integers = _Integers()


def integer(text: str | None) -> int:
    """The whole number of an attribute; 0 if it has none."""
    try:
        number = int(float(text or 0))
    except (ValueError, OverflowError):
        return 0
    return number if abs(number) <= _FARTHEST else 0
