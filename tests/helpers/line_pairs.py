"""Line pairs of the demo's pages: what is around each of their lines, cut out, with its text beside it."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from htr_exp.groundtruth.xml import read_page


def cut_pairs(folder: Path, out: Path, *, pages: int, lines: int) -> None:
    """Cut lines of PAGE files out of their images.

    Args:
        folder: of the pages.
        out: the folder to be made.
        pages: how many are taken.
        lines: how many of each.
    """
    out.mkdir(parents=True)
    for file in sorted(folder.glob("*.xml"))[:pages]:
        page = read_page(file)
        with Image.open(folder / page.image_name) as image:
            for number, line in enumerate(page.lines[:lines], 1):
                xs, ys = zip(*line.polygon, strict=True)
                target = out / f"{file.stem}_l{number:02d}.png"
                image.crop((min(xs), min(ys), max(xs) + 1, max(ys) + 1)).save(target)
                target.with_suffix(".gt.txt").write_text(f"{line.text}\n", encoding="utf-8")
