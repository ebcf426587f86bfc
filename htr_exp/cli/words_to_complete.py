"""What may stand at a place of a command line: verbs, options, groups, choices, keys, their values, files, and names of runs."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

from htr_exp.cli.arguments import NAMING, VERBS, verb_parser
from htr_exp.cli.on_site import MOVING, THERE
from htr_exp.core.errors import ConfigError

PATHS = re.compile(
    r".*\.(path|table|image|metadata|characters|trained_on|ketos|workspace|ground_truth|models|runs|cache|images)|split\.lists\..*|predictions|system_trained_on"
)
"""Keys whose values are files and folders."""

IN_SITE = {
    "dataset": "ground_truth",
    "dataset.path": "ground_truth",
    "model.path": "models",
    "model.file": "models",
    "segmentation_model.path": "models",
    "segmentation_model.file": "models",
}
"""Groups and keys whose values are looked for in a folder of the site, too, by their names alone."""


def candidates(before: Sequence[str], typed: str) -> Iterable[str]:
    """What may stand behind some words, among it all that begins as typed.

    Args:
        before: the words behind the program's name.
        typed: the beginning of the next one.
    """
    if not before:
        return [*VERBS, "--help", "--version"]
    verb = before[0]
    if verb not in VERBS:
        return []
    line, family, options = _Line(before), VERBS[verb].family, _options(verb)
    option, equals, value = typed.partition("=")
    if equals and option in options:
        return [f"{option}={word}" for word in line.values_of_option(options[option], value)]
    if typed.startswith("-"):
        return options
    if options.get(before[-1]):
        return line.values_of_option(options[before[-1]], typed)
    if family == "completion":
        return ["bash", "zsh", "fish"]
    if typed.startswith("on=") and verb in (*MOVING, *THERE):
        return line.reachable()
    if family in ("runs", "store", "ui"):
        return [
            *(["on="] if typed and verb in (*MOVING, *THERE) else []),
            "last",
            *line.runs(),
            *line.settings(typed, ("site", "slurm") if verb in ("resume", "test") else ("site",)),
        ]
    if family == "options":
        return line.groups_and_keys()
    return [*line.settings(typed), *(_paths(typed) if family in NAMING and "=" not in typed else ())]


class _Line:
    """The words of a command line, and the configuration and the site that it is about.

    Hydra and OmegaConf would take longer than somebody waits; and what takes a moment is imported where it is needed.

    Args:
        words: behind the program's name.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self._words = words

    def _option(self, name: str) -> str | None:
        """What stands behind an option."""
        for number, word in enumerate(self._words):
            if word == name and number + 1 < len(self._words):
                return self._words[number + 1]
            if word.startswith(f"{name}="):
                return word.partition("=")[2]
        return None

    @cached_property
    def _config_dirs(self) -> list[Path]:
        from htr_exp.config.choices import overlays

        try:
            return overlays(self._option("--config-dir"))
        except ConfigError:
            return []

    @cached_property
    def _site(self) -> dict[str, str]:
        """The folders of the site that the line or the workspace says, by their keys; none where nothing can be said of it."""
        from htr_exp.config.site_choice import chosen_site
        from htr_exp.config.site_folders import site_folders

        workspace = self._option("--workspace")
        typed = {} if workspace is None else {"workspace": workspace}
        typed |= {
            key[5:]: value for key, _, value in (word.partition("=") for word in self._words) if key[:5] == "site."
        }
        try:
            site = chosen_site(self._words, self._config_dirs, Path(workspace or ".").expanduser())
        except ConfigError:
            return {}
        return site_folders(site.name, self._config_dirs, typed)

    @cached_property
    def _groups(self) -> dict[str, dict[str, str]]:
        from htr_exp.config.choices import options

        return options(self._config_dirs)

    def groups_and_keys(self) -> list[str]:
        """All groups, and all keys in full."""
        from htr_exp.config.misread_words import types_of_keys

        return [*self._groups, *types_of_keys()]

    def reachable(self) -> list[str]:
        """The sites that `on=` can name."""
        from htr_exp.config.site_choice import site_names
        from htr_exp.config.site_folders import site_folders

        dirs = self._config_dirs
        return [f"on={name}" for name in site_names(dirs) if "login" in site_folders(name, dirs)]

    def runs(self) -> list[str]:
        """The names of the run folders of the site."""
        return [entry.name for entry in _entries(self._site.get("runs")) if entry.is_dir()]

    def values_of_option(self, kind: str, typed: str) -> Iterable[str]:
        """What may stand behind an option of a kind: FOLDER, {job,hydra}."""
        if kind.startswith("{"):
            return kind.strip("{}").split(",")
        return self._groups if kind == "GROUP" else _paths(typed) if kind in ("FOLDER", "FILE", "RECORD") else ()

    def settings(self, typed: str, groups: Iterable[str] = ()) -> Iterator[str]:
        """The settings that a word can become; only of some groups, if they are named."""
        key, equals, value = typed.partition("=")
        bare = key.lstrip("+")
        if equals:
            yield from (f"{key}={word}" for word in self._values(bare, value))
            return
        if groups and "." not in bare:
            yield from (f"{group}{sign}" for group in groups for sign in "=.")
            return
        from htr_exp.config.misread_words import types_of_keys

        signs, keys = key[: len(key) - len(bare)], types_of_keys()
        known = [name for name in keys if not groups or name.partition(".")[0] in groups]
        if "." in bare:
            yield from (f"{signs}{name}=" for name in known)
        else:
            yield from (f"{signs}{group}=" for group in self._groups)
            yield from (f"{signs}{name.partition('.')[0]}." if "." in name else f"{signs}{name}=" for name in known)

    def _values(self, key: str, value: str) -> Iterator[str]:
        """What may stand behind a group or a key and its =."""
        first = value[: value.rfind(",") + 1]  # of a sweep
        if key in self._groups:
            yield from (f"{first}{name}" for name in self._groups[key])
        elif PATHS.fullmatch(key):
            yield from _paths(value)
        else:
            from htr_exp.config.misread_words import kind_of
            from htr_exp.config.schema import CHOICES

            yield from (
                f"{first}{word}" for word in CHOICES.get(key) or (("true", "false") if kind_of(key) is bool else ())
            )
        if key in IN_SITE:
            folders = IN_SITE[key] == "ground_truth"
            found = (one.name for one in _entries(self._site.get(IN_SITE[key])) if one.is_dir() is folders)
            yield from (f"{first}{name}" for name in found if "," not in name)


