"""The text of a line pair: one line, in an encoding that is certain."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from pathlib import Path

from htr_exp.groundtruth.line_rules import Fault, without_text
from htr_exp.groundtruth.xml import open_regular
from htr_exp.groundtruth.xml_for_kraken import storable

LONGEST = 1 << 16
"""Bytes of a text; a line of a manuscript has a few hundred."""

_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


@dataclass(frozen=True, slots=True)
class LineText:
    """What is in the text file of a line pair.

    Attributes:
        text: of the line, without the line's end.
        content: the bytes of the file.
        fault: why it cannot be used.
        note: the code of what is odd about the file.
    """

    text: str = ""
    content: bytes = b""
    fault: Fault | None = None
    note: str | None = None


def read_line_text(path: Path) -> LineText:
    """Read a text, and find what keeps it from being used.

    An encoding that has no mark and is not UTF-8 is not guessed: a letter that is read wrongly would be learnt.
    """
    try:
        with open(path, "rb", opener=open_regular) as file:
            content = file.read(LONGEST + 1)
    except OSError as error:
        return LineText(fault=("text_unreadable", f"its text cannot be read: {error.strerror or error}"))
    if len(content) > LONGEST:
        return LineText(
            content=content, fault=("text_of_several_lines", f"its text has more than {LONGEST:,} bytes: it is no line")
        )
    encoding = next((encoding for mark, encoding in _MARKS if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        said = f"its text is not in UTF-8 (byte {error.start + 1}), and does not say in what else"
        return LineText(content=content, fault=("text_unreadable", said))
    note = None if encoding == "utf-8" else "byte_order_mark" if encoding == "utf-8-sig" else "text_in_utf_16"
    lines = [line for line in re.split("\r\n|\r|\n", text) if line.strip()]
    if len(lines) > 1:
        said = f"its text has {len(lines)} lines"
        return LineText(content=content, fault=("text_of_several_lines", said), note=note)
    line = lines[0] if lines else ""
    fault = without_text(line)
    if fault is None and not storable(line):
        fault = "text_with_control", "its text has a control character, which no XML can hold"
    return LineText(line, content, fault, note)
