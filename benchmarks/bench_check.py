"""Measures what checking ground truth costs beside parsing its XML and reading its images, in CPU time.

    python benchmarks/bench_check.py [repetitions]

Reads the pages of HTR_EXP_REAL_DATA, else those of htr_exp/demo, and prints one line of JSON. The peer is
`lxml.etree.parse` of the same files; hashing the images and reading their headers is measured apart and added to it,
for no check can do without them. `ratio_warm` leaves both out on both sides: the images are known from before.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from lxml import etree
from PIL import Image

from htr_exp.groundtruth import FileFacts, examine

LIMIT = 10


def main() -> int:
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    real = os.environ.get("HTR_EXP_REAL_DATA")
    roots = [Path(real, "dev")] if real else [Path(__file__).parents[1] / "htr_exp" / "demo"]
    folders = sorted({path.parent for root in roots for path in root.rglob("*.xml")})
    if not folders:
        print("no pages: set HTR_EXP_REAL_DATA to a folder with dev/", file=sys.stderr)
        return 2
    pages = examine(folders).pages
    xml, images = [str(page.xml) for page in pages], [str(page.image) for page in pages]
    known = FileFacts()
    tasks: dict[str, Callable[[], object]] = {
        "parse": lambda: [etree.parse(path) for path in xml],
        "warm": lambda: examine(folders, digests=known),
        "hash": lambda: [hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in images],
        "header": lambda: [_size(path) for path in images],
        "cold": lambda: examine(folders, digests=FileFacts()),
    }
    spent = dict.fromkeys(tasks, 0.0)
    for _ in range(repetitions):  # in turns, so that a busy machine slows all alike
        for name, task in tasks.items():
            gc.collect()
            start = time.process_time()
            task()
            spent[name] += time.process_time() - start
    peer = spent["parse"] + spent["hash"] + spent["header"]
    result = {
        "name": "check",
        "pages": len(pages) * repetitions,
        "ours_cpu_s": round(spent["cold"], 4),
        "peer": "lxml.etree.parse",
        "peer_cpu_s": round(peer, 4),
        "ratio": round(spent["cold"] / peer, 2),
        "limit": LIMIT,
        "peer_parse_cpu_s": round(spent["parse"], 4),
        "peer_hash_cpu_s": round(spent["hash"], 4),
        "peer_header_cpu_s": round(spent["header"], 4),
        "ratio_warm": round(spent["warm"] / spent["parse"], 2),
    }
    print(json.dumps(result))
    return 0 if result["ratio"] <= LIMIT else 1


def _size(path: str) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


if __name__ == "__main__":
    sys.exit(main())
