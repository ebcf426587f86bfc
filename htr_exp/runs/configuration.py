"""Reads the configuration of a run folder, which may be damaged or somebody else's: no text of it ends the program, or fills its memory."""

from __future__ import annotations

import contextlib
import copy
import re
from functools import lru_cache
from typing import Any

import yaml

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the first is ten times as fast

DEEPEST = 10_000
"""Levels that are read; from 20,000 on the loader in C ends the program by SIGSEGV, and that in Python takes minutes."""


NO_KEYS = "it has no keys"
"""Said of a configuration that is a list, a number or nothing."""

USUAL = 100
"""Levels that are used; those who walk through values do so by recursion."""


def parsed(text: str) -> Any:
    """The values of a YAML text.

    Raises:
        ValueError: it is not YAML, is nested too deeply, or refers to parts of itself: a few lines of references stand for millions of values.
    """
    if len(text) >= DEEPEST and _most_levels(text) >= DEEPEST:
        raise ValueError("it is nested too deeply")
    try:
        if (
            "&" in text
            and "*" in text
            and any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, _Loader))
        ):
            raise ValueError("it refers to parts of itself")
        values = yaml.load(text, _Loader)  # noqa: S506 - a safe loader
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None
    if _levels(values) > USUAL:
        raise ValueError("it is nested too deeply")
    return values


def keys_and_values(text: str) -> dict[str, Any]:
    """The configuration of a run.

    Raises:
        ValueError: as for `parsed`, or it has no keys.
    """
    values = parsed(text)
    if not isinstance(values, dict):
        raise ValueError(NO_KEYS)  # noqa: TRY004 - of a text, as all else that is wrong with it
    return values


def flat(values: Any, prefix: str = "") -> dict[str, Any]:
    """A nested configuration as dotted keys with plain values."""
    if isinstance(values, dict):
        return {key: leaf for name, inner in values.items() for key, leaf in flat(inner, f"{prefix}{name}.").items()}
    return {prefix[:-1]: values}


def settings(text: str) -> dict[str, Any]:
    """The values of a run's configuration by dotted keys.

    The runs of a sweep have most sections in common, and each section is parsed once. A reference to another section has
    no meaning in one that is parsed alone, so that it is refused, too.

    Args:
        text: as `yaml.safe_dump` writes it; any other is parsed as a whole.

    Raises:
        ValueError: as for `parsed`, or it has no keys.
    """
    if sections := _sections(text):
        with contextlib.suppress(ValueError):  # the whole says better what is wrong, and where
            return {key: value for one in sections for key, value in _flat_section(one)}
    return flat(keys_and_values(text))


def _sections(text: str) -> list[str] | None:
    """The parts of a text that each have one key of the first level; None where it is not so simple."""
    parts = _NEW_PART.split(text)
    return parts if all(map(_KEY.match, parts)) else None


_NEW_PART = re.compile(r"(?<=\n)(?![ #-]|\Z)")
"""Before a line that is not indented and holds no item of a list: `yaml.safe_dump` does not indent these."""
_KEY = re.compile(r"[a-z_]+:(?: |$)", re.MULTILINE)


@lru_cache(maxsize=4096)
def _flat_section(text: str) -> tuple[tuple[str, Any], ...]:
    values = parsed(text)
    return tuple(flat(values).items()) if isinstance(values, dict) else ()


def section(text: str, name: str) -> Any:
    """What stands under one key of the first level, read alone: a workspace may have thousands of runs. None if the key is not there.

    Args:
        text: as `yaml.safe_dump` writes it.
        name: the key.

    Raises:
        ValueError: as for `parsed`.
    """
    found = re.search(rf"^{re.escape(name)}:.*\n?(?:[ \t].*\n?|\n)*", text, re.MULTILINE)
    values = _parsed_section(found[0]) if found else None
    return copy.deepcopy(values.get(name)) if isinstance(values, dict) else None


_parsed_section = lru_cache(maxsize=4096)(parsed)


def _levels(values: Any) -> int:
    count, level = 0, [values]
    while level := [one for one in level if isinstance(one, dict | list)]:
        count += 1
        level = [inner for one in level for inner in (one.values() if isinstance(one, dict) else one)]
    return count


def _most_levels(text: str) -> int:
    """More levels than a text can have: brackets, and what one line may open beside the levels of its indentation."""
    lines = (len(line) - len(line.lstrip(" ")) + sum(map(line.count, "-?:")) for line in text.splitlines())
    return text.count("[") + text.count("{") + max(lines, default=0)
