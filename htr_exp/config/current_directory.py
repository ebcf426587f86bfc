"""What conf/ of the current directory may set: it may be somebody else's, and only the words typed and a folder of one's own are trusted.

Data, models, splits and training are its matter. Programs and servers are not, nor what Hydra itself would start.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from omegaconf import OmegaConf

from htr_exp.config.choices import conf_dir
from htr_exp.core.errors import ConfigError
from htr_exp.core.problem import Problem

PROGRAMS_AND_SERVERS = (
    "runtime.ketos",
    "runtime.module",
    "runtime.modulepath",
    "runtime.image",
    "runtime.bind",
    "slurm.extra",
    "tracking.uri",
)
"""Keys that say what is started, under which variables, and who is spoken to."""

SWEPT = "hydra.sweeper.params"
"""The one part of Hydra's own configuration that says what a sweep is about, in keys of ours."""

_TRUST = "if this folder is yours, add `--config-dir conf` to the command"

# A value of another key, or a file of ours. Every other resolver would bring in variables of the shell, or make code of text.
_INTERPOLATION = re.compile(r"\s*(?:[\w.\[\]-]+\s*\}|(?:packaged|kraken_file)\s*:)")


@dataclass
class CurrentDirectory:
    """The files of conf/ that a composition uses, and what is wrong with them.

    Attributes:
        used: their names without `.yaml`.
        problems: what they must not set.
    """

    used: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def take(self, name: str, package: str | None, values: Any) -> bool:
        """Note that a file is used; return whether it may be.

        Args:
            name: of the file, without `.yaml`, in conf/: `dataset/gratian`.
            package: where its header puts it; None: where its group is.
            values: its content.
        """
        found = list(dict.fromkeys(_problems(name, package, values)))
        self.problems += [problem for problem in found if problem not in self.problems]
        if name not in self.used:
            self.used.append(name)
        return not found

    def refuse(self) -> None:
        """Stop if some file must not be used.

        Raises:
            ConfigError: with all that is wrong.
        """
        if self.problems:
            raise ConfigError("conf/ of the current directory cannot be used:", self.problems)


def instead_of_shipped(used: tuple[str, ...]) -> list[str]:
    """What is said of those files that take the place of shipped ones."""
    return [
        f"conf/{name}.yaml of the current directory is used instead of the {name.replace('/', '=')} that comes with htr_exp"
        for name in used
        if (conf_dir() / f"{name}.yaml").is_file()
    ]


def _problems(name: str, package: str | None, values: Any) -> Iterator[Problem]:
    file = f"conf/{name}.yaml"
    group = name.rpartition("/")[0]
    if group.partition("/")[0] in ("", "hydra", "schema"):
        yield Problem(f"{file}: a folder conf/ adds choices to groups, as conf/dataset/NAME.yaml", "remove this file")
        return
    if not OmegaConf.is_dict(values):
        return  # whoever composes it says so
    content: Any = OmegaConf.to_container(values, resolve=False)
    root = group.replace("/", ".") if package in (None, "_group_") else "" if package == "_global_" else str(package)
    yield from _defaults(file, content.pop("defaults", None))
    for key, value in _leaves(content, root):
        if key == SWEPT or key.startswith(f"{SWEPT}."):
            swept = key[len(SWEPT) + 1 :].lstrip("+~")
            yield from _key(file, swept.partition("@")[0].replace("/", "."), value, group)
        else:
            yield from _key(file, key, value, group)


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield the dotted key and value of each leaf; an empty mapping is one, too."""
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list) and any(isinstance(one, (Mapping, list)) for one in value):
        for number, inner in enumerate(value):
            yield from _leaves(inner, f"{path}.{number}")
    else:
        yield path, value


def _key(file: str, key: str, value: Any, group: str) -> Iterator[Problem]:
    if key.partition(".")[0].startswith("hydra"):
        yield Problem(f"{file}: {key}: this file must not set what Hydra itself does", _TRUST, key)
    elif "_target_" in key or "_target_" in str(value):
        yield Problem(f"{file}: {key}: a _target_ names code to be started, and this file must not", _TRUST, key)
    for protected in PROGRAMS_AND_SERVERS:
        named = key == protected or key.startswith(f"{protected}.")
        if named and value not in (None, "", [], {}) and value not in _shipped(group, protected):
            what = f"{file}: {key}={value}: this file must not say which programs are started and which servers are spoken to"
            yield Problem(what, f"type it, {protected}=..., or, {_TRUST}", key)
    for text in value if isinstance(value, list) else [value]:
        yield from _interpolations(file, key, text)


def _interpolations(file: str, key: str, text: Any) -> Iterator[Problem]:
    if isinstance(text, str) and any(not _INTERPOLATION.match(text, one.end()) for one in re.finditer(r"\$\{", text)):
        what = f"{file}: {key}: {text}: this file may use values of other keys as ${{site.workspace}}, and nothing else between ${{ and }}"
        yield Problem(what, f"write the value itself, or, {_TRUST}", key)


def _defaults(file: str, entries: Any) -> Iterator[Problem]:
    """What is wrong with a defaults list: it could bring in what Hydra starts, or put a file where nobody looks for it."""
    for entry in entries or ():
        for key, value in entry.items() if isinstance(entry, Mapping) else [(entry, "")]:
            words = f"{key}: {value}" if value else str(key)
            if re.search(r"hydra|@|\.\.", words) or "${" in str(key):
                what = f"{file}: defaults: {words}: this file may choose among groups of ours, and nothing else"
                yield Problem(what, _TRUST, "defaults")
            else:
                yield from _interpolations(file, "defaults", value)


def _shipped(group: str, key: str) -> list[Any]:
    """The values that shipped files of a group give a key: a copy of them names nothing new."""
    if key.partition(".")[0] != group:
        return []
    loaded = (OmegaConf.load(file) for file in sorted((conf_dir() / group).glob("*.yaml")))
    plain: list[Any] = [OmegaConf.to_container(values, resolve=False) for values in loaded]
    return [values.get(key.partition(".")[2]) for values in plain]
