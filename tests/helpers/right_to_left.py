"""Demo pages and a model of the demo in letters from right to left: what reads Latin rightly reads these rightly."""

from __future__ import annotations

import io
import json
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path
from xml.sax.saxutils import escape

from fakes.scenario import field
from helpers.folders import DEMO
from helpers.real_pages import demo_pages
from htr_exp.core.files import read_jsonl
from htr_exp.kraken.model_file import (
    DESCRIPTION_METADATA,
    METADATA_USER_DEFINED,
    MODEL_DESCRIPTION,
    read_header,
)
from htr_exp.kraken.protobuf import fields_of
from htr_exp.runs.run_dir import RunDir

LETTERS = [
    chr(code)
    for block in (
        range(0x5D0, 0x5EB),
        range(0x627, 0x64B),
        range(0x710, 0x730),
        range(0x74D, 0x7A6),
        range(0x7CA, 0x7EB),
    )
    for code in block
    if unicodedata.bidirectional(chr(code)) in ("R", "AL")
]
"""Hebrew, Arabic, Syriac, Thaana and N'Ko."""


TEXT = re.compile(r"""(?<=<Unicode>)[^<]*(?=</Unicode>)|(?<=CONTENT=")[^"]*(?=")""")
"""The text of a line in PAGE and in ALTO; the demo has both."""


def letters_of_demo() -> dict[str, str]:
    """A letter from right to left for each character of the demo's model and pages but the blank."""
    texts = [page.read_text(encoding="utf-8") for page in sorted((DEMO / "pages").glob("*.xml"))]
    written = "".join(TEXT.findall("".join(texts)))
    characters = sorted({*(read_header(DEMO / "base.mlmodel").alphabet or ()), *written} - {" "})
    return dict(zip(characters, LETTERS, strict=False))


def right_to_left_model(to: Path) -> Path:
    """The demo's model, its alphabet renamed."""
    letters = letters_of_demo()

    def renamed(codec: dict[str, list[int]]) -> dict[str, list[int]]:
        return {letters.get(character, character): labels for character, labels in codec.items()}

    def entry(content: bytes) -> bytes:
        (_, _, *key), (_, _, *value) = fields_of(io.BytesIO(content), 0, len(content))
        name, text = (content[start:end].decode() for start, end in (key, value))
        if name == "codec":
            text = json.dumps(renamed(json.loads(text)))
        elif name == "kraken_meta":
            said = json.loads(text)
            codec = said["codec"]
            said["codec"] = renamed(codec) if isinstance(codec, dict) else json.dumps(renamed(json.loads(codec)))
            text = json.dumps(said)
        return field(1, name.encode()) + field(2, text.encode())

    path = (MODEL_DESCRIPTION, DESCRIPTION_METADATA, METADATA_USER_DEFINED)
    to.write_bytes(_edited((DEMO / "base.mlmodel").read_bytes(), path, entry))
    return to


def _edited(message: bytes, path: tuple[int, ...], edit: Callable[[bytes], bytes]) -> bytes:
    """A protobuf message with each field at a path edited."""
    if not path:
        return edit(message)
    parts, done = [], 0
    for number, begin, start, end in fields_of(io.BytesIO(message), 0, len(message)):
        if number == path[0]:
            parts += [message[done:begin], field(number, _edited(message[start:end], path[1:], edit))]
            done = end
    return b"".join([*parts, message[done:]])


def right_to_left_pages(to: Path, count: int = 4) -> Path:
    """The first pages of the demo, their texts renamed: displayed, the letters stand as the Latin ones do."""
    letters = letters_of_demo()
    demo_pages(to, count)
    write_texts(to, lambda text: "".join(letters.get(one, one) for one in text)[::-1])
    return to


def write_texts(pages: Path, new: Callable[[str], str]) -> None:
    """Give each line of pages another text, made of the one it has."""
    for page in sorted(pages.glob("*.xml")):
        xml = page.read_text(encoding="utf-8")
        xml = TEXT.sub(lambda found: escape(new(found[0])), xml)
        page.write_text(xml, encoding="utf-8")


def perfect_pages(pages: Path, evaluated: RunDir) -> None:
    """Give the pages of an evaluation the texts that its model read, in logical order; lines that it left empty keep theirs."""
    read = {
        row["reference"]: row["display"]["model"].strip()[::-1]
        for row in read_jsonl(evaluated.predictions / "test.jsonl")
    }
    write_texts(pages, lambda text: read.get(text) or text)
