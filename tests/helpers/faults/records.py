"""Files of a run folder and of the cache, and how a full disk, a kill or a person damages them between two starts."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from helpers.faults.scene import Missed, Scene
from htr_exp.core.files import read_json
from htr_exp.runs.run_dir import RunDir


def _compiled(run: RunDir) -> list[Path]:
    return sorted(Path(read_json(run.places)["cache"]).glob("compiled/*.arrow"))


def _predictions(run: RunDir) -> list[Path]:
    return sorted(Path(read_json(run.places)["cache"]).glob("predictions/*/*"))


FILES: dict[str, Callable[[RunDir], list[Path]]] = {
    "experiment.yaml": lambda run: [run.experiment],
    "provenance.json": lambda run: [run.provenance],
    "split.json": lambda run: [run.split],
    "fingerprints.json": lambda run: [run.fingerprints],
    "predict.jinja": lambda run: [run.template],
    "manifest.json": lambda run: [run.manifest],
    "places.json": lambda run: [run.places],
    "a list of pages": lambda run: [run.page_list("train"), run.page_list("test")],
    "the curve": lambda run: [run.metrics],
    "the state": lambda run: [run.state_file],
    "the starts": lambda run: [run.starts],
    "the krakens": lambda run: [run.krakens],
    "the log": lambda run: [run.log],
    "the outcome of the training": lambda run: [run.training_outcome],
    "the newest checkpoint": lambda run: sorted(run.training.rglob("*.*"), key=lambda path: path.stat().st_mtime_ns)[
        -1:
    ],
    "the best model": lambda run: [run.best],
    "the compiled lines": _compiled,
    "a digest of the cache": lambda run: [path.with_name(f"{path.name}.sha256") for path in _compiled(run)],
    "a prediction": _predictions,
}
"""What it is called, and which files it may be; those that are there count."""

SINCE = {"the curve": "train", "the newest checkpoint": "train", "the outcome of the training": "convert", "the best model": "predict",
         "the compiled lines": "train", "a digest of the cache": "train", "a prediction": "score"}  # fmt: skip
"""The first stage at which there are such files."""

DAMAGES = ("emptied", "cut short", "gone", "overwritten")


def damage(scene: Scene, *, what: str, how: str) -> None:
    """Damage the first such file; a file that the run cannot make again is put back by the user where the run asks for it."""
    found = [file for file in FILES[what](scene.run) if file.is_file()]
    if not found:
        raise Missed
    file, kept = found[0], scene.aside / f"record {len(scene.damaged)}"
    shutil.copy2(file, kept)
    if how == "emptied":
        os.truncate(file, 0)
    elif how == "cut short":
        os.truncate(file, file.stat().st_size // 2)
    elif how == "gone":
        file.unlink()
    else:
        file.write_bytes(bytes(range(256)) * 4)

    damaged = file.stat().st_ino if file.exists() else 0

    def back() -> None:
        if not file.exists() or file.stat().st_ino == damaged:  # else the run has made it again
            shutil.copy2(kept, file)

    scene.damaged.append(back)
