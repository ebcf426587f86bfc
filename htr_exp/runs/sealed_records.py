"""Files to which records are only added, each with a seal beside it: a record that was edited, removed or added by hand is found.

The seal has the digest that the file must have. While a record is added it has two, of the file before and after: a process
that is killed in between leaves a file that is as it should be.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from htr_exp.core.files import read_json, sha256_bytes, write_atomically, write_json


def seal_of(path: Path) -> Path:
    """The file of the seal."""
    return path.with_name(f"{path.stem}_seal.json")


def begin(path: Path) -> None:
    """Seal a file before there is a record, so that it is missed if somebody removes it together with its seal.

    Raises:
        OSError: the seal cannot be written.
    """
    if not path.exists() and not seal_of(path).exists():
        write_json(seal_of(path), [sha256_bytes(b"")])


def append(path: Path, record: Any) -> None:
    """Add a record, and seal the file anew. Others must not add one at the same time.

    A file that was changed is not sealed anew: it stays said.

    Raises:
        OSError: the file cannot be read or written.
    """
    before = _content(path)
    after = (
        before
        + b"\n" * (not before.endswith(b"\n") and bool(before))
        + json.dumps(record, ensure_ascii=False).encode()
        + b"\n"
    )
    seal = None if changed(path) else seal_of(path)
    if seal:
        write_json(seal, [sha256_bytes(before), sha256_bytes(after)])
    write_atomically(path, after)
    if seal:
        write_json(seal, [sha256_bytes(after)])


def changed(path: Path, *, begun: bool = False) -> bool:
    """Whether the file, or its seal, is not as `append` left it.

    Args:
        path: the file.
        begun: that `begin` made its seal; without it, a file that has no record yet has none.
    """
    try:
        sealed = read_json(seal_of(path))
    except FileNotFoundError:
        return begun or path.exists()
    except (OSError, ValueError):
        return True
    try:
        return not isinstance(sealed, list) or sha256_bytes(_content(path)) not in sealed
    except OSError:
        return True


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
