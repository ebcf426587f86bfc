"""A dataset's `htr-united.yml`: what can be counted is filled in, the rest is checked, what its authors wrote stays.

HTR-United (htr-united.github.io) is the catalogue of the field's ground truth; this file is how a dataset enters it.
"""

from __future__ import annotations

import datetime
import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from htr_exp.core.errors import DatasetError
from htr_exp.core.text import counted
from htr_exp.groundtruth.model import Dataset

SCHEMA = "https://htr-united.github.io/schema/2023-06-27/schema.json"
RULES = Path(__file__).with_name("htr-united.schema.json")

_BEGINNING = 65_536
"""Bytes in which an XML file names its root element."""
_ROOTS = {"alto": "Alto-XML", "PcGts": "Page-XML"}
_ASKED_FOR = ("title", "description", "url", "language", "script", "script-type", "time", "hands", "license",
              "production-software")  # fmt: skip
"""What only the authors know, in the order of a new file."""


@dataclass(frozen=True)
class Filled:
    """An htr-united.yml with its counts.

    Attributes:
        text: of the file.
        changes: what was filled in or brought up to date, one line each.
        problems: what the catalogue would refuse, one line each.
    """

    text: str
    changes: tuple[str, ...]
    problems: tuple[str, ...]


def read(file: Path) -> str | None:
    """The text of an htr-united.yml, or None if there is none yet.

    Raises:
        DatasetError: it cannot be read, or is not UTF-8.
    """
    try:
        return file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise DatasetError(f"{file}: byte {error.start} is not UTF-8: save it in UTF-8") from None
    except OSError as error:
        raise DatasetError(f"{file} cannot be read: {error.strerror}") from None


def filled(existing: str | None, dataset: Dataset) -> Filled:
    """Fill in what can be counted, and check the whole.

    Comments, order and all other keys stay as they are: only the lines of keys whose value is not right are written anew.
    What only its authors know is asked for by empty keys in a new file.

    Args:
        existing: the file's text; None makes a new one.
        dataset: what it describes.

    Raises:
        DatasetError: the text is not YAML, or no mapping of keys to values.
    """
    text = existing if existing is not None and existing.strip() else _new()
    values = _values(text)
    wanted = {
        "schema": values.get("schema") or SCHEMA,
        "format": _format(dataset) or values.get("format"),
        "volume": _volume(values.get("volume"), dataset),
        "characters": _characters(values.get("characters"), dataset),
    }
    changes = []
    for key, value in wanted.items():
        if values.get(key) != value and value is not None:
            changes.append(_change(key, values.get(key), value))
            text = _with(text, key, value)
    return Filled(text, tuple(changes), tuple(problems(text)))


def problems(text: str) -> list[str]:
    """What the catalogue would refuse of an htr-united.yml, one line each; empty if it takes it.

    Raises:
        DatasetError: the text is not YAML, or no mapping of keys to values.
    """
    from jsonschema import Draft202012Validator

    values = _values(text)
    rules = json.loads(RULES.read_text(encoding="utf-8"))
    keys = [key.value for key, _ in _nodes(text)]
    found = [f"{key}: it is there more than once" for key in dict.fromkeys(keys) if keys.count(key) > 1]
    errors = sorted(
        Draft202012Validator(rules).iter_errors(values), key=lambda error: [str(part) for part in error.path]
    )
    return found + [said for error in errors for said in _said(error)]


def _said(error: Any) -> Iterator[str]:
    """Say of one rule that is broken: where, what is wrong with the value, what it must be."""
    if error.validator == "anyOf":  # one licence, or a list of them
        branch = 1 if isinstance(error.instance, list) else 0
        for inner in error.context:
            if inner.schema_path[0] == branch:
                yield from _said(inner)
        return
    where = "".join(
        f" {part + 1}" if isinstance(part, int) else f".{part}" for part in error.absolute_path
    ).removeprefix(".")
    meaning = error.schema.get("description", "")
    shown = json.dumps(error.instance, ensure_ascii=False, default=str)
    shown = shown if len(shown) <= 60 else f"{shown[:60]}..."
    if error.instance in ("", None, [], {}) and where:
        choices = f": one of {', '.join(map(str, error.schema['enum']))}" if "enum" in error.schema else ""
        yield f"{where} is empty{f' ({meaning}{choices})' if meaning else ''}"
        return
    match error.validator:
        case "required":
            missing = next(
                (name for name in error.validator_value if f"'{name}'" in error.message.partition(" is a ")[0]), "?"
            )
            rule = error.schema.get("properties", {}).get(missing, {})
            choices = f": one of {', '.join(rule['enum'])}" if len(rule.get("enum", ())) > 1 else ""
            about = f" ({rule['description']}{choices})" if "description" in rule else ""
            yield f"{f'{where}.' if where else ''}{missing} is missing{about}"
        case "enum":
            yield f"{where}: {shown} is none of {', '.join(map(str, error.validator_value))}"
        case "type" if error.validator_value == "string" and isinstance(error.instance, int | float | datetime.date):
            yield f"{where}: {shown} must be in quotes, to be text and no number or date"
        case "uniqueItems":
            yield f"{where}: it has an entry twice"
        case _:
            yield f"{where}: {shown} does not fit: it must be {meaning or error.message}"