def _options(verb: str) -> dict[str, str]:
    """The options of a verb, and what must stand behind each: FOLDER, {job,hydra}; "" if nothing must."""
    found: dict[str, str] = {}
    shown = verb_parser(verb).format_help()
    for names, value in re.findall(r"^ +(-\S+(?:, -\S+)*)(?: ([^\s\[]\S*))?", shown, re.MULTILINE):
        found |= dict.fromkeys(names.split(", "), value)
    return found


def _entries(folder: str | None) -> list[os.DirEntry[str]]:
    """What is in a folder, in the order of names and without hidden ones; nothing where there is no folder to read."""
    try:
        found = sorted(os.scandir(Path(folder).expanduser()), key=lambda one: one.name) if folder is not None else []
        return [one for one in found if not one.name.startswith(".")]
    except (OSError, RuntimeError, ValueError):  # the last: a NUL in its name
        return []


def _paths(typed: str) -> Iterator[str]:
    """The files and folders that a path can become."""
    folder, _, last = typed.rpartition("/")
    before = f"{folder}/" if "/" in typed else ""
    try:
        for entry in sorted(os.scandir(Path(before or ".").expanduser()), key=lambda entry: entry.name):
            if not entry.name.startswith(".") or last.startswith("."):
                yield f"{before}{entry.name}{'/' * entry.is_dir()}"
    except (OSError, RuntimeError, ValueError):
        return
