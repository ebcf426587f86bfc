"""The digest of weights: the same however a file is called and written, another one for other numbers."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from fakes.scenario import field, weights
from helpers.model_bytes import kraken_coreml
from htr_exp.core.errors import ModelError
from htr_exp.kraken.model_metadata import update_metadata
from htr_exp.kraken.model_weights import weights_digest

CODEC = {"a": [1]}
META = {"model_type": "recognition", "vgsl": "[1,12,0,1 Lbx2 O1c4]", "codec": CODEC}

MATRIX = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
BIAS_IH, BIAS_HH = [0.1, 0.2, -0.0, 4.0], [0.3, 0.7, -0.0, 4.0]


def floats(*numbers: float) -> bytes:
    return struct.pack(f"<{len(numbers)}f", *numbers)


def rounded(number: float) -> float:
    return float(struct.unpack("<f", struct.pack("<f", number))[0])


SUMS = [rounded(rounded(first) + rounded(second)) for first, second in zip(BIAS_IH, BIAS_HH)]


def coreml(name: str = "L_0", convolution: tuple[float, ...] = (9.0, 8.0), meta: str = "") -> bytes:
    """A convolution, and an LSTM of two inputs and one output, as kraken's CoreML has them: gates and one bias each."""
    gates = b"".join(
        field(gate, field(1, floats(*MATRIX[2 * at : 2 * at + 2]))) for at, gate in enumerate((1, 2, 3, 4))
    )
    recursion = b"".join(field(gate, field(1, floats(MATRIX[at]))) for at, gate in enumerate((20, 21, 22, 23)))
    biases = b"".join(field(gate, field(1, floats(SUMS[at]))) for at, gate in enumerate((40, 41, 42, 43)))
    lstm = field(1, name.encode()) + field(420, field(20, gates + recursion + biases))
    conv = field(1, b"C_0_conv") + field(100, field(90, field(1, floats(*convolution))))
    about = field(100, field(1, b"kraken_meta") + field(2, json.dumps(META | {"note": meta}).encode()))
    return b"\x08\x02" + field(2, field(100, about)) + field(500, field(1, conv) + field(1, lstm))


def safetensors(prefix: str = "one", reverse: bool = False) -> bytes:
    tensors = {
        f"{prefix}.nn.C_0.co.weight": floats(9.0, 8.0),
        f"{prefix}.nn.L_0.layer.weight_ih_l0": floats(*MATRIX),
        f"{prefix}.nn.L_0.layer.weight_hh_l0": floats(*MATRIX[:4]),
        f"{prefix}.nn.L_0.layer.bias_ih_l0": floats(*BIAS_IH),
        f"{prefix}.nn.L_0.layer.bias_hh_l0": floats(*BIAS_HH),
    }
    header: dict[str, object] = {
        "__metadata__": {
            "kraken_meta": json.dumps({prefix: {**META, "_tasks": ["recognition"], "_model": "TorchVGSLModel"}})
        }
    }
    data = b""
    for name in sorted(tensors, reverse=reverse):
        header[name] = {"dtype": "F32", "shape": [1], "data_offsets": [len(data), len(data) + len(tensors[name])]}
        data += tensors[name]
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def digest(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    return weights_digest(path)


def test_both_formats_of_one_model_have_one_digest(tmp_path: Path) -> None:
    found = {
        digest(tmp_path / "a.mlmodel", coreml()),
        digest(tmp_path / "b.mlmodel", coreml(name="L_0_transposed", meta="another")),
        digest(tmp_path / "c.safetensors", safetensors()),
        digest(tmp_path / "d.safetensors", safetensors("another", reverse=True)),
    }
    assert len(found) == 1


def test_other_numbers_have_another_digest(tmp_path: Path) -> None:
    other = coreml(convolution=(9.0, 8.5))
    assert digest(tmp_path / "a.mlmodel", coreml()) != digest(tmp_path / "b.mlmodel", other)


def test_metadata_is_no_weight(tmp_path: Path) -> None:
    model = tmp_path / "m.mlmodel"
    before = digest(model, weights(accuracy=0.5))
    update_metadata(model, {"htr_exp": {"form": 1}})
    assert weights_digest(model) == before
    assert digest(model, weights(accuracy=0.6)) != before


def test_a_network_that_cannot_be_taken_to_pieces_counts_as_a_whole(tmp_path: Path) -> None:
    plain = digest(tmp_path / "a.mlmodel", kraken_coreml())
    assert plain == digest(tmp_path / "b.mlmodel", kraken_coreml(seg_type="bbox"))
    cut_within = coreml().replace(b"C_0_conv", b"C_0_con\xff")[:-1] + b"\xff"
    assert digest(tmp_path / "c.mlmodel", cut_within) != plain


def test_what_is_no_model_has_no_weights(tmp_path: Path) -> None:
    (tmp_path / "a.mlmodel").write_bytes(b"text")
    with pytest.raises(ModelError):
        weights_digest(tmp_path / "a.mlmodel")
