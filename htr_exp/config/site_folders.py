"""The folders that the file of a site names, found in a moment: Hydra and OmegaConf, which know all that a file may say, take their time."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from htr_exp.config.choices import conf_dir

_OTHER_KEY = re.compile(r"\$\{(?:site)?\.(\w+)\}")


def site_folders(name: str, config_dirs: Sequence[Path] = (), typed: Mapping[str, str] | None = None) -> dict[str, str]:
    """The values of a site, by their keys in `site`, as its file has them; those that only Hydra finds are left out.

    Args:
        name: of the site.
        config_dirs: the user's config folders, strongest first.
        typed: values that take the place of the file's.
    """
    values = _written(name, config_dirs) | dict(typed or {})
    return {key: found for key in values if (found := _value(key, values)) is not None}


def _written(name: str, config_dirs: Sequence[Path], within: tuple[str, ...] = ()) -> dict[str, Any]:
    """What a site's file says, with what the files say that its list of defaults names."""
    places = (folder / "site" / f"{name}.yaml" for folder in (*config_dirs, conf_dir()))
    file = next((place for place in places if place.is_file()), None)
    if file is None or name in within:
        return {}
    try:
        content = yaml.safe_load(file.read_text("utf-8-sig"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return {}
    if not isinstance(content, dict):
        return {}
    defaults = content.pop("defaults", None)
    values: dict[str, Any] = {}
    others = [one for one in defaults if isinstance(one, str)] if isinstance(defaults, list) else []
    for one in others if "_self_" in others else [*others, "_self_"]:
        values |= content if one == "_self_" else _written(one, config_dirs, (*within, name))
    return values


def _value(key: str, values: Mapping[str, Any], within: tuple[str, ...] = ()) -> str | None:
    """A value in which those of other keys stand in their places; None if there is no such key, or more to find in it."""
    if key in within or not isinstance(values.get(key), str):
        return None
    parts = _OTHER_KEY.split(values[key])  # text, key, text, key, ..., text
    for number in range(1, len(parts), 2):
        found = _value(parts[number], values, (*within, key))
        if found is None:
            return None
        parts[number] = found
    return None if any("${" in text for text in parts[::2]) else "".join(parts)
