"""Pages as a split sees them, made up: no files are behind them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from htr_exp.groundtruth.model import LineImage
from htr_exp.splits.split import NAMES, Split


@dataclass(frozen=True)
class Leaf:
    """A page as a split sees it."""

    name: str
    image: Path
    image_digest: str
    digest: str
    lines: Sequence[object]
    xml: Path = Path("/data/page.xml")
    line_images: Sequence[LineImage] = ()


def leaf(name: str, lines: int = 10, *, image: str | None = None, shows: str | None = None) -> Leaf:
    return Leaf(
        name,
        Path(image or f"/data/{Path(name).stem}.jpg"),
        shows or f"bytes of {name}",
        f"digest of {name}",
        [0] * lines,
        Path("/data") / name,
    )


def made_up(seed: int, *, most: int = 30, shared: float = 0.2) -> list[Leaf]:
    """Pages with 1 to 60 lines; some show the image of another, by place or by bytes."""
    rng = random.Random(seed)
    pages: list[Leaf] = []
    for number in range(rng.randint(6, most)):
        twin = rng.choice(pages) if pages and rng.random() < shared else None
        by_place = twin is not None and rng.random() < 0.5
        pages.append(
            leaf(
                f"{number:03d}.xml",
                rng.randint(1, 60),
                image=str(twin.image) if twin and by_place else None,
                shows=twin.image_digest if twin and not by_place else None,
            )
        )
    return pages


def side_of(split: Split) -> dict[str, str]:
    return {name: side for side in NAMES for name in split.pages[side]}
