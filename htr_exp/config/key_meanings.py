"""What the keys of a group mean and what they are where nobody sets them, as the files of conf/ say it beside them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from htr_exp.config.choices import conf_dir
from htr_exp.core.task import TASKS
from htr_exp.core.text import first_of


@dataclass(frozen=True)
class KeyMeaning:
    """A key of the configuration.

    Attributes:
        key: in full, as it is typed.
        default: its shipped value, as conf/ writes it.
        meaning: the sentence beside it.
    """

    key: str
    default: str
    meaning: str


def keys_of(group: str) -> dict[str, list[KeyMeaning]]:
    """The keys of a group, by the choice that gives them their shipped values.

    A group whose keys depend on the task has one such choice for each task; `experiment` has no keys of its own.

    Args:
        group: of conf/; "" for the keys of an experiment itself.
    """
    file = conf_dir() / "config.yaml"
    if not group:
        return {"": read(file, "")}
    listed = yaml.safe_load(file.read_text(encoding="utf-8"))["defaults"]
    chosen = [str(entry[group]) for entry in listed if isinstance(entry, dict) and group in entry]
    names = list(TASKS) if chosen == ["${task}"] else chosen
    return {name: read(conf_dir() / group / f"{name}.yaml", f"{group.replace('/', '.')}.") for name in names}


def read(file: Path, before: str) -> list[KeyMeaning]:
    """The keys of one file with the comments behind them, or on the line above.

    Args:
        file: of conf/.
        before: what stands before its keys when they are typed.
    """
    text = file.read_text(encoding="utf-8")
    lines = text.splitlines()
    found = []
    root: Any = yaml.compose(text)
    for name, value in root.value:
        if name.value in ("defaults", "hydra"):
            continue
        # one row a line: the comment stands behind the key
        is_long = isinstance(value, yaml.SequenceNode) and not value.flow_style
        end = name.end_mark if is_long else value.end_mark
        comment = lines[end.line][end.column :].lstrip(":").strip()
        above = lines[name.start_mark.line - 1] if name.start_mark.line > 1 else ""
        meaning = (comment or (above if above.startswith("#") else "")).lstrip("# ")
        shown = text[value.start_mark.index : value.end_mark.index]
        if is_long:
            shown = first_of([one.value for one in value.value], 3)
        found.append(KeyMeaning(f"{before}{name.value}", shown, meaning))
    return found
