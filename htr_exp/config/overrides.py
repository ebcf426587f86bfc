"""The words of the command line: what they mean to Hydra, and everything that is wrong with them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_type_hints

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, QuotedString, Transformer
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import MarkedYAMLError, YAMLError

from htr_exp.config import hydra_words, kraken_words
from htr_exp.config.bare_words import bare_words
from htr_exp.config.misread_words import (
    did_you_mean,
    empty,
    instead_of_key,
    kind_of,
    mistaken_number,
    path_of_choice,
    setting,
    types_of_keys,
    unknown_choice,
    value_meant,
    with_key,
)
from htr_exp.config.recorded import words_with_secrets
from htr_exp.config.schema import CHOICES, SECTIONS, Experiment, experiment_of, tasks_with
from htr_exp.core.errors import ConfigError
from htr_exp.core.problem import Problem
from htr_exp.core.task import TASKS, Task

CLASS_KEYS = re.compile(r"classes\.(lines|regions)\.(.+)$")
"""Keys of a dictionary whose own keys are the user's: types of lines and regions."""


LITERAL_KEYS = re.compile(
    r"(dataset\.(path|pattern|exclude|name|characters|metadata|page_column|page_of_line|text_equiv)|(segmentation_)?model\.(path|file|name|doi|trained_on)|architecture\.spec|split\.(lists\.\w+|table|page_column|column|by|stratify|fold|run)"
    r"|runtime\.(ketos|kraken|module|image|fallback_kraken)|site\.\w+|tracking\.uri|name|question|predictions|system|system_trained_on"
    r"|slurm\.(partition|gres|constraint|account|qos|mail_type|mail_user|nodelist|exclude|compile_partition|extra\.[\w-]+))$"
)
"""Keys whose values are names, paths or VGSL specs: taken as typed, whatever Hydra's grammar makes of their characters."""


WHOLE_KEYS = ("architecture.spec", "slurm.mail_type", "slurm.nodelist", "slurm.exclude")
"""Those of them whose values hold commas: never several values of a sweep."""


MOST_DIGITS = 1_000
FARTHEST = 1 << 53
"""The largest number that every program reads as we do."""
_ENDLESS = re.compile(rf"\d[\d_]{{{MOST_DIGITS},}}")
UNREADABLE = (HydraException, OmegaConfBaseException, YAMLError, ValueError)  # the last: numbers of thousands of digits
"""What is raised of files and values that make no experiment."""


def unusable(key: str, value: Any) -> Iterator[Problem]:
    """What is a number by its type, and nothing that can be counted or measured with; what is a text without a sign."""
    if isinstance(value, dict | list):
        for name, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from unusable(f"{key}.{name}" if key else str(name), one)
    elif isinstance(value, float) and not math.isfinite(value):
        yield Problem(f"{key}={value}: it must be a finite number", where=key)
    elif isinstance(value, str) and not value.strip():
        yield empty(key, f"{key}=")
    elif isinstance(value, int) and abs(value) > FARTHEST:
        yield Problem(f"{key}={str(value)[:20]}...: it must be at most {FARTHEST}", where=key)


def word_problems(values: dict[str, Any]) -> list[Problem]:
    """What is wrong with each key that takes one of a few words."""
    problems = []
    for key, words in CHOICES.items():
        value: Any = values
        for part in key.split("."):
            value = value.get(part) if value is not None else None  # a task may not have the key
        if value is not None and value not in words:
            problems.append(_word_problem(key, value, words))
    return problems


def _word_problem(key: str, value: Any, words: Sequence[str]) -> Problem:
    if meant := kraken_words.of_value(key, value):
        return Problem(f"{key}={value}: {meant}", where=key)
    what = f"{key}={value}: there is no such choice"
    if spelt := value_meant(key, str(value)):
        return Problem(what, f"write {setting(key, spelt)}", key)
    return Problem(what, f"choose one of {', '.join(words)}{did_you_mean(str(value), words)}", key)


def checked(overrides: Sequence[str], groups: dict[str, dict[str, str]], *, multirun: bool) -> list[str]:
    """The words as Hydra takes them.

    Args:
        overrides: as typed.
        groups: what there is to choose.
        multirun: whether they may make a sweep.

    Raises:
        ConfigError: with everything that is wrong with them.
    """
    if endless := [typed for typed in overrides if _ENDLESS.search(typed)]:
        what = [
            f"{typed.partition('=')[0][:80]}: it has a number of more than {MOST_DIGITS} digits" for typed in endless
        ]
        raise ConfigError("the command line cannot be used:", what)
    if secret := words_with_secrets(overrides):
        raise ConfigError("the command line cannot be used:", secret)
    known = _Known(groups, tasks_chosen(overrides), multirun)
    bare = bare_words(overrides, known.groups, known.tasks)
    problems: list[Problem] = []
    words: list[str] = []
    for number, typed in enumerate(map(_changed, overrides)):
        if number in bare:
            problems += bare[number]
            continue
        words.append(_literal(typed, multirun=multirun))
        problems += known.problems(typed, words[-1])
    if problems:
        raise ConfigError("the command line cannot be used:", problems)
    return words


