"""A digest of a model's weights, which copying, renaming and converting between kraken's formats do not change.

It needs neither torch nor coremltools. CoreML and safetensors hold the same numbers in different pieces:

* an LSTM's matrices for its four gates are four tensors in CoreML, and one tensor of four equal parts in torch;
* its two bias vectors in torch are one in CoreML: their sum (`serialize` in kraken/lib/vgsl/layers.py);
* tensors have other names, and another order.

So the pieces are the smallest ones, the biases are added up, and the digest is of the sorted digests of the pieces.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from htr_exp.kraken.model_file import MODEL_NEURAL_NETWORK, read_header
from htr_exp.kraken.protobuf import Damaged, fields_of

# Field numbers of CoreML's own schema (mlmodel/format/NeuralNetwork.proto in apple/coremltools).
_LAYERS = 1
_FLOAT_VALUE = 1
_TENSORS = {100: (90, 91), 140: (20, 21), 150: (20, 21), 500: (20,)}
"""A kind of layer -> its weights and biases: convolution, inner product, embedding, custom (kraken's group norm)."""
_LSTM = (420, 430)
_LSTM_WEIGHTS = 20
_GATES = (1, 2, 3, 4, 20, 21, 22, 23, 60, 61, 62)
_GATE_BIASES = (40, 41, 42, 43)

_OF_LSTM = re.compile(r"(?P<layer>.+\.)(?P<kind>weight|bias)_(?P<of>ih|hh)_(?P<end>l\d+(_reverse)?)")


def weights_digest(path: Path) -> str:
    """The SHA-256 of a model's weights.

    Where a network cannot be taken to pieces it is that of its bytes, which a conversion changes.

    Raises:
        ModelError: the file is no model.
    """
    coreml = read_header(path).format == "coreml"
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        try:
            pieces = [hashlib.sha256(piece).digest() for piece in (_coreml if coreml else _safetensors)(file, size)]
        except (Damaged, KeyError, TypeError, ValueError):
            pieces = []
        if not pieces:
            pieces = [hashlib.sha256(_bytes(file, *span)).digest() for span in _network(file, size, coreml)]
    return hashlib.sha256(b"".join(sorted(pieces))).hexdigest()


def _network(file: BinaryIO, size: int, coreml: bool) -> list[tuple[int, int]]:
    if coreml:
        return [(start, end) for number, _, start, end in fields_of(file, 0, size) if number == MODEL_NEURAL_NETWORK]
    return [(8 + int.from_bytes(_bytes(file, 0, 8), "little"), size)]


def _bytes(file: BinaryIO, start: int, end: int) -> bytes:
    file.seek(start)
    return file.read(end - start)


def _inner(file: BinaryIO, spans: Iterable[tuple[int, int]], *numbers: int) -> Iterator[tuple[int, int]]:
    """Yield the values of the fields of such numbers in messages."""
    for start, end in spans:
        for number, _, inner_start, inner_end in fields_of(file, start, end):
            if number in numbers:
                yield inner_start, inner_end


def _coreml(file: BinaryIO, size: int) -> Iterator[bytes]:
    layers = list(_inner(file, _network(file, size, coreml=True), _LAYERS))
    of_layers = [_inner(file, _inner(file, layers, kind), *weights) for kind, weights in _TENSORS.items()]
    lstm = list(_inner(file, _inner(file, layers, *_LSTM), _LSTM_WEIGHTS))
    for weights in (*of_layers, _inner(file, lstm, *_GATES)):
        for span in _inner(file, weights, _FLOAT_VALUE):
            yield _bytes(file, *span)
    for span in _inner(file, _inner(file, lstm, *_GATE_BIASES), _FLOAT_VALUE):
        yield _sum(_bytes(file, *span))


def _safetensors(file: BinaryIO, size: int) -> Iterator[bytes]:
    (begin, _) = _network(file, size, coreml=False)[0]
    header = json.loads(_bytes(file, 8, begin))
    biases: dict[str, list[bytes]] = {}
    for name, about in header.items():
        if name == "__metadata__":
            continue
        start, end = about["data_offsets"]
        value = _bytes(file, begin + start, begin + end)
        lstm = _OF_LSTM.fullmatch(name) if about["dtype"] == "F32" else None
        if lstm is None:
            yield from [value] if value else []
        elif lstm["kind"] == "bias":
            biases.setdefault(f"{lstm['layer']}{lstm['end']}", []).append(value)
        else:
            yield from _gates(value)
    for values in biases.values():
        yield from _gates(_sum(*values))


def _gates(value: bytes) -> list[bytes]:
    part = len(value) // 4
    return [value[start : start + part] for start in range(0, len(value), part or 1)]


def _sum(*vectors: bytes) -> bytes:
    """The sum of vectors of 32 bit numbers, as numpy has it; of one alone, with no zero below zero."""
    total = array("f", [sum(values) for values in zip(*(array("f", vector) for vector in vectors), strict=True)])
    return total.tobytes()
