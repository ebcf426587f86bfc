"""Real pages for the tests that segment with the real kraken: a few, of two formats, the smallest there are."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from htr_exp.rundir import RunDir

DATA = os.environ.get("HTR_EXP_REAL_DATA")
PAGE = "dev/page-forais/foral_de_guarda_1250"
ALTO = "demo/alto-hours-sbb25"


def copy_pages(of: str, to: Path, count: int) -> Path:
    """Copy the first pages of a real set, images and all."""
    to.mkdir(parents=True)
    source = Path(str(DATA), of)
    for xml in sorted(source.glob("*.xml"), key=lambda path: (len(path.name), path.name)):
        image = next(
            (one for one in source.glob(f"{xml.stem}.*") if one.suffix.lower() in (".jpg", ".jpeg", ".png")), None
        )
        if image is not None and len(list(to.glob("*.xml"))) < count:
            shutil.copy(xml, to)
            shutil.copy(image, to)
    return to


def lists(folder: Path, train: int) -> list[str]:
    """Return the words of a split: the first pages to train on, then one to validate, one to test."""
    names = sorted(path.name for path in folder.glob("*.xml"))
    sides = {"train": names[:train], "validation": names[train : train + 1], "test": names[train + 1 : train + 2]}
    words = ["split=lists"]
    for side, of_side in sides.items():
        path = folder.parent / f"{side}.txt"
        path.write_text("".join(f"{name}\n" for name in of_side))
        words.append(f"split.lists.{side}={path}")
    return words


def train(place: Path, *words: str, timeout: float = 1800) -> RunDir:
    """Run a segmentation to its end."""
    said = subprocess.run(
        [sys.executable, "-m", "htr_exp", "train", "task=segmentation", "training.device=cpu", "tracking=none", *words, "--json"],
        cwd=place, capture_output=True, text=True, timeout=timeout, check=False,
    )  # fmt: skip
    assert said.returncode == 0, said.stdout + said.stderr
    told = json.loads(said.stdout.splitlines()[-1])
    assert told["state"] == "done", told
    return RunDir(Path(told["run"]))


def result(of: RunDir) -> dict[str, Any]:
    """Return results.json."""
    found = of.result()
    assert found is not None
    return found
