"""No value of a configuration holds a secret: all of them are recorded, and records are copied, published and uploaded."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from htr_exp.core.problem import Problem
from htr_exp.core.secrets import is_secret, names_secret, variable_names_secret, without_password

_FROM_ENVIRONMENT = re.compile(r"\$\{\s*oc\.env\s*:\s*([^,}\s]+)")

_WHAT = "it holds a secret (a password in an address, a token, the value of a variable such as MLFLOW_TRACKING_PASSWORD), and every value is recorded"
_REMEDY = "take it out: a program that needs it reads it from a variable of its own"
_OF_SERVER = "write the address alone, and set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"


def words_with_secrets(words: Sequence[str]) -> list[Problem]:
    """What is wrong with words that were typed; what they hold is not repeated."""
    found = []
    for word in words:
        key, _, value = word.partition("=")
        if is_secret(word) or _names_user(key, value) or (value not in ("", "null") and names_secret(key)):
            found.append(_problem("a word" if is_secret(key) else key.lstrip("+~")))
    return found


def values_with_secrets(written: Any, resolved: Any) -> list[Problem]:
    """What is wrong with values, wherever they come from.

    Args:
        written: the configuration as it is written, with its interpolations.
        resolved: the same with their values.
    """
    found = [
        _problem(key)
        for key, value in _texts("", resolved)
        if is_secret(value) or names_secret(key) or _names_user(key, value)
    ]
    for key, value in _texts("", written):
        for name in _FROM_ENVIRONMENT.findall(value):
            if variable_names_secret(name):
                what = f"{key}: it comes from the variable {name}, which is called as secrets are, and every value is recorded"
                found.append(Problem(what, _remedy(key), key))
    return list({problem.where: problem for problem in found}.values())


def _names_user(key: str, value: str) -> bool:
    """Whether the address of a server holds a user, which may be a token."""
    return key == "tracking.uri" and without_password(value) != value


def _problem(key: str) -> Problem:
    return Problem(f"{key}: {_WHAT}", _remedy(key), key)


def _remedy(key: str) -> str:
    return _OF_SERVER if key == "tracking.uri" else _REMEDY


def _texts(key: str, value: Any) -> Iterator[tuple[str, str]]:
    """The keys and texts of a configuration, also of lists and of the keys themselves."""
    if isinstance(value, dict | list):
        for name, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _texts(f"{key}.{name}" if key else str(name), one)
    elif isinstance(value, str) and value:
        yield key, value
