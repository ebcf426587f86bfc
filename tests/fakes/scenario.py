"""What the fakes of kraken share: the scenario they play, the log of their calls, files of weights, pages and their classes."""

from __future__ import annotations

import hashlib
import json
import os
import re
import struct
import sys
import tempfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

SPEC = "[1,12,0,1 Cr{C_0}3,3,8 S{S_1}1(1x0)1,3 O{O_2}1c4]"
SEGMENTATION_SPEC = "[1,12,0,3 Cr{C_0}7,7,8,2,2 Gn{Gn_1}8 O{l_2}2l4]"
ALPHABET = "abcdefghijklmnopqrstuvwxyz 0123456789"


def scenario() -> dict[str, Any]:
    """What the JSON file named by FAKE_KETOS says; without one nothing goes wrong.

    `only` limits it to calls that have this word among their arguments.
    """
    named = os.environ.get("FAKE_KETOS")
    play = json.loads(Path(named).read_text()) if named and Path(named).exists() else {}
    return play if play.get("only") is None or play["only"] in sys.argv else {}


def log_call(program: str) -> None:
    """Append this call to calls.jsonl beside the scenario; it leaves a temporary folder, as a torch that is killed does."""
    named = os.environ.get("FAKE_KETOS")
    if named:
        left = Path(tempfile.mkdtemp(prefix="torch_")) if os.environ.get("TMPDIR") else None
        call = {"program": program, "argv": sys.argv[1:], "pid": os.getpid(), "temporary": left and str(left)}
        with open(Path(named).with_name("calls.jsonl"), "a") as file:
            file.write(json.dumps(call) + "\n")


def fail_if(play: dict[str, Any], stage: str) -> None:
    """End as kraken does when it fails: last words, exit code 1."""
    if stage in (play.get("fail"), play.get("fail_too")) and "at_epoch" not in play:
        print(play.get("message", "RuntimeError: something went wrong"))
        sys.exit(1)


def say_rubbish(play: dict[str, Any]) -> None:
    """Print what no log of kraken's holds: control characters, bytes that are no text, a line without an end, half a validation."""
    if play.get("says_rubbish"):
        rubbish = (
            b"\x1b[2J\x00\xff\xfe\n"
            + b"x" * 200_000
            + b"\r\n"
            + b"validation run: total chars nan errors\n\xe2\x80\xae\n"
        )
        sys.stdout.buffer.write(rubbish)
        sys.stdout.flush()


RUBBISH = bytes(range(256)) * 8
"""What a file holds of which kraken made nothing that can be used."""


def swap(play: dict[str, Any], moment: str) -> None:
    """Give files another content at a moment of a call, such as `before ocr`.

    The scenario lists them as `swaps`: `{"at": MOMENT, "file": PATH, "by": PATH}`, with `"times": true` where the file keeps its
    time of content, and `"once": PATH` where that is a file which one call at the moment that is listed last takes away.
    """
    swaps = play.get("swaps", [])
    for one in swaps:
        if one["at"] == moment and ("once" not in one or Path(one["once"]).exists()):
            if "once" in one and one is swaps[-1]:
                Path(one["once"]).unlink()
            file = Path(one["file"])
            before = file.stat()
            file.write_bytes(Path(one["by"]).read_bytes())
            if one.get("times"):
                os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def varint(value: int) -> bytes:
    """A number as protobuf writes it."""
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def field(number: int, content: bytes) -> bytes:
    """A protobuf field that holds bytes."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def network(meta: dict[str, Any]) -> bytes:
    """A network of one convolution, whose weights are made from some metadata and from nothing else."""
    numbers = hashlib.sha256(json.dumps(meta, sort_keys=True).encode()).digest()
    convolution = field(90, field(1, struct.pack("<32f", *numbers))) + field(91, field(1, struct.pack("<f", 0.0)))
    layer = field(1, b"C_0_conv") + field(100, convolution)
    return b"\x15" + struct.pack("<f", 1.0) + field(1, layer)


def weights(**meta: Any) -> bytes:
    """A tiny CoreML file as kraken writes it; the metadata makes each one's weights its own."""
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
    return b"\x08\x02" + field(2, description) + b"\x50\x01" + field(500, network(meta))


Classes = dict[str, dict[str, int]]
"""Of `baselines` and `regions`: class -> output of the network."""

BLLA: Classes = {"baselines": {"default": 2}, "regions": {"text": 3}}
FIRST = 2


