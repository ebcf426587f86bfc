"""Words without a key, and words that blanks have torn apart: what they name, and the words to type."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from htr_exp.config.misread_words import (
    MODEL_FILES,
    Groups,
    did_you_mean,
    exists,
    keys_called,
    quoted_for_shell,
    setting,
    types_of_keys,
    with_key,
)
from htr_exp.core.problem import Problem
from htr_exp.core.task import Task

FIRST = ("dataset", "model")
"""The groups whose choices, files and folders people name without a key, in the order in which they do."""


def bare_words(words: Sequence[str], groups: Groups, tasks: Sequence[Task]) -> dict[int, list[Problem]]:
    """What is wrong with words that are no `KEY=VALUE`, by their numbers in `words`; of those torn apart the first says it.

    Args:
        words: of an experiment, as typed.
        groups: what there is to choose.
        tasks: those that words choose.
    """
    found: dict[int, list[Problem]] = {}
    given = {word.partition("=")[0].partition(".")[0] for word in words if "=" in word}
    for number, word in enumerate(words):
        if number in found or not _is_bare(word, words[number + 1 : number + 2]):
            continue
        torn = _torn(words[number : number + 3], groups, tasks)
        found |= {behind: [] for behind in range(number, number + len(torn))}
        if len(torn) > 1:
            key, value = "".join(torn[:-1]).rstrip("=:"), torn[-1].lstrip("=")
            meant = with_key(key, value, groups, tasks)
            what = f"{' '.join(torn)}: no blank stands between a key, = and its value"
            found[number] = [Problem(what, f"write {meant}", key)]
            continue
        group, problem = _named(word, groups, tasks, [name for name in FIRST if name not in given])
        given.add(group)
        found[number] = [problem]
    return found


def _is_bare(word: str, following: Sequence[str]) -> bool:
    if word.startswith("~"):
        return "/" in word  # ~key is Hydra's
    return "=" not in word or word == "=" or (word.endswith("=") and any("=" not in one for one in following))


def _torn(words: Sequence[str], groups: Groups, tasks: Sequence[Task]) -> list[str]:
    """The words that are one setting, torn apart: `dataset = demo`, `dataset= demo`, `dataset =demo`, `epochs 3`."""
    first, *behind = words
    key = first.rstrip("=:")
    if exists(first) or not (key in groups or key in types_of_keys() or keys_called(key, tasks)):
        return [first]
    if first == key and behind[:1] == ["="]:
        return list(words)
    if behind and behind[0] not in groups and "=" not in behind[0][first == key :]:
        return list(words[:2])
    return [first]


def _named(word: str, groups: Groups, tasks: Sequence[Task], free: Sequence[str]) -> tuple[str, Problem]:
    """The group of what a word names, and what to type.

    Args:
        word: without a key.
        groups: what there is to choose.
        tasks: those that words choose.
        free: the groups of `FIRST` that no word chooses yet.
    """
    key, separator, value = word.partition(":")
    if separator and not exists(word) and (key in groups or key in types_of_keys() or keys_called(key, tasks)):
        return key, Problem(
            f"{word}: = stands between a key and its value", f"write {with_key(key, value, groups, tasks)}", key
        )
    if word.lower().endswith(MODEL_FILES):
        missing = "" if exists(word) else ", which does not exist"
        return "model", Problem(
            f"{word}: it is a model file without a key{missing}", f"write {setting('model.path', word)}", "model.path"
        )
    if exists(word):
        kind = "folder" if Path(word).expanduser().is_dir() else "file"
        return "dataset", Problem(
            f"{word}: it is a {kind} without a key", f"write {setting('dataset.path', word)}", "dataset.path"
        )
    having = [group for group in groups if word in groups[group]]
    if having:
        first = [group for group in free if group in having]
        meant = first[:1] or having
        words = " or ".join(f"{group}={word}" for group in meant)
        return meant[0], Problem(f"{word}: it is a choice without its group", f"write {words}", meant[0])
    if word in groups or word in types_of_keys() or keys_called(word, tasks):
        meant_by = f"{word}=CHOICE" if word in groups else with_key(word, "", groups, tasks)
        return word, Problem(f"{word}: a key without a value", f"write KEY=VALUE: {meant_by}", word)
    close = did_you_mean(word, sorted({*groups, *(name for choices in groups.values() for name in choices)}))
    what = f"{word or quoted_for_shell(word)}: there is no such file, folder or choice{close}"
    return "", Problem(what, "write KEY=VALUE: dataset.path=FOLDER, model.path=FILE")
