"""Models made at random: whatever their header holds, reading it ends in words, soon.

The same examples each time. HTR_EXP_FUZZ=20000 tries so many new ones per test instead.
"""

from __future__ import annotations

import json
import struct
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from helpers.fuzzing import tried
from helpers.model_bytes import coreml, kraken_coreml
from htr_exp.audit.memory_estimate import scaled_pixels, values_per_pixel
from htr_exp.core.errors import ModelError
from htr_exp.kraken.class_names import known_classes
from htr_exp.kraken.model_file import ModelHeader, read_header
from htr_exp.kraken.vgsl import columns_needed, count_weights, multiplications, read_network
from htr_exp.splits.fingerprints import of_model

pytestmark = pytest.mark.seconds

NUMBERS = [0, -1, 10**400, 1 << 63, 1e308, float("inf"), float("nan"), True]
VALUES = st.recursive(
    st.none() | st.booleans() | st.sampled_from(NUMBERS) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
KEYS = ("model_type", "seg_type", "one_channel_mode", "legacy_polygons", "class_mapping", "vgsl", "codec", "_tasks", "_model", "variant",
        "baselines", "regions", "aux", "htr_exp_pages", "accuracy")  # fmt: skip
ABOUT = st.dictionaries(
    st.sampled_from(KEYS), VALUES | st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=3), max_size=6
)

BLOCKS = ["[1,48,0,1", "[1,{n},0,3", "[{n},0,0,0", "Cr{n},{n},{n}", "Cr3,3,8,{n},{n}", "Mp{n},{n}", "Mp2,2,{n},{n}", "S1(1x0){n},3", "S1(1x{n})1,3",
          "S1(1x0)", "Lbx{n}", "Gn{n}", "Do0.{n},2", "O1c{n}", "O2l{n}]", "Lbxs5", "(", "]", "{{x}}", "{{", "A1,{n}", "CT{n},{n},{n}"]  # fmt: skip
SPECS = st.lists(
    st.builds(
        lambda block, number: block.format(n=number),
        st.sampled_from(BLOCKS),
        st.sampled_from(["0", "00", "1", "3", "999999", "1000000", "-1", "٣", "", "9" * 5_000, "9" * 9_000]),
    ),
    max_size=7,
).map(" ".join)


def header_of(content: bytes, name: str = "model.mlmodel") -> ModelHeader | None:
    """The header of a file of these bytes, None if it is refused in words."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        try:
            return read_header(path)
        except ModelError:
            return None


def asked(spec: str) -> None:
    """All that is asked of a network by its specification."""
    network = read_network(spec)
    for width, height in ((1000, 50), (1, 100_000)):
        if network is not None:
            assert network.columns(width, height, 16) >= 0
    count_weights(spec, 5)
    multiplications(spec, 5.0)
    scaled_pixels(spec, 3000, 4000)
    values_per_pixel(spec, 4)


@tried()
@given(SPECS)
@example("S1(1x0)")
@example("[]")
@example("[1,48,0,1 Mp2,2,0,0]")
@example("[1,48,0,1 Cr3,3,8,0,0]")
@example("[1,48,0,1 Cr" + "9" * 100_000)
@example("[1," + "9" * 100_000 + ",0,1 Lbx10]")
@example("[1,48,0,1 C" + "x" * 200_000 + "]")
@example("{" * 100_000)
def test_any_specification_of_a_network_is_read_or_unknown(spec: str) -> None:
    asked(spec)


def test_a_specification_with_numbers_as_networks_have_them_is_known() -> None:
    spec = "[1,120,0,1 Cr3,13,32 Do0.1,2 Mp2,2 Cr3,13,32 Mp2,2 S1(1x0)1,3 Lbx200 O1c100]"
    assert read_network(spec) is not None
    assert count_weights(spec)
    assert multiplications(spec, 20.0)
    assert values_per_pixel("[1,1800,0,3 Cr7,7,64,2,2 Gn32 Cr3,3,128,2,2 Lbx32 Lby32 Cr1,1,32 O2l8]", 4)


@tried()
@given(ABOUT)
def test_any_metadata_of_coreml_is_read_or_refused(about: dict[str, Any]) -> None:
    for content in (kraken_coreml(**about), coreml({"kraken_meta": json.dumps(about), "vgsl": "[1,48,0,1]"})):
        header = header_of(content)
        if header is not None:
            assert set(known_classes(header)) == {"lines", "regions"}
            asked(header.network)
            of_model(header.metadata.get("htr_exp_pages"), "x")
            if header.alphabet:
                columns_needed("abc", header.alphabet)


@tried()
@given(ABOUT | VALUES, st.sampled_from(["kraken_meta", "__metadata__", "tensor", "digits"]), st.integers(0, 1 << 65))
def test_any_header_of_safetensors_is_read_or_refused(about: Any, where: str, length: int) -> None:
    inner = {"model": about} if where == "kraken_meta" else about
    held: dict[str, Any] = {"__metadata__": {"kraken_meta": json.dumps(inner)}}
    if where == "__metadata__":
        held["__metadata__"] = about
    elif where == "tensor":
        held["w"] = {"data_offsets": [0, about]}
    text = json.dumps(held).encode()
    if where == "digits":
        text = b'{"w": {"data_offsets": [0, ' + b"9" * 5_000 + b"]}}"
    said = len(text) if length % 3 else length % (1 << 64)
    header = header_of(struct.pack("<Q", said) + text, "model.safetensors")
    if header is not None:
        known_classes(header)


@tried()
@given(st.binary(max_size=60), st.integers(0, 400), st.integers(0, 60))
def test_any_bytes_in_a_model_are_read_or_refused(noise: bytes, place: int, cut: int) -> None:
    content = kraken_coreml()
    content = content[:place] + noise + content[place + cut :]
    header_of(content)
    header_of(b"\x08" + noise)


@tried()
@given(VALUES | st.fixed_dictionaries({"form": st.just(2), "sources": VALUES, "pages": VALUES, "count": VALUES}))
def test_whatever_a_model_says_of_its_pages_is_read_or_unknown(said: Any) -> None:
    assert of_model(said, "weights").known in ("known", "in part", "unknown")
