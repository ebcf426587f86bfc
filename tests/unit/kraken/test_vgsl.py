from __future__ import annotations

import json
import subprocess
import sys

import pytest
import yaml

from helpers.folders import CHECKOUT
from htr_exp.kraken.vgsl import columns_needed, count_weights, multiplications, read_network

SPECS = {
    "guide": "[1,128,0,1 Cr4,16,32 Do0.1,2 Mp2,2 Cr4,16,32 Mp2,2 Cr3,8,64 Mp2,2 Cr3,8,64 S1(1x0)1,3 Lbx25 O1c10]",
    "strides": "[1,30,0,1 Cr{C_0}3,3,32,2,2 Gn{Gn_1}32 Cr3,3,64,2,2 Gn32 S1(1x0)1,3 O1c16]",
    "pools": "[1,48,0,1 Cl5,5,8,1,3 Mp{M}3,3,2,2 Clr3,3,8,1,1,1,2 S{S_2}1(1x0)1,3 Gbx10 O1c16]",
    "columns": "[1,1,0,48 Lbx10 O1c5]",
    "small": "[1,48,0,1 Cr3,3,16 Mp2,2 Cr3,3,32 Mp2,2 S1(1x12)1,3 Lbx100 Do0.1,2 O1c10]",
}
# width -> columns, as kraken 7.1.1 answered (the test below asks it again)
ANSWERS = {
    "guide": {33: 2, 100: 10, 103: 11, 250: 29, 999: 123},
    "strides": {1: 1, 5: 2, 16: 4, 17: 5, 250: 63, 999: 250},
    "pools": {9: 1, 33: 5, 103: 17, 250: 41, 999: 166},
    "columns": {1: 1, 250: 250},
    "small": {5: 1, 100: 25, 104: 26, 999: 249},
}


def of_width(spec: str, width: int) -> int:
    found = read_network(spec)
    assert found is not None
    for step in found.steps:
        width = step.columns(width)
    return width


@pytest.mark.parametrize("name", SPECS)
def test_columns_are_counted_as_kraken_counts_them(name: str) -> None:
    assert {width: of_width(SPECS[name], width) for width in ANSWERS[name]} == ANSWERS[name]


def test_a_line_is_scaled_to_the_networks_height_and_padded() -> None:
    shape = read_network(SPECS["small"])
    assert shape is not None
    assert (shape.height, shape.width) == (48, 0)
    assert shape.columns(1000, 96, pad=0) == 500 // 4
    assert shape.columns(1000, 96, pad=16) == 532 // 4


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("1,0,0,3", 1000),  # not scaled, not padded
        ("1,0,600,1", 632),  # to a width
        ("1,40,600,1", 600),  # to a size, not padded
        ("1,1,0,48", 532),  # columns as channels
    ],
)
def test_every_kind_of_input_has_its_width(entry: str, expected: int) -> None:
    shape = read_network(f"[{entry} Lbx10]")
    assert shape is not None
    assert shape.columns(1000.9, 96.0, pad=16) == expected


@pytest.mark.parametrize(
    "spec",
    [
        "PPOCRv6 small",
        "",
        "[1,48,0,1 ([Cr3,3,8 Mp2,2] Cr3,3,8,2,2) Lbx10]",
        "[1,48,0,1 CTr3,3,8,2,2 Lbx10]",
        "[1,48,0,1 S2(1x2)1,3 Lbx10]",
        "[1,48,0,1 Lfxs10]",
        "[1,48,0,1 A2,4 Lbx10]",
        "nonsense",
    ],
)
def test_what_cannot_be_told_is_not_guessed(spec: str) -> None:
    assert read_network(spec) is None


def test_every_architecture_that_ships_can_be_told() -> None:
    files = (CHECKOUT / "conf" / "architecture").glob("*.yaml")
    specs = {file.stem: yaml.safe_load(file.read_text(encoding="utf-8"))["spec"] for file in files}
    assert {name for name, spec in specs.items() if spec is None} == {"base_model"}
    assert len(specs) > 2
    for name, spec in specs.items():
        assert spec is None or read_network(spec) is not None, name


def test_equal_neighbours_need_a_column_between_them() -> None:
    assert columns_needed("abc") == 3
    assert columns_needed("aabbb") == 8
    assert columns_needed("") == 0
    assert columns_needed("q\u0303q\u0303", ["q\u0303"]) == 3  # one label each, and alike
    assert columns_needed("q\u0303a", ["q\u0303", "q"]) == 2


ASK = """
import json, sys, warnings
warnings.filterwarnings("ignore")
import torch
from kraken.lib.vgsl import TorchVGSLModel
answers = {}
for name, spec in json.loads(sys.argv[1]).items():
    net = TorchVGSLModel(vgsl=spec).eval()
    batch, channels, height, _ = net.input
    answers[name] = {}
    for width in [*range(34, 140), 250, 333, 999]:
        with torch.no_grad():
            out, length = net.nn(torch.zeros(1, channels, height, width), torch.tensor([width]))
        assert out.shape[-1] == int(length[0])
        answers[name][width] = out.shape[-1]
print(json.dumps(answers))
"""


@pytest.mark.slow
@pytest.mark.kraken
def test_kraken_itself_leaves_so_many_columns() -> None:
    said = subprocess.run([sys.executable, "-c", ASK, json.dumps(SPECS)], capture_output=True, text=True, timeout=300)
    assert said.returncode == 0, said.stderr
    answers = json.loads(said.stdout.splitlines()[-1])
    ours = {name: {width: of_width(SPECS[name], int(width)) for width in of} for name, of in answers.items()}
    assert ours == answers


# architecture -> weights with 60 labels, as PyTorch counted the parameters of kraken 7.1.1's network
WEIGHTS = {"kraken_default": 4016924, "guide": 5894396, "small": 405660}


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights_are_counted_as_pytorch_counts_them(name: str) -> None:
    spec = yaml.safe_load((CHECKOUT / f"conf/architecture/{name}.yaml").read_text())["spec"]
    assert count_weights(spec, outputs=60) == WEIGHTS[name]
    assert count_weights(f"{spec[:-1]} O1c60]") == WEIGHTS[name]


@pytest.mark.parametrize("spec", ["", "[1,48,0,1 Zz3]", "[1,0,0,1 Cr3,3,16 S1(1x0)1,3 Lbx100 O1c5]", "wav2vec"])
def test_weights_of_an_unknown_network_are_not_guessed(spec: str) -> None:
    assert count_weights(spec) is None


def test_each_weight_is_used_at_each_position_of_its_layer() -> None:
    spec = "[1,8,0,1 Cr3,3,4 Mp2,2 S1(1x0)1,3 Lbx5 O1c6]"
    convolution, lstm, output = (3 * 3 + 1) * 4 * 8 * 16, 2 * 4 * 5 * (16 + 5 + 2) * 8, (10 + 1) * 6 * 8
    assert multiplications(spec, aspect=2) == convolution + lstm + output
    assert multiplications("[1,0,0,3 Cr3,3,4 O2l8]", aspect=1) is None
    assert multiplications("wav2vec", aspect=1) is None
