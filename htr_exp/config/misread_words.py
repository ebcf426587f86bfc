"""What to type instead of a word that cannot be used: where a short key lives, how a value is written, what a bare word names."""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import is_dataclass
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from htr_exp.config.schema import CHOICES, SECTIONS, Experiment, tasks_with
from htr_exp.core.problem import Problem
from htr_exp.core.task import Task

Groups = Mapping[str, Mapping[str, str]]
"""The choices of each group, with their sentences."""

OTHER_NAMES = {
    "lr": "lrate",
    "learning_rate": "lrate",
    "patience": "lag",
    "early_stopping": "quit",
    "gpu": "device",
    "gpus": "gres",
    "gt": "dataset.path",
    "ground_truth": "dataset.path",
    "data": "dataset.path",
    "base_model": "model.path",
    "load": "model.path",
    "output": "name",
    "network": "architecture.spec",
    "walltime": "time_min",
    "ram": "mem_gb",
}
"""What other programs call our keys, where no part of our own name is in it."""

MODEL_FILES = (".mlmodel", ".safetensors", ".ckpt", ".pt", ".pth")
"""How the names of files end that can only be meant as models."""

OWN_VALUES = (
    ("model", r"10\.\d{4,}/.+", "model.doi={}"),
    ("architecture", r"\[.*", "model=none architecture.spec={}"),
    ("tracking", r"https?://.*", "tracking=server tracking.uri={}"),
    ("split", r".*\.(csv|tsv)", "split=table split.table={}"),
    ("split", r".*\.json", "split=of_run split.run={}"),
    ("runtime", r".*\.sif", "runtime=apptainer runtime.image={}"),
    ("runtime", r"kraken/.*", "runtime=module runtime.module={}"),
    ("site", r"[.~]?.*/.*", "site.workspace={}"),
)
"""What stands for something of one's own where a choice of a group is expected: the group, how it looks, and how it is written."""

BOOLEANS = {"oui": "true", "vrai": "true", "ja": "true", "non": "false", "faux": "false", "nein": "false"}
OTHER_VALUES = {"training.device": {"cuda": "cuda:0", "gpu": "cuda:0"}}
"""What other programs call values of ours."""

PLACEHOLDERS = {bool: "true", int: "NUMBER", float: "NUMBER"}

