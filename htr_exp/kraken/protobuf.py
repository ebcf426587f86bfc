"""Protobuf messages as bytes: which field is where, and the same message with one field changed.

CoreML files are such messages. What we need of them is in few fields, and coremltools would be imported for them together
with all that it needs.

Source: protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from typing import BinaryIO

CUT = "it ends too early: it was cut while it was copied or downloaded"


class Damaged(Exception):
    """The bytes are not what the format says they are."""


def fields_of(file: BinaryIO, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield of each length-delimited field of a message its number, where it begins, and start and end of its value.

    The rest is stepped over.

    Raises:
        Damaged: it is no such message, or was cut.
    """
    position = start
    while position < end:
        begin = position
        key, position = _varint(file, position, end)
        number, wire_type = key >> 3, key & 7
        length = 0
        if wire_type == 0:
            _, position = _varint(file, position, end)
        elif wire_type == 1:
            length = 8
        elif wire_type == 2:
            length, position = _varint(file, position, end)
        elif wire_type == 5:
            length = 4
        if number == 0 or wire_type in (3, 4, 6, 7):
            raise Damaged("it begins like a CoreML file, but is not one")
        if length > end - position:
            raise Damaged(CUT)
        if wire_type == 2:
            yield number, begin, position, position + length
        position += length


def _varint(file: BinaryIO, position: int, end: int) -> tuple[int, int]:
    file.seek(position)
    value = 0
    for index, byte in enumerate(file.read(min(10, end - position))):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, position + index + 1
    raise Damaged(CUT)


def replaced(message: bytes, path: Sequence[int], change: Callable[[bytes], bytes]) -> bytes:
    """A message with the fields at a path of field numbers changed; all others stay byte for byte.

    Raises:
        Damaged: it is no such message, or was cut.
    """
    out, kept = [], 0
    for number, begin, start, end in fields_of(BytesIO(message), 0, len(message)):
        if number != path[0]:
            continue
        value = message[start:end]
        new = change(value) if len(path) == 1 else replaced(value, path[1:], change)
        out += [message[kept:begin], _encoded(number << 3 | 2), _encoded(len(new)), new]
        kept = end
    return b"".join([*out, message[kept:]])


def _encoded(value: int) -> bytes:
    """A number as protobuf writes it: seven bits a byte, the lowest first."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