def segmentation_weights(named: Classes, learnt: Classes | None = None, **meta: Any) -> bytes:
    """A tiny CoreML file of a segmenter as kraken writes it.

    Args:
        named: what its outputs are called (`class_mapping`).
        learnt: what they were trained as (`_full_class_mapping` of 7.1), where that is said.
        meta: more of its metadata.
    """
    ends = {"_start_separator": 0, "_end_separator": 1}
    about: dict[str, Any] = {"model_type": "segmentation", "seg_type": None, "one_channel_mode": None} | meta
    about |= {"topline": False, "bounding_regions": None, "class_mapping": {"aux": ends} | named}
    if learnt is not None:
        about["_full_class_mapping"] = {"aux": ends} | learnt
    texts = {"vgsl": SEGMENTATION_SPEC, "kraken_meta": json.dumps(about)}
    entries = b"".join(field(100, field(1, key.encode()) + field(2, text.encode())) for key, text in texts.items())
    description = field(1, b"input") + field(100, field(1, b"kraken model") + entries) + field(10, b"output")
    return b"\x08\x02" + field(2, description) + b"\x50\x01" + field(500, network(about))


def metadata_of(model: Path) -> dict[str, Any]:
    """The `kraken_meta` of a model of `weights` or `segmentation_weights`."""
    content = model.read_bytes()
    start = content.index(b"{", content.index(b"kraken_meta"))
    found: dict[str, Any] = json.JSONDecoder().raw_decode(content[start:].decode("utf-8", "replace"))[0]
    return found


def classes_of_model(model: Path, key: str = "class_mapping") -> Classes:
    """The classes of a segmenter."""
    return {sort: dict(metadata_of(model)[key][sort]) for sort in ("baselines", "regions")}


def numbered(pages: list[Path]) -> Classes:
    """The classes of page files as kraken numbers them by itself: page by page, lines before regions."""
    found: Classes = {"baselines": {}, "regions": {}}
    following = FIRST
    for page in pages:
        for sort, kinds in types_of(page).items():
            for kind in kinds:
                if kind not in found[sort]:
                    found[sort][kind] = following
                    following += 1
    return found


def resized(base: Classes, wanted: Classes, resize: str) -> Classes:
    """The classes of a network as kraken 7.1 names them once it was resized to those of a training.

    Those that stay keep their order, with `new` lines before regions from the first number on; new ones follow, lines,
    then regions. Among new lines and among new regions the order is that of a Python set: here, the last name first.
    """
    kept = {
        sort: [name for name in sorted(of, key=of.__getitem__) if resize != "new" or name in wanted[sort]]
        for sort, of in base.items()
    }
    found: Classes = {"baselines": {}, "regions": {}}
    following = FIRST
    for sort in ("baselines", "regions"):
        for name in kept[sort]:
            found[sort][name] = following if resize == "new" else base[sort][name]
            following = max(following, found[sort][name] + 1)
    for sort in ("baselines", "regions"):
        for name in sorted(wanted[sort].keys() - base[sort].keys(), reverse=True):
            found[sort][name] = following
            following += 1
    return found


def types_of(page: Path) -> dict[str, list[str]]:
    """The types of the lines and regions of a PAGE file, in the file's order, as kraken calls those without one."""
    found: dict[str, list[str]] = {"baselines": [], "regions": []}
    for element in ElementTree.parse(page).iter():
        if element.tag.endswith("}TextLine"):
            found["baselines"].append(type_of(element, "default"))
        elif element.tag.endswith("Region") and any(child.tag.endswith("}Coords") for child in element):
            found["regions"].append(type_of(element, "text"))
    return found


def type_of(element: ElementTree.Element, untyped: str) -> str:
    """The type of a line or region of a PAGE file."""
    said = re.search(r"structure \{.*?type:\s*([^;}]*)", element.attrib.get("custom", ""))
    return said[1].strip() if said else untyped


def accuracy_of(model: Path) -> float:
    """How good a model of `weights` claims to be."""
    found = re.search(rb'"(?:claimed|accuracy)": ([\d.]+)', model.read_bytes())
    return float(found[1]) if found else 0.5


def lines_of(page: Path) -> list[tuple[str, str]]:
    """(id, text) of every line of a PAGE file, in the file's order."""
    found = []
    for line in ElementTree.parse(page).iter():
        if line.tag.endswith("}TextLine"):
            text = next((element.text or "" for element in line.iter() if element.tag.endswith("}Unicode")), "")
            found.append((line.attrib["id"], text))
    return found


def baselines_of(page: Path) -> list[list[list[int]]]:
    """The baseline of every line of a PAGE file, in the file's order."""
    return [
        [[int(number) for number in point.split(",")] for point in element.attrib["points"].split()]
        for element in ElementTree.parse(page).iter()
        if element.tag.endswith("}Baseline")
    ]
