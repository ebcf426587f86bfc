"""Writes `kraken_meta`, what a model file says of itself, without touching its weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from htr_exp.core.files import write_atomically
from htr_exp.kraken.model_file import (
    DESCRIPTION_METADATA,
    ENTRY_KEY,
    ENTRY_VALUE,
    METADATA_USER_DEFINED,
    MODEL_DESCRIPTION,
    read_header,
)
from htr_exp.kraken.protobuf import fields_of, replaced

_PATH = (MODEL_DESCRIPTION, DESCRIPTION_METADATA, METADATA_USER_DEFINED)


def update_metadata(model: Path, values: Mapping[str, Any]) -> None:
    """Set keys of `kraken_meta`, which kraken keeps when it converts a model; every other byte stays as it is.

    Args:
        model: in CoreML's format, with a `kraken_meta`.
        values: what JSON can hold.

    Raises:
        ModelError: the file is no model.
    """
    about = json.dumps({**read_header(model).metadata, **values}).encode()

    def changed(entry: bytes) -> bytes:
        parts = {number: entry[start:end] for number, _, start, end in fields_of(BytesIO(entry), 0, len(entry))}
        return replaced(entry, (ENTRY_VALUE,), lambda _: about) if parts.get(ENTRY_KEY) == b"kraken_meta" else entry

    write_atomically(model, replaced(model.read_bytes(), _PATH, changed))
