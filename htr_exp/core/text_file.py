"""Text files that people save with editors and spreadsheets of any system."""

from __future__ import annotations

import codecs
from pathlib import Path

_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def read_text(path: Path) -> str:
    """A text file in UTF-8, in UTF-16, or else in Windows-1252, in which spreadsheets save without being asked.

    Line ends stay as they are.

    Raises:
        OSError: it cannot be read.
        UnicodeDecodeError: it is in none of them.
    """
    content = path.read_bytes()
    for mark, encoding in _MARKS.items():
        if content.startswith(mark):
            return content.decode(encoding)
    if b"\0" in content[:2] and len(content) % 2 == 0:
        return content.decode("utf-16-be" if content[0] == 0 else "utf-16-le")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        try:
            return content.decode("cp1252")
        except UnicodeDecodeError:
            raise error from None