def _changed(typed: str) -> str:
    """A word that adds or changes a key, `++KEY=VALUE`, as one that changes it; keys of a dictionary are added without any sign."""
    return re.sub(r"^\+(?=slurm\.extra\.|classes\.(lines|regions)\.)", "", typed.removeprefix("++"))


@dataclass
class _Known:
    """What there is to choose for the words of one command line."""

    groups: dict[str, dict[str, str]]
    tasks: list[Task]
    multirun: bool

    def problems(self, typed: str, word: str) -> list[Problem]:
        """What is wrong with a word.

        Args:
            typed: as typed.
            word: as Hydra takes it.
        """
        name, equals, value = typed.partition("=")
        if refused := hydra_words.problems(typed):
            return refused
        if equals and not value.strip(" '\""):
            if name in self.groups:
                return [unknown_choice(name, "", self.groups)]
            return key_problem(typed, name, self.groups, self.tasks) or [empty(name, typed)]
        if wrong := mistaken_number(name, value, multirun=self.multirun) or path_of_choice(name, value, self.groups):
            return [wrong]
        try:
            override = OverridesParser.create().parse_override(word)
        except HydraException as error:
            return [self._unreadable(typed, error)]
        key = override.key_or_group
        if key.startswith(("hydra", "slurm.extra.")) or word.startswith("++classes."):
            return []
        if override.type is not None and override.type.name != "CHANGE":
            return self._added_or_removed(typed, key, value)
        if override.is_sweep_override() and not self.multirun:
            return [Problem(f"{typed}: several values make a sweep", "run `train -m ...`", key)]
        if isinstance(glob := override.value(), Glob):
            return _glob_problems(typed, key, glob, self.groups)
        if key in self.groups and "." not in key:
            return [
                unknown_choice(key, one, self.groups)
                for one in map(str, _values(override))
                if one not in self.groups[key] and one != "None"
            ]
        if unknown := key_problem(typed, key, self.groups, self.tasks):
            return unknown
        return _value_problems(key, _values(override), _typed_keys(tasks_with(key)[0]))

    def _added_or_removed(self, typed: str, key: str, value: str) -> list[Problem]:
        """That a key, or a group, is added or removed."""
        what = f"{typed}: keys are neither added nor removed here"
        if key in self.groups:
            if typed.startswith("~"):
                value = "none" if "none" in self.groups[key] else "CHOICE"
            return [Problem(what, f"write {with_key(key, value, self.groups, self.tasks)}", key)]
        if unknown := key_problem(typed, key, self.groups, self.tasks):
            return unknown
        if typed.startswith("~"):
            optional = type(None) in get_args(types_of_keys().get(key))
            return [Problem(what, f"write {key}={'null' if optional else 'VALUE'}", key)]
        return [Problem(what, f"write {setting(key, value)}", key)]

    def _unreadable(self, typed: str, error: HydraException) -> Problem:
        """That Hydra's grammar has no such word."""
        key, _, value = typed.partition("=")
        if key in self.groups:
            return unknown_choice(key, value, self.groups)
        if CLASS_KEYS.match(typed):
            instead = "write such a type in a file of yours, conf/classes/NAME.yaml"
        else:
            instead = "write KEY=VALUE"
        return Problem(f"{typed}: {first_line(error)}", instead, key)


def tasks_chosen(words: Sequence[str]) -> list[Task]:
    """The tasks that words choose, all if they choose none: a file may choose it, too."""
    chosen = [name for word in words if word.startswith("task=") for name in word.partition("=")[2].split(",")]
    return [TASKS[name] for name in chosen if name in TASKS] or list(TASKS.values())


def _glob_problems(typed: str, key: str, glob: Glob, groups: dict[str, dict[str, str]]) -> list[Problem]:
    """Why a pattern chooses nothing: Hydra knows it for groups alone."""
    if key not in groups:
        what = f"{typed}: glob chooses among the choices of a group, and {key} is none"
        return [Problem(what, f"write {key}=A,B", key)]
    if not glob.filter(list(groups[key])):
        return [Problem(f"{typed}: no {key} has such a name", f"choose among {', '.join(groups[key])}", key)]
    return []


def _values(override: Any) -> list[Any]:
    if not override.is_sweep_override():
        return [override.value()]
    values = [] if override.is_interval_sweep() else list(override.sweep_iterator(Transformer.identity))
    return [value.text if isinstance(value, QuotedString) else value for value in values]


@cache
def _typed_keys(task: Task) -> DictConfig:
    """By whom a value's type is tried; what was set for it before makes no difference. Making it takes its time."""
    return OmegaConf.structured(experiment_of(task))  # type: ignore[no-any-return]


