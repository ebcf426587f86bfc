"""Segmentations by a kraken that only plays, and what they leave."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fakes.scenario import classes_of_model, metadata_of
from htr_exp.core.files import read_json
from htr_exp.runs.run_dir import RunDir

Planned = Callable[..., RunDir]

NUMBERS = {"lines": {"DefaultLine": 2, "HeadingLine": 3}, "regions": {"MainZone": 4, "MarginTextZone": 5}}


RELEASES = {"7.1.1": "7.1", "4.3.13": "4.3"}
"""Version -> the name by which a fake kraken knows it."""


def results(run: RunDir) -> dict[str, Any]:
    found: dict[str, Any] = read_json(run.results)
    return found


def curve(run: RunDir) -> list[int]:
    return [record["epoch"] for record in run.epochs()]


def assert_named(model: Path, numbers: dict[str, dict[str, int]] = NUMBERS) -> None:
    """The model has these classes; one of 7.1 has them at the outputs that learnt them, 4.3.13 at those it likes."""
    called = dict(zip(("lines", "regions"), classes_of_model(model).values()))
    if "_full_class_mapping" in metadata_of(model):
        assert called == numbers
        assert classes_of_model(model) == classes_of_model(model, "_full_class_mapping")
    else:
        assert {sort: set(of) for sort, of in called.items()} == {sort: set(of) for sort, of in numbers.items()}


def epochs_of(model: Path) -> int:
    """How many epochs a model has behind it."""
    return int(metadata_of(model)["epochs"])
