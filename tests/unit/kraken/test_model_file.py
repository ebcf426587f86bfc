from __future__ import annotations

import importlib.util
import json
import struct
from pathlib import Path
from typing import Any

import pytest

from fakes.scenario import field, varint
from helpers.model_bytes import CODEC, SPEC, coreml, kraken_coreml
from htr_exp.core.errors import ModelError
from htr_exp.core.task import RECOGNITION, SEGMENTATION
from htr_exp.kraken.model_file import read_header


def safetensors(models: Any, *, weights: int = 64, written: int | None = None) -> bytes:
    header = json.dumps(
        {
            "__metadata__": {"kraken_meta": json.dumps(models)},
            "x.nn.C_0.co.weight": {"dtype": "F32", "shape": [weights // 4], "data_offsets": [0, weights]},
        }
    ).encode()
    return struct.pack("<Q", len(header)) + header + bytes(weights if written is None else written)


def vgsl(**changes: Any) -> dict[str, Any]:
    return {"_tasks": ["recognition"], "_model": "TorchVGSLModel", "vgsl": SPEC, "codec": CODEC} | changes


def written(folder: Path, content: bytes, name: str = "base.mlmodel") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        read_header(path)
    assert str(path) in caught.value.headline
    return str(caught.value)


def test_coreml_header_says_what_the_model_is(tmp_path: Path) -> None:
    header = read_header(written(tmp_path, kraken_coreml()))
    assert header.format == "coreml"
    assert header.kind is RECOGNITION
    assert header.alphabet == ("a", "b", "q\u0303")
    assert header.network == SPEC
    assert (header.line_type, header.one_channel_mode, header.legacy_polygons) == ("baselines", "L", False)
    assert header.metadata["seg_type"] == "baselines"


def test_safetensors_header_says_what_the_model_is(tmp_path: Path) -> None:
    model = vgsl(seg_type="bbox", one_channel_mode="1", legacy_polygons=False)
    header = read_header(written(tmp_path, safetensors({"uuid": model}), "base.safetensors"))
    assert (header.format, header.kind) == ("safetensors", RECOGNITION)
    assert header.alphabet == ("a", "b", "q\u0303")
    assert (header.line_type, header.one_channel_mode, header.legacy_polygons) == ("bbox", "1", False)
    assert header.metadata == model


def test_segmentation_model_has_no_alphabet(tmp_path: Path) -> None:
    header = read_header(written(tmp_path, kraken_coreml(model_type="segmentation", seg_type=None)))
    assert (header.kind, header.alphabet, header.line_type) == (SEGMENTATION, None, None)


def test_model_type_of_kraken_7_is_a_list(tmp_path: Path) -> None:
    assert read_header(written(tmp_path, kraken_coreml(model_type=["segmentation"]))).kind is SEGMENTATION


def test_coreml_model_older_than_kraken_meta_recognises_text(tmp_path: Path) -> None:
    header = read_header(written(tmp_path, coreml({"vgsl": SPEC, "codec": json.dumps(CODEC)})))
    assert (header.kind, header.metadata, header.line_type) == (RECOGNITION, {}, None)
    assert header.legacy_polygons is True


@pytest.mark.parametrize(("model", "legacy"), [(vgsl(), True), (vgsl(_model="PPOCRv6Model"), False)])
def test_lines_are_cut_the_old_way_when_a_vgsl_model_does_not_say(
    tmp_path: Path, model: dict[str, Any], legacy: bool
) -> None:
    assert read_header(written(tmp_path, safetensors({"uuid": model}))).legacy_polygons is legacy


def test_segmentation_is_found_beside_its_reading_order(tmp_path: Path) -> None:
    models = {"one": {"_tasks": ["reading_order"], "_model": "ROMLP"}, "two": vgsl(_tasks=["segmentation"])}
    assert read_header(written(tmp_path, safetensors(models))).kind is SEGMENTATION


def test_format_is_known_by_content_and_not_by_name(tmp_path: Path) -> None:
    assert read_header(written(tmp_path, safetensors({"uuid": vgsl()}), "base.mlmodel")).format == "safetensors"


def test_missing_file_and_folder_are_named(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "none.mlmodel")
    assert "is a folder" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"In principio erat verbum, et verbum erat apud Deum.\n", "neither a CoreML file"),
        (b"In prin{ a brace in the ninth place }", "neither a CoreML file"),
        (b"\x89PNG\r\n\x1a\n", "image (PNG)"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "image (JPEG)"),
        (b"PK\x03\x04", "ketos convert"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        (b"\n\npyrnn-bidiP0X\x9c", "format of 2014 that no supported kraken loads"),
        (b"\x08\x02\x03\x00\x00", "is not one"),
        (b"\x08\x02\x0b", "is not one"),
        (b"\x08\x02\x00\x00", "is not one"),
        (b"\x08" + b"\xff" * 40, "cut"),
        (b"\x08\x02" + varint(2 << 3 | 2) + varint(1 << 62) + b"abc", "cut"),
        (coreml({"author": "somebody"}), "not kraken's"),
        (coreml({"codec": json.dumps(CODEC)}), "no network (vgsl)"),
        (coreml({"vgsl": SPEC}), "without a codec"),
        (coreml({"vgsl": SPEC, "codec": "{"}), "codec) is not JSON"),
        (coreml({"vgsl": SPEC, "codec": "[" * 200_000}), "codec) is not JSON"),
        (coreml({"vgsl": SPEC, "codec": "{}", "kraken_meta": "[]"}), "not a JSON object"),
        (b"\x08\x02" + field(2, field(100, field(100, field(1, b"vgsl") + field(2, b"\xff\xfe")))), "UTF-8"),
        (b"\x08\x02" + field(2, b""), "no neural network"),
        (kraken_coreml(model_type=None), "does not say what it is for"),
        (kraken_coreml(model_type="pretrain"), "it is for pretrain"),
        (safetensors({"uuid": vgsl(_tasks=None)}), "does not say what it is for"),
        (safetensors({"uuid": vgsl(_tasks=["reading_order"])}), "it is for reading_order"),
        (safetensors({"a": vgsl(), "b": vgsl(_tasks=["segmentation"])}), "one of the two"),
        (safetensors({"uuid": vgsl(vgsl=None)}), "no network (vgsl)"),
        (safetensors({"uuid": 7}), "not a JSON object"),
        (safetensors({"uuid": vgsl()}, written=63), "cut"),
        (safetensors({"uuid": vgsl()})[:100], "cut"),
        (struct.pack("<Q", 2) + b"{}", "not kraken's"),
        (struct.pack("<Q", 13) + b'{"x": [1, 2]}', "without its place"),
    ],
)
def test_file_that_kraken_cannot_load_is_refused_with_its_reason(tmp_path: Path, content: bytes, words: str) -> None:
    assert words in refusal(written(tmp_path, content))


