"""Models of CoreML, written out by hand with the fields of other types that real ones have."""

from __future__ import annotations

import json
import struct
from typing import Any

from fakes.scenario import field

SPEC = "[1,12,0,1 Cr{C_0}3,3,8 S{S_1}1(1x0)1,3 O{O_2}1c4]"
CODEC = {"b": [2], "a": [1], "q\u0303": [3]}


def coreml(user_defined: dict[str, str], *, weights: int = 200_000) -> bytes:
    """A CoreML file written out by hand, with the fields of other types that real ones have."""
    entries = b"".join(field(100, field(1, k.encode()) + field(2, v.encode())) for k, v in user_defined.items())
    description = field(1, b"input") + field(100, field(1, b"kraken model") + entries) + field(10, b"output")
    layer = b"\x15" + struct.pack("<f", 1.0) + b"\x19" + struct.pack("<d", 1.0) + field(1, bytes(weights))
    return b"\x08\x02" + field(2, description) + b"\x50\x01" + field(500, layer)


def kraken_coreml(**changes: Any) -> bytes:
    meta = {"model_type": "recognition", "seg_type": "baselines", "one_channel_mode": "L", "legacy_polygons": False}
    meta |= changes
    return coreml({"vgsl": SPEC, "codec": json.dumps(CODEC), "kraken_meta": json.dumps(meta)})
