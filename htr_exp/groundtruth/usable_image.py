"""Whether kraken can cut lines from an image."""

from __future__ import annotations

from pathlib import Path

from htr_exp.groundtruth.file_tree import shown
from htr_exp.groundtruth.image_header import ImageFacts
from htr_exp.groundtruth.stand_ins import STAND_INS
from htr_exp.groundtruth.xml_for_kraken import storable

# Modes that kraken can cut lines from and write as PNG, which is what `ketos compile` does.
_MODES = ("1", "L", "LA", "P", "RGB", "RGBA")


def unusable(seen: ImageFacts | str, path: Path) -> str | None:
    """What is wrong with an image for kraken, or None."""
    if isinstance(seen, str):
        return seen if seen in STAND_INS else f"cannot be read: {seen}"
    if seen.mode not in _MODES:
        return f"is in colour mode {seen.mode}, which kraken cannot cut: save it as RGB"
    if not storable(str(path)):
        return f"({shown(str(path))}) has a name that XML cannot hold: rename it"
    return None


def code_of(seen: ImageFacts | str) -> str:
    """The code of the problem that an unusable image is."""
    return "image_not_fetched" if seen in STAND_INS else "image_unreadable"
