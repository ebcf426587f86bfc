"""Pages with a line of every odd shape that our rules speak of, and what a real `ketos compile` takes of them."""

from __future__ import annotations

import random
import re
import subprocess
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pyarrow
from PIL import Image

from helpers.page_files import BOX, SIZE, page_line, page_xml, put
from htr_exp.groundtruth.examine import examine_folders

_TALL = "10,10 10,190 200,190 200,10"
SHAPES = {
    "plain": ("10,50 200,50", BOX),
    "a single point": ("10,50", BOX),
    "a point twice": ("10,50 10,50", BOX),
    "three pixels": ("10,50 13,50", BOX),
    "five pixels": ("10,50 15,50", BOX),
    "six pixels in a zigzag": ("10,50 12,50 12,52 14,52", BOX),
    "four pixels in a zigzag": ("10,50 11,50 11,51 12,51 12,52", BOX),
    "a polygon of a point": ("10,50 200,50", "10,10"),
    "a polygon of two points": ("10,50 100,52 200,50", "10,10 200,10"),
    "a flat polygon": ("10,50 100,52 200,50", "10,10 100,10 200,10"),
    "a flat polygon, askew": ("10,50 200,50", "10,10 20,20 40,40 30,30"),
    "a polygon that crosses itself": ("10,50 100,52 200,50", "10,10 200,60 200,10 10,60"),
    "a closed polygon": ("10,50 200,50 170,50", f"{BOX} 10,10"),
    "a polygon of many points": (
        "10,50 200,50 186,50", " ".join([*(f"{x},{10 + x % 3}" for x in range(10, 200, 5)), *(f"{x},{60 - x % 5}" for x in range(200, 10, -5))]),
    ),
    "from right to left": ("200,50 100,52 10,50", BOX),
    "a point in between twice": ("10,50 100,50 100,50 200,50", BOX),
    "upright": ("50,10 50,60", BOX),
    "nearly back": ("10,50 200,50 20,51", BOX),
    "back, askew": ("10,20 40,30 13,21", BOX),
    "back, askew and rounded": ("10,20 100,50 55,35", BOX),
    "back at the beginning": ("15,50 10,50 200,50", BOX),
    "back, high": ("10,50 200,50 170,50", _TALL),
    "polygon beyond the image": ("10,50 200,50", "10,10 10,60 401,60 401,10"),
    "polygon at the edge": ("10,50 200,50", "10,10 10,60 399,60 399,10"),
    "polygon on the edge": ("10,50 200,50", "10,10 10,60 400,60 400,10"),
    "polygon before the image": ("10,50 200,50", "-1,10 10,60 200,60 200,10"),
    "baseline beyond the image": ("10,50 401,50", BOX),
    "flat and beyond the image": ("10,50 200,50", "10,10 100,10 450,10"),
    "baseline far from the polygon": ("10,250 200,250", BOX),
    **{f"back by {by} at the end": (f"10,50 200,50 {200 - by},50", BOX) for by in (1, 7, 8, 9, 24, 25, 180)},
    **{f"back by {by} in between": (f"10,50 100,50 {100 - by},50 200,50", BOX) for by in (1, 8, 9, 80)},
}  # fmt: skip


def at_random(count: int) -> dict[str, tuple[str, str]]:
    """Lines that turn back, of any height and direction; the same every time."""
    drawn = random.Random(7)
    found = {}
    for number in range(count):
        dx, dy = drawn.choice([(1, 0), (0, 1), (3, 4), (2, 1), (5, 2), (1, 1)])
        start, far, back = drawn.randint(0, 9), drawn.randint(11, 40), drawn.randint(1, 10)
        points = [(20 + at * dx, 60 + at * dy) for at in (start, far, far - back)]
        top, bottom = drawn.randint(5, 50), drawn.randint(70, 280)
        outline = [
            (drawn.randint(5, 20), top),
            (drawn.randint(200, 390), top + drawn.randint(-4, 4)),
            (drawn.randint(200, 390), bottom),
        ]
        found[f"at random {number}"] = tuple(" ".join(f"{x},{y}" for x, y in of) for of in (points, outline))
    return found  # type: ignore[return-value]


def write(folder: Path) -> list[Path]:
    """Write a page for each shape, beside a plain line, with texts that are found again; return the pages in order."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, (name, (baseline, polygon)) in enumerate({**SHAPES, **at_random(80)}.items()):
        Image.effect_noise(SIZE, 90).convert("L").save(folder / f"{number:03d}.png")
        odd = page_line(1, f"{number:03d} {name}", baseline=baseline, coords=polygon)
        xml = page_xml(odd + page_line(2, f"{number:03d} beside it"), f"{number:03d}.png")
        paths.append(put(folder, xml, f"{number:03d}.xml"))
    return paths


def compiled(ketos: Path, release: str, files: Sequence[Path], folder: Path) -> Counter[str]:
    """How many lines the real `ketos compile` takes of each file."""
    (folder / "files.lst").write_text("".join(f"{path}\n" for path in files), encoding="utf-8")
    workers = [["compile", "--workers", "1"], ["--workers", "0", "compile"]][release == "7.1"]
    words = [str(ketos), *workers, "-f", "page", "-o", str(folder / "out.arrow"), "-F", str(folder / "files.lst")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    with pyarrow.memory_map(str(folder / "out.arrow")) as source:
        rows = pyarrow.ipc.open_file(source).read_all().column("lines").to_pylist()
    return Counter(row["text"].split()[0] for row in rows)


def said(folder: Path, release: str) -> Counter[str]:
    """How many lines of each file this release takes, as `check` says: where it says nothing, those that are used."""
    dataset = examine_folders([folder])
    found = Counter({page.name[:3]: len(page.lines) for page in dataset.pages})
    for problem in dataset.warnings:
        if problem.code == "kraken_reads_otherwise":
            (number,) = re.findall(rf"kraken {re.escape(release)} reads (\d+) of", problem.message) or [None]
            if number is not None:
                found[problem.file[:3]] = int(number)
    return found