UNITS = {
    "min": {"m": 1.0, "min": 1.0, "h": 60.0, "d": 1440.0},
    "s": {"s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0},
    "gb": {"k": 1 / 1024**2, "m": 1 / 1024, "g": 1.0, "t": 1024.0},
}
"""What a unit behind a number is in the unit that the last part of a key names."""


@cache
def types_of_keys() -> dict[str, Any]:
    """Every key of every task, in full, with its type."""
    found: dict[str, Any] = {}

    def walk(section: type, path: str) -> None:
        for name, hint in get_type_hints(section).items():
            if is_dataclass(hint) and isinstance(hint, type):
                for kind in [hint, *(own[name] for own in SECTIONS.values() if not path and name in own)]:
                    walk(kind, f"{path}{name}.")
            else:
                found[path + name] = hint

    walk(Experiment, "")
    return found


def kind_of(key: str) -> type | None:
    """bool, int, float or str, whichever a key takes beside null; None where it takes something else, or is none."""
    hint = types_of_keys().get(key)
    kinds = (
        [one for one in get_args(hint) if one is not type(None)] if get_origin(hint) in (Union, UnionType) else [hint]
    )
    return kinds[0] if len(kinds) == 1 and kinds[0] in (bool, int, float, str) else None


def keys_called(name: str, tasks: Sequence[Task]) -> list[str]:
    """The full keys whose last part is a name, or what other programs call it."""
    name = _folded(name)
    for called in dict.fromkeys((OTHER_NAMES.get(name, name), name)):
        if found := [key for key in _keys_of(tasks) if key == called or key.endswith(f".{called}")]:
            # what a search is done with has names that everybody uses for the run itself
            return [key for key in found if not key.startswith("launch.search.")] or found
    return []


def keys_meant(typed: str, tasks: Sequence[Task], *, misspelt: bool = True) -> list[str]:
    """The full keys that a key which does not exist can be meant to be, the likeliest kind alone.

    Args:
        typed: `epochs`, `lr`, `train.epochs`, `slurm.time`.
        tasks: those that words choose.
        misspelt: also keys that are spelt like it.
    """
    group, _, last = _folded(typed).rpartition(".")
    known = _keys_of(tasks)
    if called := keys_called(last, tasks):
        return _nearest(called, group)
    inside = [key for key in known if group and key.startswith(f"{group}.")]
    for among in (inside, known):
        for part in (f"_{last}_", f"_{last}") if len(last) > 2 else ():
            if found := [key for key in among if part in f"_{key.rpartition('.')[2]}_"]:
                return _nearest(found, group)
        ends = {key.rpartition(".")[2] for key in among}
        if misspelt and (close := difflib.get_close_matches(last, ends, n=1, cutoff=0.7)):
            return _nearest([key for key in among if key.rpartition(".")[2] == close[0]], group)
    return []


def _keys_of(tasks: Sequence[Task]) -> list[str]:
    return [key for key in types_of_keys() if any(task in tasks_with(key) for task in tasks)]


def _nearest(keys: Sequence[str], group: str) -> list[str]:
    """Those of the group that was typed, or of the one that is spelt most like it, if any; else all."""
    groups = {key.rpartition(".")[0] for key in keys}
    close = difflib.get_close_matches(group, groups, n=1) if group else []
    return [key for key in keys if key.rpartition(".")[0] == close[0]] if close else list(keys)


def _folded(word: str) -> str:
    return word.lstrip("+~-").lower().replace("-", "_")


def value_meant(key: str, value: str) -> str | None:
    """How a value is written that a key does not take as it was typed; None where nobody can know."""
    if value.lower() == "none" and type(None) in get_args(types_of_keys().get(key)):
        return "null"
    if key in CHOICES:
        return _spelt(value, CHOICES[key])
    kind = kind_of(key)
    if other := OTHER_VALUES.get(key, BOOLEANS if kind is bool else {}).get(value.lower()):
        return other
    return _number(key, value.strip(), kind) if kind in (int, float) else None


def _number(key: str, value: str, kind: type) -> str | None:
    """A number with a decimal comma, groups of three digits, %, a unit or h:m:s, as a configuration writes it."""
    value = re.sub("[\u2212\u2013]", "-", value)
    if kind is int and re.fullmatch(r"\d{1,3}([ .,'\u2019\u00a0\u202f]\d{3})+", value):
        return re.sub(r"\D", "", value)
    if kind is int and (whole := re.fullmatch(r"(\d+)[.,]0+", value)):
        return whole[1]
    if kind is float and re.fullmatch(r"[-+]?\d+,\d+(e[-+]?\d+)?", value, re.IGNORECASE):
        return value.replace(",", ".")
    if kind is float and (share := re.fullmatch(r"(\d+(?:[.,]\d+)?) ?%", value)):
        return f"{float(share[1].replace(',', '.')) / 100:g}"
    unit = UNITS.get(key.rpartition("_")[2], {})
    if "min" in unit and (clock := re.fullmatch(r"(?:(\d+)-)?(\d+):(\d\d):(\d\d)", value)):
        days, hours, minutes, seconds = (int(part or 0) for part in clock.groups())
        return str(days * 1440 + hours * 60 + minutes + (seconds > 0))
    if unit and (one := re.fullmatch(r"(\d+(?:[.,]\d+)?) ?([a-z]+)", value.lower())):
        factor = unit.get(one[2]) or unit.get(one[2].removesuffix("ib").removesuffix("b"))
        return None if factor is None else f"{float(one[1].replace(',', '.')) * factor:g}"
    return None


def mistaken_number(key: str, value: str, *, multirun: bool) -> Problem | None:
    """That a number is written as this program does not read it, or reads as something else.

    In a sweep a comma stands between two values, unless what follows begins as no number does: 0,001.
    """
    if kind_of(key) not in (int, float) or (multirun and not re.fullmatch(r"\d+,0\d+", value)):
        return None
    meant = value_meant(key, value)
    if meant is None or meant == value:
        return None
    several = "; several values make a sweep, `train -m ...`" if "," in value and not multirun else ""
    what = f"{key}={value}: a number is written as 0.001, with a point and without a unit{several}"
    return Problem(what, f"write {key}={meant}", key)


def _spelt(value: str, known: Iterable[str]) -> str | None:
    """The one of known words that differs in capitals and - or _ alone."""
    return next((word for word in known if _folded(word) == _folded(value)), None)


def setting(key: str, value: str = "") -> str:
    """The words `KEY=VALUE` to type for a key, quoted for a shell: the value as it is meant, or a word that stands for one."""
    meant = (value_meant(key, value) or value) if value else ""
    if not meant:
        path = key.endswith((".path", ".file", ".table", ".image", ".metadata", ".spec", "trained_on"))
        meant = (
            CHOICES[key][0] if key in CHOICES else "FILE" if path else PLACEHOLDERS.get(kind_of(key) or str, "VALUE")
        )
        meant = {"dataset.path": "FOLDER", "predictions": "FOLDER", "system": "NAME"}.get(key, meant)
    return quoted_for_shell(f"{key}={meant}")


def quoted_for_shell(word: str) -> str:
    """A word as a shell takes it: in quotes only where it needs them."""
    return word if re.fullmatch(r"[\w@%+=:,./~\u0080-\U0010ffff-]+", word) else shlex.quote(word)


def instead_of_key(typed: str, value: str, groups: Groups, tasks: Sequence[Task]) -> str:
    """The remedy for a key that does not exist; "" where nobody can know what was meant."""
    found = keys_meant(typed, tasks, misspelt=False)
    if not found and "." not in typed:
        found = difflib.get_close_matches(typed, {*groups, *(key for key in types_of_keys() if "." not in key)}, n=1)
    found = found or keys_meant(typed, tasks)
    return f"write {' or '.join(with_key(key, value, groups, tasks) for key in found)}" if 0 < len(found) <= 3 else ""


def with_key(key: str, value: str, groups: Groups, tasks: Sequence[Task]) -> str:
    """The words for a group or a key, also a short one, and its value; without one a word that stands for it."""
    if key in groups:
        return f"{key}={value}" if value in groups[key] else own_value(key, value) or f"{key}={value or 'NAME'}"
    found = [key] if key in types_of_keys() else keys_called(key, tasks)
    return " or ".join(setting(one, value) for one in found[:3])


def unknown_choice(group: str, value: str, groups: Groups) -> Problem:
    """That a group has no such choice, with what may be meant: another spelling, a path of one's own."""
    what = f"{group}={value}: there is no such {group}"
    if not value:
        return Problem(f"{group}=: nothing stands behind the =", f"{_choose(groups[group])}{_or_own(group)}", group)
    if spelt := _spelt(value, groups[group]):
        return Problem(what, f"write {group}={spelt}", group)
    if meant := own_value(group, value):
        return Problem(f"{what}, and something of your own has another key", f"write {meant}", group)
    close = did_you_mean(value, groups[group])
    return Problem(what, f"{_choose(groups[group])}{close}{'' if close else _or_own(group)}", group)


def _choose(choices: Iterable[str]) -> str:
    return f"choose one of {', '.join(choices)}"


def _or_own(group: str) -> str:
    if f"{group}.path" in types_of_keys():
        return f", or name one of your own: {setting(f'{group}.path')}"
    return (
        ", or name a partition: slurm=template slurm.partition=NAME slurm.time_min=NUMBER" if group == "slurm" else ""
    )


def own_value(group: str, value: str) -> str:
    """The words for something of the user's where a choice of a group was expected; "" if it does not look like that."""
    for of_group, looks, words in OWN_VALUES:
        if of_group == group and re.fullmatch(looks, value):
            return " ".join(map(quoted_for_shell, words.format(value.replace(" ", "\0")).split(" "))).replace("\0", " ")
    key = f"{group}.path"
    is_path = "/" in value or value.startswith((".", "~")) or value.lower().endswith((*MODEL_FILES, ".zip", ".xml"))
    return setting(key, value) if key in types_of_keys() and (is_path or exists(value)) else ""


def path_of_choice(key: str, value: str, groups: Groups) -> Problem | None:
    """That the name of a choice was given as a path, which does not exist."""
    group, _, last = key.partition(".")
    if last != "path" or value not in groups.get(group, ()) or exists(value):
        return None
    return Problem(
        f"{key}={value}: there is no such file or folder here, but a choice is called so", f"write {group}={value}", key
    )


def empty(key: str, typed: str) -> Problem:
    """That nothing stands behind the = of a key."""
    return Problem(f"{typed}: nothing stands behind the =", f"write {setting(key)}, or leave it out", key)


def exists(path: str) -> bool:
    """Whether there is such a file or folder; there is none without a name."""
    try:
        return bool(path.strip()) and Path(path).expanduser().exists()
    except PermissionError:
        return True  # whoever reads it says why it cannot be
    except (OSError, ValueError, RuntimeError):  # too long for a name, a NUL, a user who is not known
        return False


def did_you_mean(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {close[0]}?)" if close else ""
