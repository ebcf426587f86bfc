"""Files that are never seen half-written, and their digests."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

_DIGITS = 300
"""Of a whole number in a record; a longer one is none of ours, and no floating-point number."""


def utc_now() -> str:
    """The present time in UTC as ISO 8601 with seconds, e.g. `2026-11-23T14:03:24Z`."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def sha256_bytes(data: bytes) -> str:
    """The SHA-256 of `data` in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """The SHA-256 of a file's bytes in hexadecimal, read in blocks of 1 MiB.

    Raises:
        OSError: the file cannot be read.
    """
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def digest_json(value: Any) -> str:
    """The SHA-256 of a value's canonical JSON: sorted keys, no spaces, UTF-8."""
    return sha256_bytes(json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode())


def make_folder(folder: Path, *, below: Path) -> None:
    """Make a folder in one that must be there.

    What was moved or renamed while we work is not made again in its old place. So nothing here makes the folders above a file
    that it writes, and this makes none but those below.

    Raises:
        OSError: `below` is not there, or cannot be written.
    """
    for part in reversed([folder, *folder.parents]):
        if part != below and part.is_relative_to(below):
            part.mkdir(exist_ok=True)


def write_atomically(path: Path, data: bytes | str) -> None:
    """Write a file so that a reader sees the old bytes or the new ones, never a part.

    Raises:
        OSError: the folder is not there or cannot be written, or the disk is full; the old file is untouched.
    """
    content = data.encode() if isinstance(data, str) else data
    aside = beside(path)
    try:
        # 0o666 is what open() asks for: the umask, or the folder's default ACL, takes away what nobody else may do
        handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    except BaseException as error:
        aside.unlink(missing_ok=True)
        _name(error, path)
        raise


def _name(error: BaseException, path: Path) -> None:
    """Let an error say which file was written: the system names none where a disk is full."""
    if isinstance(error, OSError) and error.errno is not None and error.filename is None:
        error.filename = str(path)


def full(places: Iterable[Path]) -> list[Path]:
    """Those of some folders on whose disk nothing more fits; quotas are not seen."""
    found = []
    for place in dict.fromkeys(places):
        try:
            room = os.statvfs(place)
        except OSError:
            continue
        if room.f_blocks and (room.f_bavail * room.f_frsize < 1 << 20 or (room.f_files and not room.f_favail)):
            found.append(place)
    return found


def beside(path: Path) -> Path:
    """A hidden name that nobody uses, beside a file or folder that is to be made whole and then renamed.

    `tempfile` makes such files, too, but for their owner alone; what is made under this name follows the umask.
    """
    return path.parent / f".{path.name}.{secrets.token_hex(6)}"


def write_json(path: Path, value: Any) -> None:
    """Write `value` as JSON, atomically, with one key a line and non-ASCII text kept."""
    write_atomically(path, json.dumps(value, ensure_ascii=False, indent=1) + "\n")


def read_json(path: Path) -> Any:
    """A JSON file's value.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not JSON, or nested without end.
    """
    return _parsed(path.read_bytes(), "strict")


def _whole(digits: str) -> int:
    if len(digits) > _DIGITS:
        raise ValueError(f"a number has {len(digits)} digits")
    return int(digits)


def _no_number(word: str) -> Any:
    """NaN and Infinity, which JSON does not have: we write none, and a mean or an order with one means nothing."""
    raise ValueError(f"{word} is no number")


# made once: a workspace has tens of thousands of records. To ask `_whole` of each number takes as long as all the rest
_DECODER = json.JSONDecoder(parse_constant=_no_number)
_CAREFUL_DECODER = json.JSONDecoder(parse_int=_whole, parse_constant=_no_number)
_AS_DIGITS = bytes(ord("0") if chr(byte).isdigit() and byte < 128 else ord(" ") for byte in range(256))
_TOO_MANY_DIGITS = b"0" * (_DIGITS + 1)


def _parsed(record: bytes, of_lone_surrogates: str = "surrogatepass") -> Any:
    decoder = _CAREFUL_DECODER if _TOO_MANY_DIGITS in record.translate(_AS_DIGITS) else _DECODER
    try:
        return decoder.decode(record.decode("utf-8-sig", of_lone_surrogates))  # at once, not piece by piece
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def write_jsonl(path: Path, values: Iterable[Any]) -> None:
    """Write one JSON value a line, atomically."""
    write_atomically(path, "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values))


def append_jsonl(path: Path, value: Any) -> None:
    """Append one JSON value as a line, in a single write, after closing a line that a kill cut short.

    Raises:
        OSError: the folder is not there or cannot be written.
    """
    try:
        with open(path, "ab+", buffering=0) as file:
            size = file.seek(0, os.SEEK_END)
            cut_short = bool(size) and os.pread(file.fileno(), 1, size - 1) != b"\n"
            file.write(("\n" * cut_short + json.dumps(value, ensure_ascii=False) + "\n").encode())
    except OSError as error:
        _name(error, path)
        raise


def read_jsonl(path: Path, *needs: str) -> list[Any]:
    """The records of a JSON Lines file; a missing file is empty.

    Lines that are no records are left out: a kill cuts the last one short, and people edit files.

    Args:
        path: the file.
        needs: keys without which a record says nothing.
    """
    try:
        lines = [line for line in path.read_bytes().split(b"\n") if line.strip()]
    except FileNotFoundError:
        return []
    return [one for one in _values(lines) if isinstance(one, dict) and all(key in one for key in needs)]


def _values(lines: Sequence[bytes]) -> list[Any]:
    """The JSON values of lines, without those that are none."""
    try:
        values = _parsed(b"[" + b",".join(lines) + b"]")  # all at once takes half the time
        if len(values) == len(lines):
            return list(values)
    except ValueError:
        pass
    values = []
    for line in lines:
        with contextlib.suppress(ValueError):
            values.append(_parsed(line))
    return values
