"""Corrects which output of a segmentation model is called what, in the model's file.

kraken 7.1 numbers the classes of its targets in one way and, after the outputs of a base model were resized, names the
outputs of the model in another: in the order of a Python set (kraken/train/blla.py, `setup`). What an output has learnt
is what the targets said.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from htr_exp.core.errors import TrainingError
from htr_exp.kraken.model_file import ModelHeader, read_header
from htr_exp.kraken.model_metadata import update_metadata


def relabel(model: Path, numbers: Mapping[str, Mapping[str, int]]) -> None:
    """Name the outputs of a model as its training numbered them, where the file says otherwise.

    Args:
        model: a segmentation model in CoreML's format.
        numbers: of `lines` and `regions`: class -> output.

    Raises:
        ModelError: the file is no model.
        TrainingError: it has other classes than were trained.
    """
    header = read_header(model)
    said = known_classes(header)
    if said == {sort: dict(of) for sort, of in numbers.items()}:
        return
    if any(said[sort].keys() != numbers[sort].keys() for sort in numbers):
        raise TrainingError(
            f"{model}: it has the classes {said}, and {dict(numbers)} were to be trained: train anew with again=true"
        )
    mapping = {**header.metadata["class_mapping"], **{OF_MODEL[sort]: dict(of) for sort, of in numbers.items()}}
    update_metadata(model, {"class_mapping": mapping})


def known_classes(header: ModelHeader) -> dict[str, dict[str, int]]:
    """The classes of a segmentation model and their numbers."""
    mapping = _mapping(header.metadata.get("class_mapping"))
    return {
        sort: {
            str(name): number for name, number in _mapping(mapping.get(OF_MODEL[sort])).items() if type(number) is int
        }
        for sort in KINDS
    }


def _mapping(value: object) -> dict[str, Any]:
    """A value of a foreign file, if it is a mapping."""
    return value if isinstance(value, dict) else {}


KINDS = ("lines", "regions")


OF_MODEL = {"lines": "baselines", "regions": "regions"}
"""Our words and those in a model's class mapping."""
