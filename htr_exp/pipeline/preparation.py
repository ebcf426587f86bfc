"""What is made ready for kraken before it trains, task by task: the form of the staged pages, compiled lines, numbers of classes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import yaml

from htr_exp.audit.classes import ClassNames
from htr_exp.config.schema import Experiment, RecognitionTraining
from htr_exp.core.files import digest_json, sha256_bytes
from htr_exp.core.task import RECOGNITION, SEGMENTATION, Task, task_of


class Preparation(ABC):
    """What a task makes ready.

    Attributes:
        predicts_images: whether the held-out pages are predicted from their images alone.
    """

    predicts_images = False

    def naming(self, experiment: Experiment) -> ClassNames | None:
        """What the types of lines and regions are called on the staged pages; None: as in the ground truth."""
        return None

    @abstractmethod
    def form(self, image: Path, digest: str) -> str:
        """What tells several staged files of one page apart.

        Args:
            image: of the page.
            digest: of what is staged.
        """

    def compiled(
        self, experiment: Experiment, cache: Path, kraken: str, pages: Mapping[str, Sequence[str]]
    ) -> dict[str, Path]:
        """Where the cache holds, or will hold, what is compiled of each side of the split; empty: nothing is.

        Args:
            experiment: with the settings of the training.
            cache: the folder that runs share.
            kraken: its version.
            pages: the digests of each side's pages.
        """
        return {}

    def classes(self, facts: Mapping[str, Any]) -> str | None:
        """The content of the file that gives each class its number; None: there are no classes.

        Args:
            facts: the run's provenance.
        """
        return None


def _compiled_file(cache: Path, page_digests: Sequence[str], *, kraken: str, legacy_polygons: bool) -> Path:
    """The file in which the cache holds the compiled lines of some pages, in this order, for a version of kraken."""
    key = digest_json({"pages": list(page_digests), "kraken": kraken, "legacy_polygons": legacy_polygons})
    return cache / "compiled" / f"{key[:32]}.arrow"


class _Recognition(Preparation):
    def form(self, image: Path, digest: str) -> str:
        return sha256_bytes(str(image).encode())[:8]

    def compiled(
        self, experiment: Experiment, cache: Path, kraken: str, pages: Mapping[str, Sequence[str]]
    ) -> dict[str, Path]:
        legacy = cast("RecognitionTraining", experiment.training).legacy_polygons
        return {
            side: _compiled_file(cache, sorted(digests), kraken=kraken, legacy_polygons=legacy)
            for side, digests in pages.items()
            if digests
        }


class _Segmentation(Preparation):
    predicts_images = True

    def naming(self, experiment: Experiment) -> ClassNames:
        return ClassNames(experiment.classes)

    def form(self, image: Path, digest: str) -> str:
        return f"layout-{digest[:8]}"  # where types are renamed the same page has several forms

    def classes(self, facts: Mapping[str, Any]) -> str:
        return _class_numbers(facts["classes"]["numbers"])


def _class_numbers(numbers: Mapping[str, Mapping[str, int]]) -> str:
    """A configuration for `ketos --config` that gives each class its number, and leaves out all others."""
    mappings = {
        f"{name}_class_mapping": [[one, number] for one, number in numbers[sort].items()]
        for name, sort in (("line", "lines"), ("region", "regions"))
    }
    return "# Which output of the network learns which class: kraken 7.1 reads it with --config.\n" + yaml.safe_dump(
        {"segtrain": mappings}, allow_unicode=True, sort_keys=False, default_flow_style=None
    )


_OF_TASK: dict[Task, Preparation] = {RECOGNITION: _Recognition(), SEGMENTATION: _Segmentation()}


def preparation_of(experiment: Experiment) -> Preparation:
    """What the experiment's task makes ready."""
    return _OF_TASK[task_of(experiment.task.name)]
