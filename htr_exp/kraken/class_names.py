"""Corrects which output of a segmentation model is called what, in the model's file.

kraken 7.1 numbers the classes of its targets in one way and, after the outputs of a base model were resized, names the
outputs of the model in another: in the order of a Python set (kraken/train/blla.py, `setup`). What an output has learnt
is what the targets said.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from pathlib import Path

from htr_exp.core.errors import TrainingError
from htr_exp.core.files import write_atomically
from htr_exp.kraken.model_file import (
    DESCRIPTION_METADATA,
    ENTRY_KEY,
    ENTRY_VALUE,
    METADATA_USER_DEFINED,
    MODEL_DESCRIPTION,
    ModelHeader,
    fields_of,
    read_header,
)


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
    about = json.dumps(header.metadata | {"class_mapping": mapping})

    def changed(entry: bytes) -> bytes:
        parts = {number: entry[start:end] for number, _, start, end in fields_of(BytesIO(entry), 0, len(entry))}
        if parts.get(ENTRY_KEY) != b"kraken_meta":
            return entry
        return _replaced(entry, (ENTRY_VALUE,), lambda _: about.encode())

    path = (MODEL_DESCRIPTION, DESCRIPTION_METADATA, METADATA_USER_DEFINED)
    write_atomically(model, _replaced(model.read_bytes(), path, changed))


def _replaced(message: bytes, path: Sequence[int], change: Callable[[bytes], bytes]) -> bytes:
    """Return a protobuf message with the fields at a path of field numbers changed; all others stay byte for byte."""
    out, kept = [], 0
    for number, begin, start, end in fields_of(BytesIO(message), 0, len(message)):
        if number != path[0]:
            continue
        value = message[start:end]
        new = change(value) if len(path) == 1 else _replaced(value, path[1:], change)
        out += [message[kept:begin], _encoded(number << 3 | 2), _encoded(len(new)), new]
        kept = end
    return b"".join([*out, message[kept:]])


def _encoded(value: int) -> bytes:
    """Return a number as protobuf writes it: seven bits a byte, the lowest first."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def known_classes(header: ModelHeader) -> dict[str, dict[str, int]]:
    """Return the classes of a segmentation model and their numbers."""
    mapping = header.metadata.get("class_mapping") or {}
    return {
        sort: {str(name): int(number) for name, number in (mapping.get(OF_MODEL[sort]) or {}).items()} for sort in KINDS
    }


KINDS = ("lines", "regions")


OF_MODEL = {"lines": "baselines", "regions": "regions"}
"""Our words and those in a model's class mapping."""
