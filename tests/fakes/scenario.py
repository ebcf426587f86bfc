"""What the fakes of kraken share: the scenario they play, the log of their calls, and files of weights."""

from __future__ import annotations

import json
import os
import re
import struct
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

SPEC = "[1,12,0,1 Cr{C_0}3,3,8 S{S_1}1(1x0)1,3 O{O_2}1c4]"
ALPHABET = "abcdefghijklmnopqrstuvwxyz 0123456789"


def scenario() -> dict[str, Any]:
    """Return what the JSON file named by FAKE_KETOS says; without one nothing goes wrong.

    `only` limits it to calls that have this word among their arguments.
    """
    named = os.environ.get("FAKE_KETOS")
    play = json.loads(Path(named).read_text()) if named and Path(named).exists() else {}
    return play if play.get("only") is None or play["only"] in sys.argv else {}


def log_call(program: str) -> None:
    """Append this call to calls.jsonl beside the scenario."""
    named = os.environ.get("FAKE_KETOS")
    if named:
        with open(Path(named).with_name("calls.jsonl"), "a") as file:
            file.write(json.dumps({"program": program, "argv": sys.argv[1:], "pid": os.getpid()}) + "\n")


def fail_if(play: dict[str, Any], stage: str) -> None:
    """End as kraken does when it fails: last words, exit code 1."""
    if play.get("fail") == stage and "at_epoch" not in play:
        print(play.get("message", "RuntimeError: something went wrong"))
        sys.exit(1)


def varint(value: int) -> bytes:
    """Return a number as protobuf writes it."""
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def field(number: int, content: bytes) -> bytes:
    """Return a protobuf field that holds bytes."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def weights(**meta: Any) -> bytes:
    """Return a tiny CoreML file as kraken writes it; the metadata makes each one's bytes its own."""
    meta = {
        "model_type": "recognition",
        "seg_type": "baselines",
        "one_channel_mode": "L",
        "legacy_polygons": False,
    } | meta
    codec = {character: [label] for label, character in enumerate(ALPHABET, start=1)}
    texts = {"vgsl": SPEC, "codec": json.dumps(codec), "kraken_meta": json.dumps(meta)}
    entries = b"".join(field(100, field(1, key.encode()) + field(2, text.encode())) for key, text in texts.items())
    description = field(1, b"input") + field(100, field(1, b"kraken model") + entries) + field(10, b"output")
    layer = b"\x15" + struct.pack("<f", 1.0) + field(1, bytes(64))
    return b"\x08\x02" + field(2, description) + b"\x50\x01" + field(500, layer)


def accuracy_of(model: Path) -> float:
    """Return how good a model of `weights` claims to be."""
    found = re.search(rb'"(?:claimed|accuracy)": ([\d.]+)', model.read_bytes())
    return float(found[1]) if found else 0.5


def lines_of(page: Path) -> list[tuple[str, str]]:
    """Return (id, text) of every line of a PAGE file, in the file's order."""
    found = []
    for line in ElementTree.parse(page).iter():
        if line.tag.endswith("}TextLine"):
            text = next((element.text or "" for element in line.iter() if element.tag.endswith("}Unicode")), "")
            found.append((line.attrib["id"], text))
    return found


def baselines_of(page: Path) -> list[list[list[int]]]:
    """Return the baseline of every line of a PAGE file, in the file's order."""
    return [
        [[int(number) for number in point.split(",")] for point in element.attrib["points"].split()]
        for element in ElementTree.parse(page).iter()
        if element.tag.endswith("}Baseline")
    ]
