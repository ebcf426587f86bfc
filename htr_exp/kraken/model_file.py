"""What a kraken model file says of itself, read from its header without torch, coremltools or kraken.

A login node plans with this: kind, alphabet, network and image mode stand in a few kilobytes before or after the
weights, which are stepped over and never read.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

from htr_exp.core.errors import ModelError
from htr_exp.core.task import TASKS, Task
from htr_exp.kraken.protobuf import CUT, Damaged, fields_of

# Field numbers of CoreML's own schema (mlmodel/format/Model.proto in apple/coremltools).
MODEL_DESCRIPTION = 2
MODEL_NEURAL_NETWORK = 500
DESCRIPTION_METADATA = 100
METADATA_USER_DEFINED = 100
ENTRY_KEY, ENTRY_VALUE = 1, 2

# The safetensors format refuses longer headers; we hold a CoreML text field to the same bound.
LONGEST_HEADER = 100_000_000

OLD_SUFFIXES = (".pronn", ".hdf5", ".clstm")
OLD_FORMAT = "it is in a format of 2014 that no supported kraken loads: use a model in .mlmodel or .safetensors format"
NEITHER = "it is neither a CoreML file (.mlmodel) nor a safetensors file"

# How files begin that are taken for models by mistake.
LOOKALIKES = (
    (b"\x89PNG", "it is an image (PNG)"),
    (b"\xff\xd8\xff", "it is an image (JPEG)"),
    (b"II*\x00", "it is an image (TIFF)"),
    (b"MM\x00*", "it is an image (TIFF)"),
    (b"%PDF", "it is a PDF"),
    (b"PK\x03\x04", "it is a zip archive: of a training checkpoint, make weights with `ketos convert`"),
    (b"version https://git-lfs", "it is only Git LFS's note of where the file is: fetch it with `git lfs pull`"),
    (b"\x89HDF", OLD_FORMAT),
)


@dataclass(frozen=True, slots=True)
class ModelHeader:
    """The part of a model file that says how the model is used.

    Attributes:
        file: the model file.
        format: `coreml` (.mlmodel) or `safetensors`.
        kind: what kraken uses it for.
        alphabet: every grapheme the codec can put out, by code point; None for segmentation.
        network: the VGSL specification, layers named; for kraken 7.1's other architecture its name.
        line_type: `baselines` or `bbox`, what the lines of its training were; None if the file does not say.
        one_channel_mode: `1` (bitonal), `L` (grey), or None (colour, or not said).
        legacy_polygons: whether kraken 5 and later cut lines out for it by their old method.
        metadata: `kraken_meta` as it stands in the file, empty in models older than it.
    """

    file: Path
    format: Literal["coreml", "safetensors"]
    kind: Task
    alphabet: tuple[str, ...] | None
    network: str
    line_type: str | None
    one_channel_mode: str | None
    legacy_polygons: bool
    metadata: dict[str, Any]


def read_header(path: Path) -> ModelHeader:
    """Read what a model file says of itself.

    The format is known by the content, not by the suffix. The whole file is stepped through, so one that was cut while
    it was copied is found out here and not by kraken on a node.

    Args:
        path: a `.mlmodel` or `.safetensors` file.

    Raises:
        ModelError: the file is missing, is not a model, was cut, or is a model that kraken refuses.
    """
    try:
        with open(path, "rb") as file:
            return _read(path, file)
    except Damaged as error:
        raise ModelError(f"{path} is not a model that kraken loads", [str(error)]) from None
    except FileNotFoundError:
        raise ModelError(f"{path} does not exist") from None
    except IsADirectoryError:
        raise ModelError(f"{path} is a folder, not a model file") from None
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}") from None


def _read(path: Path, file: BinaryIO) -> ModelHeader:
    size = os.fstat(file.fileno()).st_size
    start = file.read(64)
    if path.suffix.lower() in OLD_SUFFIXES or b"pyrnn" in start:
        raise Damaged(OLD_FORMAT)
    for signature, meaning in LOOKALIKES:
        if start.startswith(signature):
            raise Damaged(meaning)
    if start[8:9] == b"{":
        return _safetensors_header(path, _read_safetensors(file, size))
    # Every writer of protobuf puts fields in order, and CoreML's first is its format version.
    if start[:1] == b"\x08":
        return _coreml_header(path, _read_coreml(file, size))
    if not start:
        raise Damaged("it is empty")
    raise Damaged(NEITHER)


def _read_coreml(file: BinaryIO, size: int) -> dict[str, str]:
    """The user-defined metadata of a CoreML model."""
    metadata: dict[str, str] = {}
    has_network = False
    for number, _, start, end in fields_of(file, 0, size):
        has_network = has_network or number == MODEL_NEURAL_NETWORK
        if number != MODEL_DESCRIPTION:
            continue
        for inner, _, inner_start, inner_end in fields_of(file, start, end):
            if inner != DESCRIPTION_METADATA:
                continue
            for field, _, entry_start, entry_end in fields_of(file, inner_start, inner_end):
                if field == METADATA_USER_DEFINED:
                    entry = {part: (a, b) for part, _, a, b in fields_of(file, entry_start, entry_end)}
                    key, value = (_text(file, *entry.get(part, (0, 0))) for part in (ENTRY_KEY, ENTRY_VALUE))
                    metadata[key] = value
    if not has_network:
        raise Damaged("it has no neural network: the file was cut, or it is another kind of CoreML model")
    return metadata


def _text(file: BinaryIO, start: int, end: int) -> str:
    if end - start > LONGEST_HEADER:
        raise Damaged(f"its metadata is longer than {LONGEST_HEADER:,} bytes")
    file.seek(start)
    try:
        return file.read(end - start).decode()
    except UnicodeDecodeError:
        raise Damaged("its metadata is not text in UTF-8") from None


def _coreml_header(path: Path, user_defined: dict[str, str]) -> ModelHeader:
    # A model older than kraken_meta recognises text: segmentation models came later (kraken/models/loaders.py).
    tasks: Any = ["recognition"]
    metadata: dict[str, Any] = {}
    if "kraken_meta" in user_defined:
        metadata = _object(_json(user_defined["kraken_meta"], "kraken_meta"), "kraken_meta")
        tasks = metadata.get("model_type")
        tasks = [tasks] if isinstance(tasks, str) else tasks
    network = user_defined.get("vgsl") or metadata.get("vgsl")
    if not user_defined.keys() & {"kraken_meta", "vgsl", "codec"}:
        raise Damaged("it is a CoreML model, but not kraken's: its metadata has no network (vgsl) and no kraken_meta")
    codec = _json(user_defined["codec"], "codec") if "codec" in user_defined else metadata.get("codec")
    return _header(path, "coreml", tasks, network, codec, metadata, legacy=True)


def _read_safetensors(file: BinaryIO, size: int) -> dict[str, Any]:
    """The header of a safetensors file: eight bytes of length, JSON, then the tensors (its README, Format)."""
    file.seek(0)
    length = int.from_bytes(file.read(8), "little")
    if length > LONGEST_HEADER:
        raise Damaged(NEITHER)
    if length > size - 8:
        raise Damaged(CUT)
    header = _object(_json(_text(file, 8, 8 + length), "header"), "header")
    ends = [_end(tensor) for name, tensor in header.items() if name != "__metadata__"]
    if 8 + length + max(ends, default=0) > size:
        raise Damaged(CUT)
    return header


def _end(tensor: Any) -> int:
    match tensor:
        case {"data_offsets": [int(), int(end)]}:
            return end
    raise Damaged("its header describes a tensor without its place in the file")


def _safetensors_header(path: Path, header: dict[str, Any]) -> ModelHeader:
    about = _object(header.get("__metadata__", {}), "__metadata__")
    if not isinstance(about.get("kraken_meta"), str):
        raise Damaged("it is a safetensors file, but not kraken's: its metadata has no kraken_meta")
    models = _object(_json(about["kraken_meta"], "kraken_meta"), "kraken_meta")
    # One file may hold several models, e.g. a segmentation and its reading order; kraken takes the first that fits.
    by_kind: dict[str, dict[str, Any]] = {}
    for name in models:
        model = _object(models[name], "kraken_meta")
        tasks = model.get("_tasks")
        for task in tasks if isinstance(tasks, list) else ():
            by_kind.setdefault(str(task), model)
    usable = [kind for kind in TASKS if kind in by_kind]
    if len(usable) > 1:
        raise Damaged("it holds a recognition and a segmentation model: use a file with one of the two")
    model = by_kind[usable[0]] if usable else {}
    architecture = model.get("_model")
    if architecture == "PPOCRv6Model":
        network, legacy = f"PPOCRv6 {model.get('variant', 'small')}", False
    else:
        network, legacy = model.get("vgsl", ""), True
    return _header(path, "safetensors", usable or list(by_kind), network, model.get("codec"), model, legacy=legacy)


def _header(
    path: Path,
    model_format: Literal["coreml", "safetensors"],
    tasks: Any,
    network: Any,
    codec: Any,
    metadata: dict[str, Any],
    *,
    legacy: bool,
) -> ModelHeader:
    """Check what kraken will check and put the header together.

    Args:
        legacy: what kraken assumes when `legacy_polygons` is absent: true for VGSL networks (kraken/lib/vgsl/model.py,
            `use_legacy_polygons`), false for PP-OCR (kraken/lib/ppocr/model.py).
    """
    if not isinstance(tasks, list) or not tasks:
        raise Damaged("its metadata does not say what it is for (model_type is empty): kraken does not load it")
    kind = next((task for name, task in TASKS.items() if name in tasks), None)
    if kind is None:
        raise Damaged(f"it is for {', '.join(map(str, tasks))}, neither for recognition nor for segmentation")
    if not isinstance(network, str) or not network:
        raise Damaged("its metadata has no network (vgsl)")
    return ModelHeader(
        file=path,
        format=model_format,
        kind=kind,
        alphabet=_alphabet(codec) if kind.reads_text else None,
        network=network,
        line_type=_optional_text(metadata, "seg_type"),
        one_channel_mode=_optional_text(metadata, "one_channel_mode"),
        legacy_polygons=bool(metadata.get("legacy_polygons", legacy)),
        metadata=metadata,
    )


def _alphabet(codec: Any) -> tuple[str, ...]:
    """What a codec can put out; kraken's is a mapping of graphemes to labels, older ones a list or a string."""
    if not codec or not isinstance(codec, dict | list | str) or not all(isinstance(item, str) for item in codec):
        raise Damaged("it is a recognition model without a codec: it cannot put out any character")
    return tuple(sorted(set(codec)))


def _optional_text(metadata: dict[str, Any], key: str) -> str | None:
    value = metadata.get(key)
    return value if isinstance(value, str) else None


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Damaged(f"its metadata ({where}) is not JSON") from None


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Damaged(f"its metadata ({where}) is not a JSON object")
    return value
