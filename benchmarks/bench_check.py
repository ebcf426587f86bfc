"""Measures what checking ground truth costs beside parsing its XML and hashing its files, in CPU time and memory.

    python benchmarks/bench_check.py [pages]

Makes a folder of 10,000 pages out of those of HTR_EXP_REAL_DATA (dev and demo), else of htr_exp/demo, and prints a line
of JSON for each figure. The peer is `lxml.etree.parse` of the same files plus SHA-256 of all bytes, which no check can
do without; each family of checks is measured on its own over some of the pages, on one processor. Pixels are decoded for
the perceptual hash alone, which has a line of its own.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from lxml import etree

from htr_exp.core import file_cache
from htr_exp.core.task import RECOGNITION
from htr_exp.groundtruth import geometry, page_scan, text_checks
from htr_exp.groundtruth.examine import examine_folders
from htr_exp.groundtruth.image_hash import looks
from htr_exp.groundtruth.image_header import look_at
from htr_exp.groundtruth.model import Line
from htr_exp.groundtruth.xml import read_page

SAMPLE = 150  # pages for the families: fewer than would be spread over processes, whose time is not ours to measure
PEER = "lxml.etree.parse + sha256"
_IMAGE = re.compile(r'((?:imageFilename|FILENAME)="|<fileName>)([^"<]+)')


def main() -> int:
    pages = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory(prefix="htr_exp-bench-") as where:
        folders = _replicate(Path(where), pages)
        if not folders:
            print("no pages: set HTR_EXP_REAL_DATA to a folder with dev/", file=sys.stderr)
            return 2
        rows = [*_families(folders), *_whole(folders, Path(where, "cache"))]
    for row in rows:
        print(json.dumps(row))
    return 0 if all(row["ratio"] <= row["limit"] for row in rows if "limit" in row and "ratio" in row) else 1


def _replicate(where: Path, pages: int) -> list[Path]:
    """Write so many pages, 500 to a folder; their images are links to a few files."""
    real = os.environ.get("HTR_EXP_REAL_DATA")
    roots = [Path(real, "dev"), Path(real, "demo")] if real else [Path(__file__).parents[1] / "htr_exp" / "demo"]
    sources = []
    for xml in sorted(path for root in roots for path in root.rglob("*.xml")):
        text = xml.read_text(encoding="utf-8")
        named = _IMAGE.search(text)
        if named and (image := xml.parent / named.group(2)).exists():
            copy = where / f"image-{len(sources)}{image.suffix}"
            shutil.copyfile(image, copy)
            sources.append((text, copy))
    folders = []
    for number in range(pages if sources else 0):
        text, image = sources[number % len(sources)]
        folder = where / "pages" / f"{number // 500:03d}"
        if number % 500 == 0:
            folder.mkdir(parents=True)
            folders.append(folder)
        name = f"p{number:05d}{image.suffix}"
        os.link(image, folder / name)
        written = _IMAGE.sub(lambda match, name=name: match.group(1) + name, text, count=1)
        (folder / f"p{number:05d}.xml").write_text(written, encoding="utf-8")
    return folders


def _families(folders: list[Path]) -> list[dict[str, object]]:
    files = sorted(path for folder in folders for path in folder.iterdir())
    xml = [path for path in files if path.suffix == ".xml"][:SAMPLE]
    images = [path for path in files if path.suffix != ".xml"][:SAMPLE]
    pages = [read_page(path) for path in xml]
    peer = _cpu(lambda: [etree.parse(path) for path in xml]) + _cpu(
        lambda: [hashlib.sha256(path.read_bytes()).digest() for path in xml + images]
    )
    families: dict[str, Callable[[], object]] = {
        "reading lines, points, types": lambda: [read_page(path) for path in xml],
        "geometry": lambda: [_shapes(page.lines) for page in pages],
        "texts": lambda: [(list(text_checks.oddities(page.lines)), text_checks.forms(page.lines)) for page in pages],
        "a whole XML file": lambda: [page_scan.look_into(str(path), RECOGNITION) for path in xml],
        "images: bytes and headers": lambda: [look_at(str(path)) for path in images],
        "perceptual hash": lambda: looks(images, None),
    }
    limits = {"a whole XML file": 10.0}
    rows = []
    for name, task in families.items():
        spent = _cpu(task)
        row: dict[str, object] = {
            "name": f"check: {name}, {len(xml)} pages",
            "ours_cpu_s": round(spent, 3),
            "peer": PEER,
            "peer_cpu_s": round(peer, 3),
            "ratio": round(spent / peer, 2),
        }
        rows.append(row | ({"limit": limits[name]} if name in limits else {}))
    return rows


def _shapes(lines: Sequence[Line]) -> None:
    geometry.polygons(lines)
    geometry.right_to_left(lines)
    for line in lines:
        geometry.length(line.baseline)


def _cpu(task: Callable[[], object]) -> float:
    """The CPU seconds of a task, the better of two runs."""
    best = float("inf")
    for _ in range(2):
        gc.collect()
        start = time.process_time()
        task()
        best = min(best, time.process_time() - start)
    return best


def _whole(folders: list[Path], cache: Path) -> list[dict[str, object]]:
    few = _run(folders[:1], None)
    time.sleep(file_cache.TICK_NS / 1e9 + 1)  # files written a moment ago are not remembered
    first, again = _run(folders, cache), _run(folders, cache)
    pages = first["pages"]
    return [
        {
            "name": f"check: {pages} pages on {os.cpu_count()} cores, seconds of the clock",
            "ours_cpu_s": first["clock_s"],
            "peer": "the same, CPU seconds of all processes",
            "peer_cpu_s": first["cpu_s"],
            "ratio": round(first["clock_s"] / first["cpu_s"], 3),
        },
        {
            "name": f"check: {pages} unchanged pages again",
            "ours_cpu_s": again["cpu_s"],
            "peer": "the first time",
            "peer_cpu_s": first["cpu_s"],
            "ratio": round(again["cpu_s"] / first["cpu_s"], 3),
            "limit": 0.1,
        },
        {
            "name": f"check: memory that {pages} pages take more than {few['pages']}",
            "ours_mb": first["mb"] - few["mb"],
            "limit_mb": 300,
            "peer": f"{few['pages']} pages",
            "peer_mb": few["mb"],
            "ratio": round((first["mb"] - few["mb"]) / 300, 3),
            "limit": 1.0,
        },
    ]


def _run(folders: list[Path], cache: Path | None) -> dict[str, float]:
    """Examine folders in a process of its own: how long, how much CPU with its children, how much memory at most."""
    words = [str(cache) if cache else "", *map(str, folders)]
    said = subprocess.run([sys.executable, __file__, "--run", *words], stdout=subprocess.PIPE, text=True, check=True)
    return dict(json.loads(said.stdout))


def _measured(cache: str, folders: list[str]) -> None:
    begun = time.perf_counter()
    dataset = examine_folders([Path(folder) for folder in folders], cache=Path(cache) if cache else None)
    clock = time.perf_counter() - begun
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu = sum(one.ru_utime + one.ru_stime for one in used)
    mb = used[0].ru_maxrss // (1 << 10 if sys.platform != "darwin" else 1 << 20)
    print(json.dumps({"pages": len(dataset.pages), "clock_s": round(clock, 2), "cpu_s": round(cpu, 2), "mb": mb}))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--run"]:
        _measured(sys.argv[2], sys.argv[3:])
    else:
        sys.exit(main())