def _value_problems(key: str, typed: Sequence[Any], values: DictConfig) -> list[Problem]:
    """Which values have another type than the schema's, or are none of the words that the key takes."""
    problems = []
    for value in typed:
        try:
            OmegaConf.update(values, key, value)
        except OmegaConfBaseException as error:
            problems.append(Problem(f"{key}={value}: {first_line(error)}", _of_its_kind(key, str(value)), key))
            continue
        # words of kraken's are told with all else that whoever types them is used to, by `word_problems`
        words = () if kraken_words.of_value(key, value) else CHOICES.get(key, ())
        if words and value is not None and value not in words and "${" not in str(value):
            problems.append(_word_problem(key, value, words))
    return problems


def _of_its_kind(key: str, value: str) -> str:
    """The remedy for a value of another type than its key's."""
    if meant := value_meant(key, value):
        return f"write {key}={meant}"
    kinds = {bool: "true or false", int: "a whole number", float: "a number, as 0.001"}
    return f"write {kinds[kind]}" if (kind := kind_of(key)) in kinds else ""


def key_problem(typed: str, key: str, groups: dict[str, dict[str, str]], tasks: Sequence[Task]) -> list[Problem]:
    """That no task has a key; where another task has it than the chosen one, composing says so."""
    task = next(iter(tasks_with(key)), tasks[0])
    node: Any = Experiment
    path: list[str] = []
    for part in key.split("."):
        names = _keys(node) if isinstance(node, type) and is_dataclass(node) else {}
        if part not in names:
            where = ".".join(path)
            known = list(names) if path else sorted({*names, *groups})
            if not known:
                return [Problem(f"{typed}: {where} has no keys of its own", where=key)]
            instead = instead_of_key(key, typed.partition("=")[2].strip(" '\""), groups, tasks)
            close = did_you_mean(part, [name for name in known if not instead or name in instead])
            what = f"{typed}: there is no key `{part}`{f' in {where}' if where else ''}{close}"
            return [Problem(what, instead or f"choose among {', '.join(known)}", key)]
        path.append(part)
        node = next((arg for arg in get_args(names[part]) if is_dataclass(arg)), names[part])
        if len(path) == 1:
            node = SECTIONS[task].get(part, node)
    if is_dataclass(node):
        keys = ", ".join(f"{key}.{field.name}" for field in fields(node))
        return [Problem(f"{typed}: {key} has keys: {keys}", where=key)]
    return []


@cache
def _keys(section: type) -> dict[str, Any]:
    """The types of a section's keys."""
    types = get_type_hints(section)
    return {field.name: types[field.name] for field in fields(section)}


def _literal(typed: str, *, multirun: bool) -> str:
    key, equals, value = typed.partition("=")
    if equals and (of_type := CLASS_KEYS.match(key)):
        kind = re.sub(r"([\\,{}:=\s()\[\]])", r"\\\1", of_type[2])
        return f"++classes.{of_type[1]}={{{kind}: {value if value in ('', 'null') else quoted(value)}}}"
    if key in ("classes.lines", "classes.regions") and value.startswith("{"):
        return f"++{typed}"
    if not equals or not LITERAL_KEYS.match(key) or value in ("", "null") or re.fullmatch(r"(['\"]).*\1", value):
        return typed
    if key == "dataset.exclude" and not value.startswith("["):
        return f"{key}=[{quoted(value)}]"
    if (
        key in ("dataset.path", "dataset.exclude")
        and value.startswith("[")
        and value.endswith("]")
        and not Path(value).exists()
    ):
        if re.search(r"[\[,]\s*(['\"]).*\1\s*[,\]]", value):
            return typed  # whoever quotes an item has a comma in it
        return f"{key}=[{','.join(quoted(item.strip()) for item in value[1:-1].split(',') if item.strip())}]"
    if key.startswith("slurm.extra."):
        key = f"++{key}"  # a dictionary: sbatch knows which of its keys there are
        if value in ("true", "false"):  # an option without a value
            return f"{key}={value}"
    if multirun and key not in WHOLE_KEYS and not Path(value).exists():
        return f"{key}={','.join(quoted(item) for item in value.split(','))}"
    return f"{key}={quoted(value)}"


def quoted(value: str) -> str:
    literal = re.sub(r"(\\*)\$\{", r"\1\1\\${", value)  # OmegaConf's escape, which Hydra passes on
    escaped = re.sub(r"(\\*)'", r"\1\1\\'", literal)
    trailing = len(escaped) - len(escaped.rstrip("\\"))
    return "'" + escaped + "\\" * trailing + "'"


def first_line(error: BaseException) -> str:
    if isinstance(error, MarkedYAMLError) and error.problem_mark is not None:
        return f"{error.problem_mark.name}:{error.problem_mark.line + 1}: {error.problem}"
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]
