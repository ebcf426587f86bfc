"""Whether what was read from a JSON file of a run folder is the record that it should be: anybody may have edited it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints, is_typeddict

from htr_exp.core.files import read_jsonl

_Record = TypeVar("_Record")


def fits(value: Any, kind: Any) -> bool:
    """Whether a value that was read from JSON is what it should be; a key that is not there, or not known, is no fault.

    Args:
        value: what somebody may have edited.
        kind: a type, a union, a list or a dictionary of such, or a record of `runs.records`.
    """
    return _check(kind)(value)


@cache
def _check(kind: Any) -> Callable[[Any], bool]:
    """The function that `fits` asks, made once a kind: a table of runs reads some ten thousand records."""
    if kind is Any:
        return lambda _: True
    if is_typeddict(kind):
        return partial(_is_record, [(key, _check(hint)) for key, hint in get_type_hints(kind).items()])
    match get_origin(kind):
        case None:
            return partial(_is, int | float if kind is float else kind)
        case origin if origin in (Union, UnionType):
            any_of = [_check(one) for one in get_args(kind)]
            return lambda value: any(check(value) for check in any_of)
        case origin if origin is list:
            each = _check(get_args(kind)[0])
            return lambda value: isinstance(value, list) and all(map(each, value))
    each = _check(get_args(kind)[1])
    return lambda value: isinstance(value, dict) and all(map(each, value.values()))


def _is_record(checks: Sequence[tuple[str, Callable[[Any], bool]]], value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    for key, check in checks:  # noqa: SIM110 - a loop takes half the time of `all`, and a table of runs has a million keys
        if key in value and not check(value[key]):
            return False
    return True


def _is(kind: Any, value: Any) -> bool:
    return isinstance(value, kind)


def read_records(path: Path, kind: type[_Record], *needs: str) -> list[_Record]:
    """The records of a JSON Lines file that are what they should be.

    Args:
        path: the file; one that is not there has none.
        kind: of record.
        needs: keys without which a record says nothing.

    Raises:
        OSError: it cannot be read.
    """
    return [one for one in read_jsonl(path, *needs) if fits(one, kind)]
