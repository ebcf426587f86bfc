"""What looks like a secret, for all that is written down or shown: one definition.

A run folder is copied, published and uploaded. So no value of a configuration may hold a secret (`config.recorded`), and what is written all
the same (a diff, a log, what a server says) is written without it.
"""

from __future__ import annotations

import json
import os
import re
from functools import lru_cache

LEFT_OUT = "[left out: this line looks like a secret]"
HIDDEN = "[secret]"

_SHORTEST = 8
"""Characters of a secret: shorter values of variables are words that occur everywhere."""

_NAME = r"(?:password|passwd|passphrase|secret|token|api_?key|access_?key|private_?key|credentials?)"

_PASSWORD = re.compile(r"\b([a-z][a-z0-9+.-]*://)[^\s/'\"?#:]*:[^\s/'\"]*@", re.IGNORECASE)  # in an address
_TOKENS = ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "hf_", "sk-", "xoxa-", "xoxb-", "xoxp-")
"""So tokens begin that say whose they are."""

_SHAPE = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----"
    rf"|\b(?:{'|'.join(_TOKENS)})[A-Za-z0-9_-]{{16,}}"
    r"|\bAKIA[0-9A-Z]{16}\b"
    r"|\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]+",  # a JSON Web Token
)
_MARKS = ("PRIVATE KEY", *_TOKENS, "AKIA", "eyJ")
"""One of these is in whatever has such a shape; looking for them takes a hundredth of the time."""

_BESIDE_ITS_NAME = re.compile(
    rf"{_NAME}\w*['\"]?\s*(?:=|:(?!\s*(?:str|bytes|Any)\b))\s*"
    r"(?:['\"][^'\"\s]{6,}['\"]|[^'\"\s(){}\[\]$.,]{6,}\s*(?:\#.*)?$)",
    re.IGNORECASE,
)
_NAMED = re.compile(rf"{_NAME}s?$", re.IGNORECASE)
_VARIABLE = re.compile(rf"(?:^|_)(?:{_NAME}s?|pass|pwd|pat|pw)(?:$|_)", re.IGNORECASE)
_PLACES = ("_PATH", "_FILE", "_DIR", "_URL")  # of variables that say where a secret is


def is_secret(text: str) -> bool:
    """Whether a value holds a password in an address, a token of a known shape, or a secret of our environment."""
    return hidden(text) != text


def line_is_secret(line: str) -> bool:
    """Whether a line of code or configuration holds one, also beside a name that says so (`token: ...`)."""
    return is_secret(line) or _BESIDE_ITS_NAME.search(line) is not None


def names_secret(key: str) -> bool:
    """Whether a key is called as secrets are: `slurm.extra.api_key`, `password`."""
    return _NAMED.search(key) is not None


@lru_cache(maxsize=4096)  # every cell of a table is looked at
def variable_names_secret(name: str) -> bool:
    """Whether an environment variable is called as those are that hold secrets: `MLFLOW_TRACKING_PASSWORD`, `GITHUB_TOKEN`."""
    return _VARIABLE.search(name) is not None and name not in ("PWD", "OLDPWD") and not name.endswith(_PLACES)


def hidden(text: str) -> str:
    """A text without the secrets in it: addresses keep their host."""
    if len(text) < _SHORTEST:
        return text
    if "://" in text:
        text = _PASSWORD.sub(rf"\1{HIDDEN}@", text)
    if any(mark in text for mark in _MARKS):
        text = _SHAPE.sub(HIDDEN, text)
    for value in _of_environment():
        text = text.replace(value, HIDDEN)
    return text


def without_password(address: str) -> str:
    """An address without user and password."""
    return re.sub(r"//[^/?#]*@", "//", _PASSWORD.sub(r"\1", address))


def _of_environment() -> list[str]:
    """The secrets of our environment, as they are and as JSON has them."""
    named = [os.environ[name] for name in os.environ if variable_names_secret(name)]
    values = [value for value in named if len(value) >= _SHORTEST]
    return list(dict.fromkeys([*values, *(json.dumps(value, ensure_ascii=False)[1:-1] for value in values)]))
