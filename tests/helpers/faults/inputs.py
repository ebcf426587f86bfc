"""Files that a run uses, and what somebody does to one of them while it works."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from fakes.scenario import weights
from helpers.faults.scene import Missed, Scene
from htr_exp.pipeline.run_inputs import RunInputs


def _image(side: str) -> Callable[[RunInputs], list[Path]]:
    return lambda made: [made.image(made.pages(side)[0])]


def _staged(side: str) -> Callable[[RunInputs], list[Path]]:
    return lambda made: [made.staged(made.pages(side)[0])]


FILES: dict[str, Callable[[RunInputs], list[Path]]] = {
    "an image to train on": _image("train"),
    "a test image": _image("test"),
    "a page to train on": _staged("train"),
    "a test page": _staged("test"),
    "the base model": lambda made: [Path(str(made.places["base_model"]))],
    "the compiled lines": lambda made: sorted(made.cache.glob("compiled/*.arrow")),
    "a prediction": lambda made: (
        sorted(made.cache.glob("predictions/*/*.jsonl")) + sorted(made.cache.glob("predictions/*/*.xml"))
    ),
    "the best model": lambda made: [made.run.best],
}
"""What it is called, and which files it may be; those that are there now count."""

SINCE = {"the compiled lines": "train", "a prediction": "score", "the best model": "predict"}
"""The first stage at which there are such files."""

CHANGES = ("changed", "changed and keeps its times", "emptied", "gone", "a folder")


def change(scene: Scene, *, what: str, how: str) -> None:
    """Change a file; afterwards the user puts it back as it was."""
    found = [file for file in FILES[what](RunInputs(scene.run)) if file.is_file()]
    if not found:
        raise Missed
    file, kept = found[0], scene.aside / "kept"
    shutil.copy2(file, kept)
    before = file.stat()
    if how.startswith("changed"):
        content = file.read_bytes()
        other = weights(accuracy=0.9) if file.suffix == ".mlmodel" else content[:-1] + bytes([content[-1] ^ 1])
        file.write_bytes(other)
        if "times" in how:
            os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    elif how == "emptied":
        os.truncate(file, 0)
    else:
        file.unlink()
        if how == "a folder":
            file.mkdir()
    ours = file == scene.run.best or (scene.workspace / "cache" in file.parents and "pages" not in file.parts)

    def back() -> None:
        if file.is_dir():
            file.rmdir()
        if not ours:  # what the run makes itself, it makes again
            file.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(kept, file)

    scene.put_right.append(back)
