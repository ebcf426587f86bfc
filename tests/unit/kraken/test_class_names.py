from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fakes.scenario import ALPHABET, SPEC, field, segmentation_weights, weights
from htr_exp.core.errors import ModelError, TrainingError
from htr_exp.kraken.class_names import relabel
from htr_exp.kraken.model_file import read_header

RIGHT = {"baselines": {"A": 2, "B": 3}, "regions": {"Y": 4, "Z": 5}}
SWAPPED = {"baselines": {"B": 2, "A": 3}, "regions": {"Y": 4, "Z": 5}}
NUMBERS = {"lines": RIGHT["baselines"], "regions": RIGHT["regions"]}


def written(tmp_path: Path, named: dict[str, dict[str, int]], **meta: Any) -> Path:
    path = tmp_path / "m.mlmodel"
    path.write_bytes(segmentation_weights(named, **meta))
    return path


def test_swapped_names_are_put_right(tmp_path: Path) -> None:
    path = written(tmp_path, SWAPPED)
    relabel(path, NUMBERS)
    mapping = read_header(path).metadata["class_mapping"]
    assert mapping == {"aux": {"_start_separator": 0, "_end_separator": 1}, **RIGHT}


def test_every_other_byte_stays_as_it_was(tmp_path: Path) -> None:
    path = written(tmp_path, SWAPPED, accuracy=0.5)
    before = path.read_bytes()
    relabel(path, NUMBERS)
    start, end = before.index(b"{", before.index(b"kraken_meta")), before.index(field(10, b"output"))
    about = json.loads(before[start:end])
    about["class_mapping"] |= RIGHT
    assert path.read_bytes() == segmentation_weights(SWAPPED, accuracy=0.5).replace(
        before[start:end], json.dumps(about).encode()
    )


def test_lengths_are_those_of_the_new_names(tmp_path: Path) -> None:
    """The metadata of a real model is longer than 127 bytes more or less: lengths change their own length."""
    swapped = {"baselines": {"b" * 60: 2, "a": 3}, "regions": {}}
    path = tmp_path / "m.mlmodel"
    entries = field(100, field(1, b"kraken_meta") + field(2, json.dumps(
        {"model_type": "segmentation", "class_mapping": swapped}, separators=(",", ":")).encode()))  # fmt: skip
    about = field(100, field(1, b"kraken model") + entries + field(100, field(1, b"vgsl") + field(2, SPEC.encode())))
    content = b"\x08\x02" + field(2, field(1, b"input") + about) + b"\x50\x01" + field(500, bytes(70_000))
    path.write_bytes(content)
    relabel(path, {"lines": {"a": 2, "b" * 60: 3}, "regions": {}})
    header = read_header(path)  # steps through the whole file
    assert header.metadata["class_mapping"] == {"baselines": {"a": 2, "b" * 60: 3}, "regions": {}}
    assert header.network == SPEC
    assert path.read_bytes().endswith(field(500, bytes(70_000)))


def test_the_weights_are_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "m.mlmodel"
    content = segmentation_weights(SWAPPED)
    network = field(500, b"\x08\x02" + bytes(range(256)) * 400 + b"kraken_meta")
    content = content[: content.index(b"\x50\x01")] + b"\x50\x01" + network
    path.write_bytes(content)
    relabel(path, NUMBERS)
    assert path.read_bytes().endswith(b"\x50\x01" + network)
    assert read_header(path).metadata["class_mapping"]["baselines"] == RIGHT["baselines"]


def test_a_model_that_is_right_is_not_written(tmp_path: Path) -> None:
    path = written(tmp_path, RIGHT)
    before = path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino
    relabel(path, NUMBERS)
    assert (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino) == before


def test_doing_it_again_changes_nothing(tmp_path: Path) -> None:
    path = written(tmp_path, SWAPPED)
    relabel(path, NUMBERS)
    before = path.read_bytes()
    relabel(path, NUMBERS)
    assert path.read_bytes() == before


def test_names_beyond_ascii_are_put_right(tmp_path: Path) -> None:
    path = written(tmp_path, {"baselines": {"été": 2, "ſ": 3}, "regions": {}})
    relabel(path, {"lines": {"ſ": 2, "été": 3}, "regions": {}})
    assert read_header(path).metadata["class_mapping"]["baselines"] == {"ſ": 2, "été": 3}


def test_a_model_with_one_sort_only_is_put_right(tmp_path: Path) -> None:
    path = written(tmp_path, {"baselines": {}, "regions": {"Z": 2, "Y": 3}})
    relabel(path, {"lines": {}, "regions": {"Y": 2, "Z": 3}})
    assert read_header(path).metadata["class_mapping"]["regions"] == {"Y": 2, "Z": 3}


@pytest.mark.parametrize(
    "named",
    [
        {"baselines": {"A": 2}, "regions": {"Y": 4, "Z": 5}},
        {"baselines": {"A": 2, "C": 3}, "regions": {"Y": 4, "Z": 5}},
        {"baselines": {"A": 2, "B": 3, "default": 6}, "regions": {"Y": 4, "Z": 5}},
        {"baselines": {"A": 2, "B": 3, "Y": 4}, "regions": {"Z": 5}},
    ],
)
def test_a_model_of_other_classes_is_refused_and_left_alone(tmp_path: Path, named: dict[str, dict[str, int]]) -> None:
    path = written(tmp_path, named)
    before = path.read_bytes()
    with pytest.raises(TrainingError, match="again=true"):
        relabel(path, NUMBERS)
    assert path.read_bytes() == before


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.mlmodel"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(ModelError):
        relabel(path, NUMBERS)


def test_a_recogniser_is_refused(tmp_path: Path) -> None:
    assert "a" in ALPHABET
    path = tmp_path / "m.mlmodel"
    path.write_bytes(weights())
    with pytest.raises(TrainingError):
        relabel(path, NUMBERS)