def _values(text: str) -> dict[str, Any]:
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        raise DatasetError(f"htr-united.yml is not YAML: {where}{getattr(error, 'problem', None) or error}") from None
    except RecursionError:
        raise DatasetError("htr-united.yml is not YAML that can be read: it is nested too deeply") from None
    if not isinstance(values, dict):
        raise DatasetError("htr-united.yml: it must be keys and values, `title: ...` and so on")
    return values


def _nodes(text: str) -> list[tuple[Any, Any]]:
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    return list(node.value) if isinstance(node, yaml.MappingNode) else []


def _with(text: str, key: str, value: Any) -> str:
    """The text with another value of a key, all other lines as they are."""
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    written = yaml.safe_dump({key: value}, allow_unicode=True, sort_keys=False, width=120)
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    if not isinstance(node, yaml.MappingNode) or node.flow_style:  # JSON, as one expression: no line is a key's own
        return yaml.safe_dump({**_values(text), key: value}, allow_unicode=True, sort_keys=False, width=120)
    for at, (name, old) in enumerate(node.value):
        if name.value == key:
            start = name.start_mark.line
            end = node.value[at + 1][0].start_mark.line if at + 1 < len(node.value) else len(lines)
            # a block reaches to the next key; comments before that are the next key's
            end = min(end, max(old.end_mark.line + (old.end_mark.column > 0), start + 1))
            while end > start + 1 and re.fullmatch(r"\s*(#.*)?|\.\.\.\s*", lines[end - 1].rstrip("\n")):
                end -= 1
            return "".join([*lines[:start], written, *lines[end:]])
    while lines and lines[-1].strip() in ("", "..."):
        lines.pop()
    return "".join([*lines, written])


def _new() -> str:
    rules = json.loads(RULES.read_text(encoding="utf-8"))["properties"]
    said = [f"schema: {SCHEMA}\n"]
    for key in _ASKED_FOR:
        choices = f": {', '.join(rules[key]['enum'])}" if "enum" in rules[key] else ""
        said.append(f'{key}: "" # {rules[key]["description"]}{choices}\n')
    return "".join(said)


def _change(key: str, before: Any, after: Any) -> str:
    if key == "volume":
        old = {one["metric"]: one.get("count") for one in before or () if isinstance(one, dict) and "metric" in one}
        new = {one["metric"]: one["count"] for one in after}
        return "volume: " + ", ".join(
            f"{metric} {count if metric not in old else f'{old[metric]} -> {count}'}"
            for metric, count in new.items()
            if old.get(metric) != count
        )
    if key == "characters":
        old_members = set((before or {}).get("members") or ()) if isinstance(before, dict) else set()
        new_members = set(after["members"])
        return (
            f"characters: {counted(len(new_members), 'member')}, {len(new_members - old_members)} of them new, "
            f"{len(old_members - new_members)} taken out; mode {after['mode']}"
        )
    return f"{key}: {after}" if before is None else f"{key}: {before} -> {after}"


def _volume(before: Any, dataset: Dataset) -> list[dict[str, Any]]:
    """The `volume` with today's counts, in the order of the file; regions, which are not counted here, stay."""
    counts = {
        "files": dataset.lines if dataset.of_line_pairs else len(dataset.pages),
        "pages": len(dataset.pages),
        "images": len(_images(dataset)),
        "lines": dataset.lines,
        "characters": dataset.characters,
    }
    old = [one for one in before if isinstance(one, dict)] if isinstance(before, list) else []
    kept = [{**one, "count": counts.get(one.get("metric", ""), one.get("count"))} for one in old]
    there = {one.get("metric") for one in kept}
    return kept + [
        {"metric": metric, "count": count} for metric, count in counts.items() if metric not in there | {"images"}
    ]


def _images(dataset: Dataset) -> set[str]:
    """The digest of each image, once."""
    return {
        one for page in dataset.pages for one in ([image.digest for image in page.line_images] or [page.image_digest])
    }


def _characters(before: Any, dataset: Dataset) -> dict[str, Any]:
    """Mode and members of the characters; members that are as they should be stay in their order."""
    kept = before if isinstance(before, Mapping) else {}
    counts: dict[str, int] = {}
    whole = "\n".join(line.text for line in dataset.used())
    for one in set(whole) - {"\n"}:
        if not one.isspace():
            counts[one] = whole.count(one)
    members: Sequence[str] = sorted(counts, key=lambda one: (-counts[one], one))
    old = kept.get("members")
    if isinstance(old, list) and all(isinstance(one, str) for one in old) and {*old} - {" ", "\xa0"} == set(members):
        members = old
    return {**kept, "mode": _mode(whole), "members": list(members)}


def _mode(text: str) -> str:
    return next((form for form in ("NFD", "NFC") if unicodedata.is_normalized(form, text)), "None")


def _format(dataset: Dataset) -> str | None:
    """The format of most files, told from how each begins."""
    if dataset.of_line_pairs:
        return "Image-Text-Pairs"
    found: dict[str, int] = {}
    for page in dataset.pages:
        with open(page.xml, "rb") as file:
            begin = file.read(_BEGINNING).replace(b"\x00", b"").decode("latin-1")  # UTF-16, too
        if root := re.search(r"<(?:[\w.-]+:)?(alto|PcGts)[\s>]", begin):
            found[_ROOTS[root[1]]] = found.get(_ROOTS[root[1]], 0) + 1
    return max(found, key=lambda name: found[name], default=None)