@pytest.mark.parametrize("suffix", [".pronn", ".hdf5", ".clstm"])
def test_old_format_is_known_by_its_suffix(tmp_path: Path, suffix: str) -> None:
    assert "format of 2014" in refusal(written(tmp_path, b"anything", f"old{suffix}"))


@pytest.mark.parametrize("content", [kraken_coreml(), safetensors({"uuid": vgsl()})], ids=["coreml", "safetensors"])
def test_file_cut_anywhere_is_refused(tmp_path: Path, content: bytes) -> None:
    for length in [*range(0, min(len(content), 800), 7), len(content) // 2, len(content) - 1]:
        refusal(written(tmp_path, content[:length]))


@pytest.mark.seconds
def test_damaged_bytes_never_raise_anything_else(tmp_path: Path) -> None:
    for content in (kraken_coreml(), safetensors({"uuid": vgsl()})):
        for position in range(0, min(len(content), 700), 3):
            for byte in (0x00, 0x7F, 0xFF):
                damaged = content[:position] + bytes([byte]) + content[position + 1 :]
                try:
                    read_header(written(tmp_path, damaged))
                except ModelError:
                    continue


def test_real_models_are_read_or_refused_as_kraken_does(real_data: Path) -> None:
    alphabets = {}
    for path in sorted((real_data / "models").glob("*.*")):
        if path.suffix not in (".mlmodel", ".safetensors"):
            refusal(path)
        elif "model_small" in path.name:  # kraken's own fixture, which says of itself that it is for nothing
            assert "does not say what it is for" in refusal(path)
        else:
            header = read_header(path)
            assert header.kind is RECOGNITION
            assert header.network.startswith("[1,")
            alphabets[path.name] = len(header.alphabet or ())
    assert alphabets["lexical_anthologia-latina.mlmodel"] == 80
    assert alphabets["medieval_small.mlmodel"] == 122


@pytest.mark.skipif(importlib.util.find_spec("kraken") is None, reason="install kraken to read the model it ships")
def test_krakens_own_segmentation_model_is_read() -> None:
    spec = importlib.util.find_spec("kraken")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    header = read_header(Path(spec.submodule_search_locations[0]) / "blla.mlmodel")
    assert (header.kind, header.alphabet, header.format) == (SEGMENTATION, None, "coreml")
    assert header.network.startswith("[1,1800,0,3 ")
