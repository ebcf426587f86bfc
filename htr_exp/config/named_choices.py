"""Choices of a group that no file in conf/ has, by the names that people type: folders of ground truth, and runs that have a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from htr_exp.config.overrides import quoted


def names_of(group: str, word: str) -> list[str]:
    """The choices that a word makes of a group, several in a sweep."""
    return word.partition("=")[2].split(",") if word.startswith(f"{group}=") else []


def taken(group: str, words: Sequence[str], found: Mapping[str, Path]) -> tuple[list[str], dict[str, str]]:
    """Words with such names as Hydra takes them, and the path of each name as Hydra takes it.

    Args:
        group: the choices' group.
        words: of a command line.
        found: name -> where it is.
    """
    # Hydra's grammar has no word for some names, as for those with letters beyond ASCII
    said = [
        f"{group}={','.join(map(quoted, names))}"
        if not found.keys().isdisjoint(names := names_of(group, word))
        else word
        for word in words
    ]
    return said, {name: str(path).replace("${", "\\${") for name, path in found.items()}
